"""Whether the tests notice mistakes: small changes to the library's mathematics, each of which should fail a test.

``rnnreport test --mutants`` makes one mutant after the other in a copy of the project, runs the module's tests there in
a process of its own, and keeps what became of it in ``data/mutants.parquet``. Those of Python are cosmic-ray's, those
of the widgets' JavaScript are Stryker's. A mutant that a test has killed is not tried again while its module and that
test are the same, so the same command resumes, and tries the survivors.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from hypothesis import Phase, settings

from rnnreport import runs

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "data" / "mutants.parquet"
# By module, the files that test it; what kills most comes first.
TESTS = {
    "cells": ("test_cells", "test_other_cells", "test_recurrence", "test_gate"),
    "recurrence": ("test_recurrence", "test_other_cells", "test_models"),
    "backward": ("test_recurrence",),
    "models": ("test_models", "test_other_cells", "test_recurrence", "test_learned", "test_gate"),
    "palindromes": ("test_palindromes",),
    "sequences": ("test_sequences",),
    "sampling": ("test_sampling",),
    "training": ("test_training", "test_models"),
    "configuration": ("test_training", "test_runs"),
    "intervals": ("test_intervals", "test_words"),
    "words": ("test_words", "test_intervals", "test_captions"),
    "claims/stated": ("test_claims", "test_ledger"),
    "claims/uncertainty": ("test_uncertainty", "test_claims"),
    "claims/verdicts": ("test_claims", "test_ledger", "test_uncertainty"),
    "claims/evidence": ("test_claims", "test_ledger"),
    "claims/gradients": ("test_claims",),
    "claims/cell_path": ("test_claims",),
    "claims/rnn_versus_lstm": ("test_claims",),
    "claims/temporal_gate": ("test_claims",),
    "claims/text": ("test_claims",),
    "widgets/network.js": ("test_page_networks", "test_lessons"),
    "widgets/plain.js": ("test_page_networks",),
    "widgets/chance.js": ("test_page_networks",),
    "widgets/tasks.js": ("test_page_networks", "test_lessons"),
    "widgets/training.js": ("test_lessons",),
    "widgets/gate.js": ("test_gate_widgets",),
    "widgets/weights.js": ("test_gate_widgets", "test_writer_widget"),
    "widgets/writer.js": ("test_writer_widget",),
    "widgets/safetensors.js": ("test_text_trainer",),
}
IN_BROWSER = {"browser", "firefox", "page", "shown", "visit"}  # fixtures of tests that take seconds; node runs the rest
# What the tests import and no mutant changes: it is imported once, before processes fork.
IMPORTED = ("anywidget", "IPython", "matplotlib.pyplot", "safetensors.torch", "scipy.stats", "torch")
# Of cosmic-ray's operators those that make a mistake someone could make, one or two for each sign, as Stryker does. A |
# joins types and dictionaries here, and `is` compares with None.
ARITHMETIC = "Add_Sub|Sub_Add|Mul_Div|Div_Mul|FloorDiv_Mul|Mod_Mul|Pow_Mul"
COMPARISON = "Lt_LtE|LtE_Lt|Gt_GtE|GtE_Gt|Lt_GtE|GtE_Lt|Gt_LtE|LtE_Gt|Eq_NotEq|NotEq_Eq|Is_IsNot|IsNot_Is"
CHOSEN = re.compile(
    rf"core/(ReplaceBinaryOperator_({ARITHMETIC})|ReplaceComparisonOperator_({COMPARISON})|AddNot|NumberReplacer|"
    r"ReplaceUnaryOperator_(USub_UAdd|Delete_USub|Delete_Not)|ZeroIterationForLoop|"
    r"Replace(AndWithOr|OrWithAnd|TrueWithFalse|FalseWithTrue|BreakWithContinue|ContinueWithBreak))"
)
# And of Stryker's. Its UpdateOperator, `i--` for `i++`, makes loops without end.
STRYKER = "@stryker-mutator/instrumenter@9.6.1"
STRYKERS = {
    *("ArithmeticOperator", "AssignmentOperator", "BooleanLiteral", "ConditionalExpression", "EqualityOperator"),
    *("LogicalOperator", "UnaryOperator"),
}
LIST = """
import { readFileSync } from "node:fs";
import { createInjector } from "typed-inject";
import { commonTokens as tokens } from "@stryker-mutator/api/plugin";
import { createInstrumenter } from "@stryker-mutator/instrumenter";
const log = new Proxy({}, { get: (_, name) => () => !name.startsWith("is") });
const injector = createInjector().provideValue(tokens.logger, log).provideValue(tokens.getLogger, () => log);
const content = readFileSync(0, "utf-8"), options = { excludedMutations: [], ignorers: [], plugins: null };
const instrumenter = injector.injectFunction(createInstrumenter);
const { mutants } = await instrumenter.instrument([{ name: "module.js", content, mutate: true }], options);
process.stdout.write(JSON.stringify(mutants));
"""
COLUMNS = ["module", "operator", "occurrence", "line", "before", "after", "outcome", "test", "code", "tests"]
SAVE_EVERY = 25  # mutants
PATIENCE = 15  # seconds that a test may take besides ten times what it took before


class Mutant(NamedTuple):
    """One change of a module: which operator makes it where, and the line, or lines, before and after."""

    module: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str
    source: str  # of the whole module with the change


def mutants(module: str) -> list[Mutant]:
    """All mutants of a module."""
    return [*(_of_javascript if module.endswith(".js") else _of_python)(module)]


def _of_python(module: str) -> Iterator[Mutant]:
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = _file(module).read_text("utf-8")
    lines, tree = source.split("\n"), get_ast(source)
    for name in filter(CHOSEN.fullmatch, sorted(operator_names())):
        operator = get_operator(name)()
        places = [place for node in ast_nodes(tree) for place in operator.mutation_positions(node)]
        for occurrence, ((line, _), _) in enumerate(places):
            changed = mutate_code(source, operator, occurrence)
            if changed is None or "TYPE_CHECKING" in lines[line - 1]:  # what is for the type checker never runs
                continue
            after = changed.split("\n")[line - 1]
            if after.replace("/,", "*,") == lines[line - 1]:  # the star before parameters' names is no product
                continue
            yield Mutant(module, name[5:], occurrence, line, lines[line - 1].strip(), after.strip(), changed)


def _of_javascript(module: str) -> Iterator[Mutant]:
    source, stryker = _file(module).read_text("utf-8"), ROOT / "_build" / "stryker"
    if not (stryker / "node_modules").exists():
        subprocess.run(["npm", "install", "--silent", "--prefix", stryker, STRYKER], check=True)
    command = ["node", "--input-type=module", "--eval", LIST]
    done = subprocess.run(command, input=source, cwd=stryker, capture_output=True, encoding="utf-8", check=True)
    lines = source.splitlines(keepends=True)
    occurrences: Counter[str] = Counter()
    for found in json.loads(done.stdout):
        operator, (start, end) = found["mutatorName"], found["location"].values()
        if operator not in STRYKERS:
            continue
        first, last = (sum(map(len, lines[: place["line"]])) + place["column"] for place in (start, end))
        changed = source[:first] + found["replacement"] + source[last:]
        opens, closes = source.rfind("\n", 0, first) + 1, source.find("\n", last)
        before, after = source[opens:closes], changed[opens : closes + len(changed) - len(source)]
        occurrence = occurrences[operator]
        occurrences[operator] += 1
        words = (" ".join(text.split()) for text in (before, after))
        yield Mutant(module, operator, occurrence, start["line"] + 1, *words, changed)


def run(modules: Sequence[str], table: pd.DataFrame | None, save: Callable[[pd.DataFrame], None]) -> pd.DataFrame:
    """Try the mutants of these modules that the table does not vouch for. save: called with the table now and then."""
    rows = {} if table is None else {tuple(row[:3]): row for row in table[COLUMNS].itertuples(index=False)}
    known = {key: row for key, row in rows.items() if key[0] not in modules}
    killers = {(row.module, row.before, row.after): row.test for row in rows.values()}  # the line may have moved
    found = {module: mutants(module) for module in modules}
    for module in modules:
        code = _digest(_file(module))
        for mutant in found[module]:
            row, killer = rows.get(mutant[:3]), killers.get((module, mutant.before, mutant.after), "")
            same = row is not None and row.code == code
            known[mutant[:3]] = row if same else _row(mutant, "not tried", killer, code, "")
    save(_table(known))
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder))
        for module in modules:
            code, tests = _digest(_file(module)), [f"tests/{name}.py" for name in TESTS[module]]
            every = _digest(*(ROOT / test for test in tests))
            rows_of = [(mutant, known[mutant[:3]]) for mutant in found[module]]
            left = [mutant for mutant, row in rows_of if row.tests != _vouching(row.test, every)]
            if not left:
                continue
            history = History(Counter(row.test for _, row in rows_of if row.test), {})
            said, seconds = _try(copy, tests, history, None)
            if said != "passed":
                raise RuntimeError(f"without a change, {said}")
            for number, mutant in enumerate(left, 1):
                place = copy / _file(module).relative_to(ROOT)
                place.write_text(mutant.source, "utf-8")
                os.utime(place, (number, number))  # Python takes a file of the same second and size for the same
                likely = history._replace(likely=known[mutant[:3]].test)
                test, _ = _try(copy, tests, likely, 5 * seconds + 20)
                history.kills[test] += 1
                test, outcome = ("", "survived") if test == "passed" else (test, "killed")
                known[mutant[:3]] = _row(mutant, outcome, test, code, _vouching(test, every))
                if number % SAVE_EVERY == 0:
                    save(_table(known))
            shutil.copy(_file(module), copy / _file(module).relative_to(ROOT))
            save(_table(known))
    return _table(known)


def _row(mutant: Mutant, *came: str) -> Any:
    """A row of the table, with what became of the mutant."""
    return next(pd.DataFrame([[*mutant[:6], *came]], columns=COLUMNS).itertuples(index=False))


def _table(known: dict[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame(known.values(), columns=COLUMNS).sort_values(["module", "line", "operator", "occurrence"])


def _file(module: str) -> Path:
    return ROOT / "rnnreport" / (module if module.endswith(".js") else f"{module}.py")


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _vouching(test: str, every: str) -> str:
    """The digest of what an outcome rests on: the test that failed, with all of its file but other tests; or all."""
    name, _, function = test.partition("[")[0].partition("::")
    file = ROOT / name
    if not (name.startswith("tests/") and file.exists()):
        return every
    text = file.read_text("utf-8")
    lines = text.splitlines()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name != function:
            first = min(part.lineno for part in (node, *node.decorator_list))
            lines[first - 1 : node.end_lineno] = [""] * (node.end_lineno - first + 1)
    return hashlib.sha256("\n".join(filter(None, lines)).encode()).hexdigest()[:16]


def _copy(folder: Path) -> Path:
    """A copy of what is committed or about to be, with links to what is not."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    vendored = folder / "book" / "_static" / "vendor"
    vendored.parent.mkdir(parents=True, exist_ok=True)
    vendored.symlink_to(ROOT / "book" / "_static" / "vendor")
    return folder


