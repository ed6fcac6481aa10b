"""From notebooks to the book, on a small book of its own; the real one is built for tests/test_pages.py."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Annotated, Any
from xml.etree import ElementTree

import nbformat
import papermill.iorw
import papermill.parameterize
import psutil
import pytest
from conftest import ROOT, eventually, posix
from pydantic import Field

from rnnreport import build, locks, sbom, site, sweep, vendor
from rnnreport.checksums import MANIFEST
from rnnreport.claims.collected import METADATA
from rnnreport.claims.stated import ClaimsError
from rnnreport.parameters import Count, ParameterError, Parameters, Seeds
from rnnreport.parameters.claims import ClaimsParameters
from rnnreport.provenance import beside, content_hash, modules

cell, words = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


class SmallParameters(Parameters):
    seeds: Seeds
    size: Count
    fail: Annotated[bool, Field(strict=True, description="true or false")]


SMALL = [
    words("# Small\n\nWords.\n\n## More\n\nWords."),
    cell(
        "seeds = [0]  # seeds\nsize = 2  # a size\nfail = False  # whether to fail", metadata={"tags": ["parameters"]}
    ),
    cell(
        "if not size:  # it depends on both, and waits for neither\n"
        "    from rnnreport import cells\n    from rnnreport.claims.gradients import judge"
    ),
    cell("import pathlib, os\nwith open(os.environ['SMALL_LOG'], 'a') as log:\n    log.write(f'{size}\\n')"),
    cell("assert not fail, 'asked to fail'\nprint(size * 2)", metadata={"tags": ["nbval-check-output"]}),
]


def write(cells: list[nbformat.NotebookNode], path: Path) -> None:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


def pages(stage: Path, log: Path) -> Path:
    """In place of Jupyter Book: a page for every source, and index.html."""
    html = stage / "_build" / "html"
    for path in [path for path in stage.rglob("*") if path.is_file()]:
        page = html / path.relative_to(stage).with_suffix(".html")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_bytes(b"page of " + path.read_bytes())
    (html / "index.html").write_text("the book")
    return html


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A book of one chapter, ``01_small``; returns its notebook."""
    book = tmp_path / "book"
    book.mkdir()
    path = book / "01_small.ipynb"
    write(SMALL, path)
    (book / "profiles.yml").write_text("quick: {}\nreport:\n  01_small: {size: 5}\n")
    monkeypatch.setattr(build, "BOOK", book)
    monkeypatch.setattr(build, "BUILD", tmp_path / "_build")
    monkeypatch.setattr(build, "CHAPTERS", {"01_small": SmallParameters})
    monkeypatch.setattr(vendor, "fetch", lambda root: None)
    monkeypatch.setattr(site, "_jupyter_book", pages)
    monkeypatch.setenv("SMALL_LOG", str(tmp_path / "log"))
    return path


def in_this_process(chapter: str | Path, values: Mapping[str, Any], output: Path, stderr: object) -> str:
    """In place of papermill, which starts a kernel: the same cells are run here."""
    notebook = papermill.parameterize.parameterize_notebook(
        papermill.iorw.load_notebook_node(str(build.BOOK / Path(chapter).with_suffix(".ipynb").name)), dict(values)
    )
    names: dict[str, Any] = {}
    with chdir(build.BOOK):
        for code in [code for code in notebook.cells if code.cell_type == "code"]:
            with redirect_stdout(io.StringIO()) as said:
                exec(code.source, names)
            code.outputs = [nbformat.v4.new_output("stream", text=said.getvalue())] if said.getvalue() else []
    nbformat.write(notebook, output)
    return ""


