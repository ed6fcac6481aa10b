"""From notebooks to the book, on a small book of its own; the real one is built for tests/test_pages.py."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import nbformat
import pytest
from pydantic import Field

from rnnreport import build, claims
from rnnreport.parameters import Count, ParameterError, Parameters, Seeds

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
    cell("from rnnreport import cells\nfrom rnnreport.claims import judge"),
    cell("import pathlib, os\nwith open(os.environ['SMALL_LOG'], 'a') as log:\n    log.write(f'{size}\\n')"),
    cell("assert not fail, 'asked to fail'\nprint(size * 2)", metadata={"tags": ["nbval-check-output"]}),
]


def write(cells: list[nbformat.NotebookNode], path: Path) -> None:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)


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
    monkeypatch.setenv("SMALL_LOG", str(tmp_path / "log"))
    return path


def ran(path: Path) -> int:
    log = Path(os.environ["SMALL_LOG"])
    return len(log.read_text().splitlines()) if log.exists() else 0


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


def test_an_executed_chapter_has_its_parameters_and_says_how_long_it_took(small: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "small.ipynb"
    build.execute("01_small", {"seeds": [1], "size": 7, "fail": False}, output, "print")
    notebook = nbformat.read(output, as_version=4)
    assert notebook.cells[-1].outputs[0].text == "14\n"
    assert build._recorded(output)["fingerprint"] == "print"
    assert build._recorded(output)["seconds"] > 0
    shown = build._as_run(output)
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
    monkeypatch.setattr(build, "code_version", lambda *names: asked.append(names) or "other code")
    assert build._fingerprint("01_small", values) != first
    assert set(asked[0]) == {"rnnreport.cells", "rnnreport.claims.judge"}
    monkeypatch.undo()


def test_the_fingerprint_knows_notebook_and_claims(
    small: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = build.parameters("01_small")
    first = build._fingerprint("01_small", values)
    other = tmp_path / "claims.yml"
    other.write_text("[]")
    monkeypatch.setattr(claims, "CLAIMS", other)
    second = build._fingerprint("01_small", values)
    assert second != first
    write([*SMALL, words("More.")], small)
    assert build._fingerprint("01_small", values) != second


def test_a_chapter_depends_on_the_modules_it_imports_and_not_on_the_others() -> None:
    def depends(chapter: str) -> set[str]:
        return set(build.modules(*build._imports(chapter)))

    assert "rnnreport.gradients" in depends("01_gradients")
    assert not depends("01_gradients") & {"rnnreport.corpora", "rnnreport.training", "rnnreport.sampling"}
    assert {"rnnreport.palindromes", "rnnreport.recurrence"} <= depends("02_rnn_versus_lstm")
    assert not depends("02_rnn_versus_lstm") & {"rnnreport.corpora", "rnnreport.sampling", "rnnreport.gradients"}
    assert "rnnreport.widgets" in depends("03_temporal_gate")
    assert {"rnnreport.corpora", "rnnreport.sampling"} <= depends("04_text_generation")
    assert "rnnreport.palindromes" not in depends("04_text_generation")


def test_figures_are_exported_and_verdicts_collected(small: Path, tmp_path: Path) -> None:
    svg = b"<svg/>"
    data = base64.b64encode(svg).decode()
    html = f'<figure class="report-figure" id="figure-1a"><img alt="" src="data:image/svg+xml;base64,{data}">'
    shown = nbformat.v4.new_output("execute_result", {"text/html": html}, metadata={claims.METADATA: {"id": "fig1a"}})
    path = tmp_path / "chapters" / "01_small.ipynb"
    path.parent.mkdir()
    write([cell("1", outputs=[shown])], path)
    [figure] = build.export_figures(path)
    assert figure.name == "01_small-figure-1a.svg"
    assert figure.read_bytes() == svg
    assert build._verdicts(path.parent) == [{"id": "fig1a", "chapter": "01_small"}]


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


SCRIPT = """
import sys, pathlib
sys.path.insert(0, {tests!r})
import test_build
from rnnreport import build
build.BOOK, build.CHAPTERS = pathlib.Path({book!r}), {{"01_small": test_build.SmallParameters}}
build.execute("01_small", {{"seeds": [0], "size": 3, "fail": False}}, pathlib.Path({output!r}))
"""


def test_a_killed_build_leaves_nothing_under_the_final_name_and_the_next_one_completes(
    small: Path, tmp_path: Path
) -> None:
    slow = [*SMALL[:4], cell("import time\ntime.sleep(2)"), SMALL[4]]
    write(slow, small)
    output = tmp_path / "small.ipynb"
    script = SCRIPT.format(tests=str(Path(__file__).parent), book=str(small.parent), output=str(output))
    process = subprocess.Popen([sys.executable, "-c", script])
    for _ in range(600):
        if ran(small):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert ran(small) == 1
    assert not output.exists()
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert nbformat.read(output, as_version=4).cells[-1].outputs[0].text == "6\n"
    assert not list(tmp_path.glob("*.unfinished*"))