class History(NamedTuple):
    """What is known of tests, by name: how many mutants each has killed, and how many seconds it takes.

    likely: the test that killed the same mutant before the module changed.
    """

    kills: Counter[str]
    seconds: dict[str, float]
    likely: str = ""

    def order(self, tests: Sequence[str]) -> list[str]:
        """The likely one, then from the one that promises most in a second: by its kills, and those of others alike."""
        alike: Counter[str] = Counter()
        for name, kills in self.kills.items():
            alike[_family(name)] += kills
        hopes = {name: 1 + 10 * alike[_family(name)] + 100 * self.kills[name] for name in tests}
        return sorted(tests, key=lambda name: (name != self.likely, -hopes[name] / (0.01 + self.seconds.get(name, 0))))


def _family(test: str) -> str:
    """The name of a test with the first of its parameters' words, such as a claim's name."""
    return test.partition("-")[0]


def _try(copy: Path, tests: Sequence[str], history: History, limit: float | None) -> tuple[str, float]:
    """The first test that fails in the copy, or "passed", and the seconds it took. limit: those it may take.

    history: decides what is run first, and learns how long each test takes.
    """
    start = time.monotonic()
    mine, others = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_test, args=(copy, tests, history, others))
    process.start()
    others.close()
    try:
        said, took = mine.recv() if mine.poll(limit) else ("no end within the time allowed", {})
        history.seconds.update(took | history.seconds)
    except EOFError:
        said = "the process died"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # and a node that has no end
        process.join()
    return said, time.monotonic() - start