@pytest.fixture
def quickly(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is done before and after a notebook runs."""
    monkeypatch.setattr(build, "_papermill", in_this_process)


def ran(path: Path) -> int:
    log = Path(os.environ["SMALL_LOG"])
    return len(log.read_text("utf-8").splitlines()) if log.exists() else 0


TRAINS = """
import os, pathlib, time
from rnnreport import sweep

folder = pathlib.Path(os.environ["SMALL_LOG"]).parent
(folder / f"{size}.here").touch()
while len(list(folder.glob("*.here"))) < 2:  # the other chapter must be under way
    time.sleep(0.05)

def train():
    (folder / f"{size}.worker").write_text(str(os.getppid()))

failed = sweep.run({"one": train}, "trainings")
assert not failed, failed
"""


@pytest.mark.parametrize("fail", [False, True])
def test_chapters_run_side_by_side_and_train_on_the_same_workers(
    fail: bool, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write([*SMALL[:3], cell(TRAINS), SMALL[4]], small)
    write([*SMALL[:3], cell(TRAINS), SMALL[4]], small.with_name("02_small.ipynb"))
    small.with_name("profiles.yml").write_text(
        f"quick:\n  01_small: {{fail: {str(fail).lower()}}}\n  02_small: {{size: 3}}\n"
    )
    monkeypatch.setattr(build, "CHAPTERS", dict.fromkeys(("01_small", "02_small"), SmallParameters))
    monkeypatch.delenv(sweep.SCHEDULER, raising=False)
    if fail:
        with pytest.raises(build.BuildError, match="01_small failed: AssertionError: asked to fail"):
            build.book("quick", tmp_path / "_build")
    else:
        build.book("quick", tmp_path / "_build")
    said = capsys.readouterr()
    assert [(tmp_path / f"{size}.worker").read_text() for size in (2, 3)] == [str(os.getpid())] * 2
    assert [path.name for path in sorted((tmp_path / "_build" / "chapters").iterdir())] == (
        [f"01_small{build.FAILED}", "02_small.ipynb"] if fail else ["01_small.ipynb", "02_small.ipynb"]
    )
    assert re.search(r"^02_small: \d+ s$", said.out, re.M)
    assert "1 failed" in said.err if fail else "2 done, 0 failed" in said.err
    assert sweep.SCHEDULER not in os.environ


@pytest.mark.parametrize("profile", ["quick", "report", "full"])
@pytest.mark.parametrize("chapter", build.CHAPTERS)
def test_every_profile_is_one_that_its_chapter_allows(chapter: str, profile: str) -> None:
    values = build.parameters(chapter, profile)
    if "corpus" in values:
        values["corpus"] = "shakespeare"  # the book itself may not be here
    build.check(chapter, values)


def test_profiles_lie_over_the_notebooks_own_values(small: Path) -> None:
    assert build.parameters("01_small") == {"seeds": [0], "size": 2, "fail": False}
    assert build.parameters("01_small", "report")["size"] == 5
    with pytest.raises(ParameterError, match="no profile 'huge'; there are quick, report"):
        build.parameters("01_small", "huge")
    with pytest.raises(ParameterError, match="no chapter '09_missing'; there are 01_small"):
        build.parameters("09_missing")
    with pytest.raises(ParameterError, match="01_small: size must be an integer of at least 1, not 0"):
        build.check("01_small", {"seeds": [0], "size": 0, "fail": False})


def test_claims_that_cannot_be_read_stop_a_build_before_anything_runs(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "claims.yml").write_text('- {id: one, section: "1.1"}\n', "utf-8")
    read = build.stated.claims
    monkeypatch.setattr(build.stated, "claims", lambda: read(tmp_path / "claims.yml"))
    monkeypatch.setattr(build, "_run_chapters", lambda *asked: pytest.fail("a chapter runs"))
    for asked in (build.book, build.verdicts):
        with pytest.raises(ClaimsError, match=r"^claims\.yml, claim one: 'claim': field required$"):
            asked("quick", tmp_path / "built")
    assert not (tmp_path / "built").exists()


def test_an_executed_chapter_has_its_parameters_and_says_how_long_it_took(small: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "small.ipynb"
    build.execute("01_small", {"seeds": [1], "size": 7, "fail": False}, output, "print")
    notebook = nbformat.read(output, as_version=4)
    assert notebook.cells[-1].outputs[0].text == "14\n"
    assert build._recorded(output)["fingerprint"] == "print"
    assert build._recorded(output)["seconds"] > 0
    shown = site.as_run(output)
    assert "size = 7  # a size" in shown.cells[1].source
    assert not any("injected-parameters" in c.metadata.get("tags", []) for c in shown.cells)
    assert list(output.parent.iterdir()) == [output]


def test_a_chapter_that_fails_keeps_what_it_came_to_and_nothing_under_the_final_name(
    small: Path, tmp_path: Path
) -> None:
    output = tmp_path / "small.ipynb"
    with pytest.raises(build.BuildError, match="01_small failed: AssertionError: asked to fail") as error:
        build.execute("01_small", {"seeds": [1], "size": 7, "fail": True}, output)
    assert "\n" not in str(error.value)
    assert not output.exists()
    assert output.with_suffix(".failed.ipynb").exists()
    build.execute("01_small", {"seeds": [1], "size": 7, "fail": False}, output)
    assert not output.with_suffix(".failed.ipynb").exists()


def test_the_fingerprint_changes_with_all_that_the_chapter_depends_on_and_with_nothing_else(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = build.parameters("01_small")
    first = build._fingerprint("01_small", values)
    assert build._fingerprint("01_small", dict(reversed(values.items()))) == first
    assert build._fingerprint("01_small", {**values, "size": 3}) != first
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(build, "code_version", lambda *names, whole: asked.append(names) or "other code")
    assert build._fingerprint("01_small", values) != first
    assert set(asked[0]) == {"rnnreport.cells", "rnnreport.claims.gradients.judge"}
    monkeypatch.undo()


def test_the_fingerprint_knows_notebook_and_claims(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = build.parameters("01_small")
    first = build._fingerprint("01_small", values)
    other = tmp_path / "claims.yml"
    other.write_text("[]")
    monkeypatch.setattr(build, "reads", lambda *names: [other])
    second = build._fingerprint("01_small", values)
    assert second != first
    write([*SMALL, words("More.")], small)
    assert build._fingerprint("01_small", values) == second  # its words are brought up to date without a run
    write([*SMALL, cell("1")], small)
    assert build._fingerprint("01_small", values) != second


def test_the_fingerprint_knows_the_text_and_the_profile(tmp_path: Path) -> None:
    book, found = tmp_path / "book.txt", set()
    for letter, profile in (("a", "quick"), ("b", "quick"), ("b", "report")):
        book.write_text(f"{letter} text, read by a network. " * 20)
        values = {**build.parameters("04_text_generation", profile), "corpus": str(book)}
        found.add(build._fingerprint("04_text_generation", values))
    assert len(found) == 3


def test_a_chapter_keeps_what_it_was_made_from(small: Path) -> None:
    values = build.parameters("01_small", "report")
    record = build._record("01_small", values, "")
    assert record["command"] == "rnnreport run 01_small -p size 5"
    assert record["parameters"] == values
    assert record["data"]["data/claims.yml"] == content_hash(ROOT / "data" / "claims.yml")
    assert re.fullmatch("([0-9a-f]{40}(-dirty)?)?", record["commit"])


def test_figures_are_exported_and_verdicts_collected(small: Path, tmp_path: Path) -> None:
    svg = b"<svg/>"
    data = base64.b64encode(svg).decode()
    html = f'<figure class="report-figure" id="figure-1a"><img alt="" src="data:image/svg+xml;base64,{data}">'
    shown = nbformat.v4.new_output(
        "execute_result", {"text/html": html}, metadata={METADATA: {"verdicts": [{"id": "fig1a"}]}}
    )
    path = tmp_path / "chapters" / "01_small.ipynb"
    path.parent.mkdir()
    write([cell("1", outputs=[shown])], path)
    [figure] = build.export_figures(path)
    assert figure.name == "01_small-figure-1a.svg"
    assert figure.read_bytes().startswith(svg)
    assert build.is_figure(figure)
    ElementTree.parse(figure)  # XML still
    collected = {"verdicts": [{"id": "fig1a", "chapter": "01_small"}]}
    assert build._collected({"01_small": path}, ["01_small"]) == collected


def test_tidy_keeps_only_the_outputs_of_checked_cells(small: Path) -> None:
    notebook = nbformat.read(small, as_version=4)
    ids = [c.id for c in notebook.cells]
    notebook.cells[2].metadata["collapsed"] = True
    nbformat.write(notebook, small)
    build.tidy("01_small")
    tidied = nbformat.read(small, as_version=4)
    assert [c.id for c in tidied.cells] == ids
    assert "collapsed" not in tidied.cells[2].metadata
    assert [c.get("outputs", []) for c in tidied.cells[:-1]] == [[]] * 4
    assert tidied.cells[-1].outputs[0].text == "4\n"
    before = small.read_bytes()
    build.tidy("01_small")
    assert small.read_bytes() == before


# What is shown is never older than what it was made from.

# Edits a copy of the project file by file, and says after each what every chapter's and the site's hash is now; what
# depends on the library's modules is in tests/test_invalidation.py. Chapter 3 is run natively, by kernels that need not
# be compiled for that.
FINGERPRINTS = """
import json, sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
native = sys.modules["rnnreport.native.autograd"] = ModuleType("rnnreport.native.autograd")
native.description = lambda backend: "native " + import_module("rnnreport.native.library").source_hash()
from rnnreport import build, provenance, site
assert provenance.PROJECT == Path.cwd(), provenance.PROJECT
wanted = {chapter: build.parameters(chapter) for chapter in build.CHAPTERS}
wanted["03_temporal_gate"]["backend"] = "native"
for chapter in build.COLLECTING:
    wanted[chapter]["collected_file"] = "_build/collected.json"
chapters = [Path("_build", "chapters", chapter + ".ipynb") for chapter in wanted]
def hashes():
    provenance.code_version.cache_clear()
    provenance._graph.cache_clear()
    found = {chapter.partition("_")[0]: build._fingerprint(chapter, values) for chapter, values in wanted.items()}
    return {**found, "site": site.source_hash(build.BOOK, chapters)}
found = [hashes(), hashes()]
for name in json.loads(sys.argv[1]):
    old, _, new = name.partition(" -> ")
    if new:
        Path(old).rename(new)
    else:
        with open(old, "a") as file:
            file.write("_edited = True\\n" if old.endswith(".py") else "\\n")
    found.append(hashes())
print(json.dumps(found))
"""
ALL = {"01", "01b", "01c", "02", "03", "03b", "04", "05", "06", "07", "08", "index"}
JUDGING = ALL - {"01b", "03b", "06", "07", "08"}
EDITED = {
    "data/report_samples.yml": {"04"},
    "data/claims.yml": JUDGING,
    "data/bugs.yml": {"07", "08"},
    "data/survivors.yml": {"08"},
    "data/rnn_versus_lstm.parquet": {"02"},
    "data/temporal_gate.parquet": {"03"},
    "data/comparisons.parquet": {"03b"},
    "data/text_generation.parquet": {"04"},
    "data/backends.parquet": {"06"},
    "data/benchmarks.json": {"06"},
    **{f"data/text-500k/{name}": {"04"} for name in ("run.json", "table.parquet", "weights-2000.safetensors")},
    **{f"data/text-short/{name}": {"04"} for name in ("run.json", "table.parquet", "weights-20000.safetensors")},
    "data/text-short/table.parquet -> data/text-short/old.parquet": {"04"},
    "data/README.md": set(),
    "_build/collected.json": {"05", "index"},
    "requirements.lock": {*ALL, "site"},
    "requirements-torch-cpu.lock": {"site"},
    "package-lock.json": {"02", "03", "04", "08", "index", "site"},  # the page's kernels; what is locked
    "rnnreport/native/lstm.cpp": {"03"},
    "rnnreport/native/kernels.h": {"03"},
    "rnnreport/native/autograd.py": {"03"},
    "rnnreport/site.py": {"site"},
    "rnnreport/crate.py": {"site"},
    "rnnreport/build.py": {"site"},
    "CITATION.cff": {"site"},
    "book/_ext/traces.py": {"site"},
    "book/references.bib": {"site"},
    "book/_static/report.css": {"site"},
    "book/_static/report.css -> book/report.css": {"site"},
    "book/_static/vendor/anywidget.js": {"site"},
    "book/_ext/quick_site.py": {"site"},
    "_config.yml": {"site"},
    "_toc.yml": {"site"},
    "_build/chapters/04_text_generation.ipynb": {"site"},
}


@pytest.fixture(scope="module")
def fingerprints(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The hashes at first, again, and after each edit."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("rnnreport", "book", "data"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    for name in (*(lock.name for lock in sbom.LOCKS), "CITATION.cff", "_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, copy)
    for name in ("book/_static/vendor/anywidget.js", "_build/collected.json"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("{}")
    (copy / "_build" / "chapters").mkdir()
    for chapter in build.CHAPTERS:
        (copy / "_build" / "chapters" / f"{chapter}.ipynb").write_text("{}")
    command = [sys.executable, "-c", FINGERPRINTS, json.dumps(list(EDITED))]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_an_edit_the_fingerprints_stay(fingerprints: list[dict[str, str]]) -> None:
    assert fingerprints[0] == fingerprints[1]
    assert set(fingerprints[0]) == {*ALL, "site"}


@pytest.mark.parametrize("name", EDITED)
def test_an_edit_makes_the_chapters_run_again_that_read_it_and_no_others(
    fingerprints: list[dict[str, str]], name: str
) -> None:
    place = list(EDITED).index(name) + 1
    before, after = fingerprints[place], fingerprints[place + 1]
    assert {what for what in before if before[what] != after[what]} == EDITED[name]


def test_a_file_of_the_same_name_where_a_build_is_started_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = build.parameters("03_temporal_gate")
    first = build._fingerprint("03_temporal_gate", values)
    monkeypatch.chdir(tmp_path)
    (tmp_path / values["recorded_file"]).parent.mkdir()
    (tmp_path / values["recorded_file"]).write_text("of another project")
    assert build._fingerprint("03_temporal_gate", values) == first


@pytest.mark.parametrize("chapter", build.CHAPTERS)
def test_a_chapter_reads_nothing_of_the_project_but_what_its_fingerprint_knows(
    chapter: str, site: Path, opened: Callable[[str], set[Path]]
) -> None:
    values = build.parameters(chapter)
    if chapter in build.COLLECTING:
        values["collected_file"] = str(site.parent / "collected.json")
    declared = [*build._read_by_code(chapter), *build._named(chapter, values)]
    known = [path.resolve() for path in declared if path.exists()]
    scripts = {path for module in modules(*build._imports(chapter)) for path in beside(module)}
    read = opened(chapter)
    assert ROOT / "rnnreport" / "parameters" / "__init__.py" in read  # that opened files are seen at all
    for there in known:
        assert there.is_relative_to(site.parent) or any(path.is_relative_to(there) for path in read), "is never read"
    sums = {path / MANIFEST for there in known for path in (there, there.parent)}  # they can but refuse what is read
    sources = set((ROOT / "rnnreport").rglob("*.py")) - set((ROOT / "rnnreport" / "native").rglob("*.py"))
    for path in read - sums - sources:  # modules are known by the imports
        assert path in scripts or any(path.is_relative_to(there) for there in known)


def _emptied(content: bytes) -> bytes:
    return b""


def _halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": _emptied,
    "halved": _halved,
    "of braces": lambda content: b"{}",
    "of null": lambda content: b"null",
    "of a list": lambda content: b"[1]",
    "of no text": lambda content: b"\xff" + content,
    "edited": lambda content: content.replace(b"10\\n", b"11\\n").replace(b"page of", b"pace of"),
}


@pytest.fixture
def built(quickly: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """What ``book`` says; it has been called once."""

    def book() -> str:
        index = build.book("report", tmp_path / "_build")
        assert index.read_text() == "the book"
        return capsys.readouterr().out

    assert "01_small: running\n" in book()
    return book


def test_changed_words_come_into_the_executed_chapter_without_a_run(
    built: Callable[[], str], small: Path, tmp_path: Path
) -> None:
    executed = tmp_path / "_build" / "chapters" / "01_small.ipynb"
    source = nbformat.read(small, as_version=4)
    source.cells[0].source = "# Small\n\nOther words."
    moved = source.cells.pop(0)
    source.cells = [source.cells[0], words("At the start."), moved, *source.cells[1:], words("At the end.")]
    source.cells[2].metadata["tags"] = ["margin"]
    nbformat.write(source, small)
    assert built().startswith("01_small: nothing changed")
    assert ran(small) == 1
    shown = site.as_run(executed)
    assert [c.source for c in shown.cells if c.cell_type == "markdown"] == [
        "At the start.", "# Small\n\nOther words.", "At the end.",
    ]  # fmt: skip
    assert [c.id for c in shown.cells] == [c.id for c in source.cells]
    assert [c.metadata.tags for c in shown.cells if c.source.endswith("Other words.")] == [["margin"]]
    assert "size = 5  # a size" in shown.cells[0].source
    assert shown.cells[-2].outputs[0].text == "10\n"
    before = executed.read_bytes()
    assert "Building" not in built()
    assert executed.read_bytes() == before
    small.write_bytes(small.read_bytes().replace(b"At the end.", b""))
    built()
    assert not any("At the end." in c.source for c in site.as_run(executed).cells)


def test_with_nothing_changed_nothing_is_built(built: Callable[[], str], small: Path) -> None:
    said = built()
    assert said.startswith("01_small: nothing changed")
    assert "Building" not in said
    assert ran(small) == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_edited_chapter_runs_again_and_says_why(
    damage: str, built: Callable[[], str], small: Path, tmp_path: Path
) -> None:
    executed = tmp_path / "_build" / "chapters" / "01_small.ipynb"
    whole = executed.read_bytes()
    executed.write_bytes(DAMAGES[damage](whole))
    assert executed.read_bytes() != whole
    assert "chapters/01_small.ipynb is damaged or was edited: the chapter runs again\n01_small: running\n" in built()
    assert ran(small) == 2
    assert "nothing changed" in built()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_edited_page_is_built_again_and_named(
    damage: str, built: Callable[[], str], tmp_path: Path
) -> None:
    page = tmp_path / "_build" / "html" / "book" / "01_small.html"
    whole, times = page.read_bytes(), page.stat()
    page.write_bytes(DAMAGES[damage](whole))
    os.utime(page, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "Building the pages, since book/01_small.html is not as it was built (1 of the site)" in built()
    assert page.read_bytes() == whole
    assert "Building" not in built()


def test_a_second_build_at_the_same_time_says_so_and_waits(
    quickly: None, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    html = tmp_path / "_build" / "html"
    html.parent.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with locks.alone(html):
            second = pool.submit(build.book, "report", tmp_path / "_build")
            eventually(lambda: "; waiting for it to end" in capsys.readouterr().out)
            assert ran(small) == 0
        assert second.result() == html / "index.html"
    assert ran(small) == 1


def test_a_missing_page_is_built_again(built: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "_build" / "html" / "index.html").unlink()
    assert "since index.html is not as it was built" in built()


def test_what_a_killed_writer_left_among_the_pages_is_no_page(built: Callable[[], str], small: Path) -> None:
    for name in (".0123456789abcdef.tmp", "_static/.hidden/page.css"):
        (small.parent / name).parent.mkdir(parents=True, exist_ok=True)
        (small.parent / name).touch()
    assert "Building" not in built()
    (small.parent / "index.md").write_text("changed")
    assert "Building" in built()
    assert not list(site._staged(small.parent, [], small.parent.parent / "stage").rglob(".*"))


def test_a_damaged_stamp_counts_as_none(built: Callable[[], str], tmp_path: Path) -> None:
    stamp = tmp_path / "_build" / "html" / site.STAMP
    whole = stamp.read_bytes()
    checked = subprocess.run(["sha256sum", "--check", "--quiet", site.STAMP], cwd=stamp.parent, capture_output=True)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
    lines = whole.splitlines(keepends=True)
    parts = [b"".join(lines[:count] + lines[count + 1 :]) for count in range(len(lines))]  # each without one line
    for damaged in [damage(whole) for damage in DAMAGES.values() if damage(whole) != whole] + parts:
        stamp.write_bytes(damaged)
        assert "Building the pages\n" in built()
        assert stamp.read_bytes() == whole


def test_a_site_of_another_place_needs_no_building(built: Callable[[], str], small: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "_build", tmp_path / "elsewhere")
    build.book("report", tmp_path / "elsewhere")
    assert "nothing changed" in built()
    assert ran(small) == 1
    shutil.rmtree(tmp_path / "elsewhere" / "html" / "book")  # half of the copy came
    build.book("report", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "html" / "book" / "01_small.html").exists()


def test_no_half_of_a_site_stands_in_its_place(
    built: Callable[[], str], small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    html, index = tmp_path / "_build" / "html", small.parent / "index.md"
    chapters = [tmp_path / "_build" / "chapters" / "01_small.ipynb"]

    def whole() -> bool:
        return site.changed_files(html, site.source_hash(small.parent, chapters)) == []

    class Killed(BaseException):
        pass

    rmtree = shutil.rmtree

    def killed(path: Path, *rest: Any, **more: Any) -> None:
        pages = list(path.rglob("*.html"))
        if "stage" in path.parts or not pages:
            return rmtree(path, *rest, **more)
        pages[0].unlink()
        raise Killed

    index.write_text("A change, undone after the build was killed.")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(Killed):
            built()
    assert whole()
    index.unlink()
    assert "Building the pages\n" in built()
    assert whole()
    assert not list((tmp_path / "_build").glob(".*.old"))
    for kill in ("write", "put"):  # the stamp, or the site, does not come
        index.write_text(kill)
        with monkeypatch.context() as patch:
            patch.setattr(site.storage, kill, lambda *_: (_ for _ in ()).throw(Killed))
            with pytest.raises(Killed):
                site.build(small.parent, chapters, tmp_path / "_build")
        index.unlink()
        assert whole()  # the one before
        assert built().endswith(" s when it ran)\n")


def test_a_chapter_that_is_renamed_leaves_no_page(
    built: Callable[[], str], small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.rename(small.with_stem("01_renamed"))
    (small.parent / "profiles.yml").write_text("quick: {}\nreport: {}\n")
    monkeypatch.setattr(build, "CHAPTERS", {"01_renamed": SmallParameters})
    assert "Building the pages\n" in built()
    assert [path.name for path in (tmp_path / "_build" / "html" / "book").glob("01*")] == ["01_renamed.html"]
    assert "Building" not in built()


def test_damaged_verdicts_are_collected_again(built: Callable[[], str], tmp_path: Path) -> None:
    (tmp_path / "_build" / "collected.json").write_text("[{")
    build.CHAPTERS["05_claims"] = ClaimsParameters  # of the fixture's own dictionary
    shutil.copy(ROOT / "book" / "05_claims.ipynb", build.BOOK)
    assert "05_claims: running" in built()
    assert json.loads((tmp_path / "_build" / "collected.json").read_text()) == {}


@pytest.mark.parametrize("content", ["", "[{", "[]", '{"verdicts": [{}]}', "null", "[1]", '{"findings": 1}', None])
def test_a_file_that_is_no_list_of_verdicts_is_refused(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "collected.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ParameterError, match="collected_file must be '' or a file that a build left"):
        ClaimsParameters.check({"verdicts": ["not run"], "collected_file": str(file)})


def test_a_sweep_leaves_damaged_notebooks_out_of_its_table_and_makes_its_own_again(
    quickly: None,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(sweep.WORKERS, "1")
    monkeypatch.setattr(sweep, "run", lambda calls, name: {name: None for name in calls if calls[name]()})
    folder, points = tmp_path / "swept", [{"seeds": [0], "size": size, "fail": False} for size in (3, 4)]
    table = build.sweep_chapter("01_small", points, folder)
    assert table["status"].tolist() == ["done", "done"]
    for name in table["notebook"]:
        (folder / name).write_text("{}")
    table = build.sweep_chapter("01_small", points[:1], folder)
    assert table["size"].tolist() == [3]
    assert ran(small) == 3
    assert capsys.readouterr().out.count("is damaged or was edited") == 2


# Cut, and two at once

SCRIPT = """
import os, sys, pathlib
sys.path.insert(0, {tests!r})
import test_build
from rnnreport import build, cli, site, vendor
build.BOOK, build.CHAPTERS = pathlib.Path({book!r}), {{"01_small": test_build.SmallParameters}}
build.BUILD = pathlib.Path({output!r})
build.book.__defaults__ = ("quick", build.BUILD)
vendor.fetch, site._jupyter_book = lambda root: None, test_build.pages
cli.main()
"""


@pytest.fixture
def start(small: Path, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line on a book whose chapter waits until there is a file, ``go``."""
    wait = f"import time\nwhile not os.path.exists({str(tmp_path / 'go')!r}):\n    time.sleep(0.05)"
    write([*SMALL[:4], cell(wait), SMALL[4]], small)
    script = SCRIPT.format(tests=str(Path(__file__).parent), book=str(small.parent), output=str(tmp_path / "_build"))

    def start(*words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", script, *words]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return start


@posix
@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_build_that_is_stopped_leaves_nothing_and_no_kernel(
    name: str, small: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    number, output = getattr(signal, name), tmp_path / "out" / "01_small.ipynb"
    process = start("run", "01_small", "-o", str(output.parent))
    eventually(lambda: ran(small))
    kernels = psutil.Process(process.pid).children(recursive=True)
    assert kernels
    # Of two kernels that start at once, both may be given the same port. The one of ipykernel's pipe is free for sure.
    assert all(len(kernel.net_connections("tcp")) <= 1 for kernel in kernels)
    process.send_signal(number)
    said = process.communicate(timeout=300)[1]
    assert not psutil.wait_procs(kernels, timeout=300)[1]
    assert list(output.parent.iterdir()) == []
    assert (process.returncode, said) == (128 + number, "rnnreport: stopped; the same command goes on from here\n")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True], ids=["which ends", "which dies"])
def test_a_second_build_says_that_it_waits_for_the_first(
    killed: bool, small: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    first = start("book")
    eventually(lambda: ran(small))
    second = start("book")
    assert second.stdout is not None
    assert second.stdout.readline().startswith(f"{tmp_path}/_build/html is being written by process {first.pid} on ")
    if killed:
        first.kill()
    (tmp_path / "go").touch()
    assert (first.wait(timeout=300) == 0) is not killed
    said, complaints = second.communicate(timeout=300)
    # A kernel that ends may abort where libzmq closes its last socket (libzmq issue 1307); the chapter is done by then.
    complaints = re.sub(r"Assertion failed: .* \(src/signaler\.cpp:\d+\)\n", "", complaints)
    assert (second.returncode, complaints) == (0, "")
    assert ("01_small: nothing changed" in said) is not killed
    assert (tmp_path / "_build" / "html" / site.STAMP).exists()
