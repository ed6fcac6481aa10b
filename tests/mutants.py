"""Whether the tests notice mistakes: small changes to the library's mathematics, each of which should fail a test.

``rnnreport test --mutants`` makes one mutant after the other in a copy of the project, runs the module's tests there in
a process of its own, and keeps what became of it in ``data/mutants.parquet``. A mutant that a test has killed is not
tried again while its module and that test's file are the same, so the same command resumes, and tries the survivors.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest

from rnnreport import runs

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "data" / "mutants.parquet"
# By module of the library, the files that test it; what kills most comes first.
TESTS = {
    "cells": ("test_cells", "test_recurrence", "test_gate"),
    "recurrence": ("test_recurrence", "test_models"),
    "backward": ("test_recurrence",),
    "models": ("test_models", "test_recurrence", "test_learned", "test_gate"),
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
}
# Of cosmic-ray's operators those that make a mistake someone could make: + for -, < for <=, but not << for -. A | joins
# types and dictionaries here, and `is` compares with None.
ARITHMETIC, COMPARISON = "Add|Sub|Mul|Div|FloorDiv|Mod|Pow", "Eq|NotEq|Lt|LtE|Gt|GtE"
CHOSEN = re.compile(
    rf"core/(ReplaceBinaryOperator_({ARITHMETIC})_({ARITHMETIC})|ReplaceComparisonOperator_({COMPARISON})_({COMPARISON})|"
    r"ReplaceComparisonOperator_(Is_IsNot|IsNot_Is)|ReplaceUnaryOperator_(USub_UAdd|Delete_USub|Delete_Not)|AddNot|NumberReplacer|"
    r"Replace(AndWithOr|OrWithAnd|TrueWithFalse|FalseWithTrue|BreakWithContinue|ContinueWithBreak)|ZeroIterationForLoop)"
)
COLUMNS = ["module", "operator", "occurrence", "line", "before", "after", "outcome", "test", "code", "tests"]
SAVE_EVERY = 25  # mutants


class Mutant(NamedTuple):
    """One change of a module: which operator of cosmic-ray makes it where, and the line before and after."""

    module: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str
    source: str  # of the whole module with the change


def mutants(module: str) -> Iterator[Mutant]:
    """All mutants of a module."""
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
            yield Mutant(module, name[5:], occurrence, line, lines[line - 1].strip(), after.strip(), changed)


def run(modules: Sequence[str], table: pd.DataFrame | None, save: Any) -> pd.DataFrame:
    """Try the mutants of these modules that the table does not vouch for. save: called with the table now and then."""
    known = {} if table is None else {tuple(row[:3]): row for row in table[COLUMNS].itertuples(index=False)}
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder))
        for module in modules:
            code, tests = _digest(_file(module)), [f"tests/{name}.py" for name in TESTS[module]]
            every = _digest(*(ROOT / test for test in tests))
            said, seconds = _try(copy, tests, None)
            if said != "passed":
                raise RuntimeError(f"without a change, {said}")
            found = [*mutants(module)]
            wanted = {mutant[:3] for mutant in found}
            known = {key: row for key, row in known.items() if key[0] != module or key in wanted}
            for number, mutant in enumerate(found):
                row = known.get(mutant[:3])
                if row is not None and row.code == code and row.tests == _vouching(row.test, every):
                    continue
                place = copy / "rnnreport" / f"{module}.py"
                place.write_text(mutant.source, "utf-8")
                os.utime(place, (number, number))  # Python takes a file of the same second and size for the same
                test, _ = _try(copy, tests, 10 * seconds + 20)
                outcome = "survived" if test == "passed" else "killed"
                test = "" if test == "passed" else test
                values = [*mutant[:6], outcome, test, code, _vouching(test, every)]
                known[mutant[:3]] = next(pd.DataFrame([values], columns=COLUMNS).itertuples(index=False))
                if number % SAVE_EVERY == 0:
                    save(_table(known))
            shutil.copy(_file(module), copy / "rnnreport" / f"{module}.py")
            save(_table(known))
    return _table(known)


def _table(known: dict[Any, Any]) -> pd.DataFrame:
    return pd.DataFrame(known.values(), columns=COLUMNS).sort_values(["module", "line", "operator", "occurrence"])


def _file(module: str) -> Path:
    return ROOT / "rnnreport" / f"{module}.py"


def _digest(*files: Path) -> str:
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def _vouching(test: str, every: str) -> str:
    """The digest of the tests that an outcome rests on: the file of the test that failed, or all."""
    file = ROOT / test.partition("::")[0]
    return _digest(file) if test.startswith("tests/") and file.exists() else every


def _copy(folder: Path) -> Path:
    """A copy of what is committed or about to be, with links to what is not."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / "book" / "_static" / "vendor").symlink_to(ROOT / "book" / "_static" / "vendor")
    return folder


def _try(copy: Path, tests: Sequence[str], limit: float | None) -> tuple[str, float]:
    """The first test that fails in the copy, or "passed", and the seconds it took. limit: those it may take."""
    start = time.monotonic()
    mine, others = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_test, args=(copy, tests, others))
    process.start()
    others.close()
    try:
        said = mine.recv() if mine.poll(limit) else "no end within the time allowed"
    except EOFError:
        said = "the process died"
    process.kill()
    process.join()
    return said, time.monotonic() - start


class _First:
    """A plugin of pytest that keeps the first test, or the first file to be read, that fails."""

    failed = "passed"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed == "passed":
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and self.failed == "passed":
            self.failed = report.nodeid


def _test(copy: Path, tests: Sequence[str], answer: Connection) -> None:
    """In the forked process: run the tests on the copy's library."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.chdir(copy)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("rnnreport", "tests", "conftest")]:
        del sys.modules[name]
    sys.path.insert(0, str(copy))
    os.environ |= {"PYTHONPATH": str(copy), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    first = _First()
    options = [
        "-x",
        "-q",
        "-m",
        "not slow",
        "-p",
        "_hypothesis_pytestplugin",
        "--hypothesis-seed=0",
        "-p",
        "no:cacheprovider",
    ]
    status = pytest.main([*options, *tests], plugins=[first])
    answer.send(first.failed if status in (0, 1, 2) else f"pytest ended with {status}")
    os._exit(0)


def main() -> None:
    """Try the mutants of the modules that are named on the command line, or of all."""
    try:
        import cosmic_ray  # noqa: F401
    except ImportError:
        sys.exit("rnnreport: mutants are made by cosmic-ray: `.venv/bin/pip install cosmic-ray`")
    import hypothesis  # noqa: F401 - what every process needs is read once, before they fork
    import scipy.stats  # noqa: F401
    import torch

    torch.set_num_threads(1)
    unknown = sorted({*sys.argv[1:]} - {*TESTS})
    if unknown:
        sys.exit(f"rnnreport: there are no mutants of {unknown[0]!r}, only of {', '.join(TESTS)}")
    before = runs.read_table(RECORD) if RECORD.exists() else None
    table = run(sys.argv[1:] or [*TESTS], before, lambda table: runs.write_table(table, RECORD))
    killed = (table["outcome"] == "killed").groupby(table["module"]).agg(["size", "mean"])
    print(killed.to_string())


if __name__ == "__main__":
    main()