class _First:
    """A plugin of pytest that keeps the first test, or the first file to be read, that fails, and what each takes."""

    def __init__(self, history: History) -> None:
        self.history, self.failed, self.took = history, "passed", Counter[str]()

    def pytest_collection_modifyitems(self, items: list[pytest.Function]) -> None:
        known = {item.nodeid: item for item in items if not IN_BROWSER & {*item.fixturenames}}
        items[:] = [known[name] for name in self.history.order([*known])]

    def pytest_runtest_setup(self, item: pytest.Function) -> None:
        if item.nodeid in self.history.seconds:  # else it has the time that all have
            signal.setitimer(signal.ITIMER_REAL, PATIENCE + 10 * self.history.seconds[item.nodeid])  # then this dies

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            signal.setitimer(signal.ITIMER_REAL, 0)  # what is after the tests takes its time
        self.took[report.nodeid] += report.duration
        if report.failed and self.failed == "passed":
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed == "passed":
            self.failed = report.nodeid


def _test(copy: Path, tests: Sequence[str], history: History, answer: Connection) -> None:
    """In the forked process: run the tests on the copy's library."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.chdir(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rnnreport", "tests", "conftest")]:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    os.environ |= {"PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    settings.register_profile("no shrinking", phases=[Phase.explicit, Phase.generate])  # the first failure is enough
    settings.load_profile("no shrinking")  # conftest.py's is made from it
    first = _First(history)
    plugins = ["-p", "no:cacheprovider", "-p", "_hypothesis_pytestplugin", "--hypothesis-seed=0"]
    status = pytest.main(["-x", "-q", "-m", "not slow", *plugins, *tests], plugins=[first])
    said = first.failed if status == 0 or first.failed != "passed" else f"pytest ended with {status!r}"
    answer.send((said, {**first.took}))
    os._exit(0)


def main() -> None:
    """Try the mutants of the modules that are named on the command line, or of all."""
    if not hasattr(os, "fork"):
        sys.exit("rnnreport: mutants are tried in forked processes, which this system lacks: use Linux or macOS")
    try:
        import cosmic_ray  # noqa: F401
    except ImportError:
        sys.exit("rnnreport: mutants are made by cosmic-ray: `.venv/bin/pip install cosmic-ray`")
    for name in IMPORTED:
        import_module(name)
    import torch

    gc.freeze()  # what is shared is not copied, only because it is looked through for garbage
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # and the tests that run end, too
    unknown = sorted({*sys.argv[1:]} - {*TESTS})
    if unknown:
        sys.exit(f"rnnreport: there are no mutants of {unknown[0]!r}, only of {', '.join(TESTS)}")
    before = runs.read_table(RECORD) if RECORD.exists() else None
    table = run(sys.argv[1:] or [*TESTS], before, lambda table: runs.write_table(table, RECORD))
    print(pd.crosstab(table["module"], table["outcome"]).to_string())


if __name__ == "__main__":
    main()
