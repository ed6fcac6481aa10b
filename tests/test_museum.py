"""The Bug Museum: each mistake can be made, shows itself, and makes that test fail which is said to find it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml
from conftest import ROOT, Shown, in_node, in_page
from traitlets import TraitError

from rnnreport import provenance
from rnnreport.bugs import BUGS, Bug, BugsError, Patch, bugs, copy_with, patched
from rnnreport.experiments.museum import SYMPTOMS, MuseumRun, exhibits, measure
from rnnreport.figures import museum as drawn
from rnnreport.runs import RunError
from rnnreport.widgets.bug_museum import BugMuseum

if TYPE_CHECKING:
    from playwright.sync_api import Page

ALL = list(bugs().values())
each_bug = pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.id)


def unchanged(bug: Bug, **to: str) -> Patch:
    """The mistake's patch without the mistake, or with something else in its place."""
    changes = [change.model_copy(update={"after": to.get("to", change.before)}) for change in bug.changes]
    return Patch(id=bug.id, file=bug.file, changes=tuple(changes), symptom=bug.symptom)


# In one process, since torch takes long to import: for each folder the outcomes of its tests, and whose library it was.
TESTED = """
import json, sys
import hypothesis, numpy, pandas, pytest, torch

class Outcomes(dict):
    def pytest_runtest_logreport(self, report):
        if report.when == "call" or report.failed:
            node = report.nodeid.partition("tests/")[2]
            self["tests/" + node] = [report.when, report.outcome, str(report.longrepr)]

found, path, kept = [], sys.path[1:], {*sys.modules}
for folder, tests in json.load(sys.stdin):
    for name in {*sys.modules} - kept:
        if name.partition(".")[0] in ("rnnreport", "conftest") or name.startswith("test_"):
            del sys.modules[name]
    sys.path[:] = [folder, *path]
    outcomes = Outcomes()
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", folder, "-c", folder + "/pytest.ini"]
    pytest.main([*options, *(f"{folder}/{test}" for test in tests)], plugins=[outcomes])
    found.append([sys.modules["rnnreport"].__file__, outcomes])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """For each mistake the outcomes of its named test in a copy of the library with the mistake, by their nodes."""
    folders = {bug.id: tmp_path_factory.mktemp(bug.id) for bug in ALL}
    for bug in ALL:
        copy_with(bug, folder := folders[bug.id])
        (folder / "tests").mkdir()
        for file in ("tests/conftest.py", bug.test.partition("::")[0]):
            shutil.copy(ROOT / file, folder / "tests")
        (folder / "pytest.ini").write_text("[pytest]\nmarkers = slow\n")
    asked = json.dumps([[str(folders[bug.id]), [bug.test]] for bug in ALL])
    environment = {**os.environ, "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    command, place = [sys.executable, "-c", TESTED], tmp_path_factory.mktemp("tested")
    done = subprocess.run(
        command, cwd=place, env=environment, input=asked, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout.splitlines()[-1])
    for folder, (imported, _) in zip(folders.values(), outcomes):
        assert Path(imported).is_relative_to(folder)
    return {name: found for name, (_, found) in zip(folders, outcomes)}


@each_bug
def test_the_named_test_fails_where_the_mistake_is_made(tested: dict[str, Any], bug: Bug) -> None:
    """It passes on the library as it is, as one of the suite."""
    when, outcome, words = tested[bug.id][bug.test]
    assert (when, outcome) == ("call", "failed")
    assert "AssertionError" in words or "GradcheckError" in words, words  # it compared numbers


# What is stated


@each_bug
def test_a_mistake_is_a_small_patch_of_code_that_its_experiment_runs(bug: Bug) -> None:
    assert bug.symptom in SYMPTOMS
    module = "rnnreport." + bug.file.removesuffix(".py").replace("/", ".")
    assert module in provenance.modules("rnnreport.experiments.museum"), "or a stored curve would outlive its code"
    assert 1 <= len(bug.fix.splitlines()) <= 8
    assert {line[:2] for line in bug.fix.splitlines()} >= {"- ", "+ "}
    assert bug.name not in bug.shows


def test_the_fix_is_told_line_by_line() -> None:
    assert bugs()["temperature-after-softmax"].fix == (
        "- p = torch.softmax(below_best, -1) / temperature\n+ p = torch.softmax(below_best / temperature, -1)"
    )


@pytest.mark.parametrize(("source", "count"), [("c = g * i", 0), ("c = g * i + c * f  # (8)\n" * 2, 2)])
def test_a_passage_that_is_not_there_once_is_refused(source: str, count: int) -> None:
    with pytest.raises(BugsError, match=rf"that begins 'c = g \* i \+ c \* f  # \(8\)' is there {count} times"):
        patched(source, bugs()["forget-gate"].changes)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("{", "bugs.yml cannot be read as a list of mistakes: while parsing a flow node"),
        ("5", "bugs.yml cannot be read as a list of mistakes: 'int' object is not iterable"),
        ({"name": ""}, "bugs.yml, mistake uninitialised-state: 'name': must not be empty"),
        ({"seen": "on the moon"}, "bugs.yml, mistake uninitialised-state: 'seen': input should be 'in public"),
        ({"changes": []}, "bugs.yml, mistake uninitialised-state: 'changes': tuple should have at least 1 item"),
        ({"colour": "red"}, "bugs.yml, mistake uninitialised-state: 'colour': extra inputs are not permitted"),
        ({"id": "best-batch"}, "bugs.yml states the mistake 'best-batch' twice"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_clear_sentence(tmp_path: Path, change: Any, says: str) -> None:
    rows = yaml.safe_load(BUGS.read_text("utf-8"))
    text = change if isinstance(change, str) else yaml.safe_dump([rows[0] | change, *rows[1:]])
    (tmp_path / "bugs.yml").write_text(text, "utf-8")
    with pytest.raises(BugsError) as refused:
        bugs(tmp_path / "bugs.yml")
    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)


# What it shows


def measured(folder: Path, *patches: Patch) -> dict[str, list[list[float]]]:
    """The right curves and the wrong ones."""
    table = measure(MuseumRun.of_settings(10, 0, patches=patches), folder)
    return {version: rows[["x", "y"]].to_numpy().tolist() for version, rows in table.groupby("version")}


def test_a_wrong_curve_is_that_of_the_copy(tmp_path: Path) -> None:
    """One after the other in one process, and nothing of a mistake is left for the next."""
    bug, more = bugs()["derivative-of-mod"], bugs()["temperature-after-softmax"]
    found = measured(tmp_path, *(Patch(**one.model_dump(include={*Patch.model_fields})) for one in (bug, more)))
    same = measured(tmp_path, unchanged(bug), unchanged(more))
    assert same["right"] == same["wrong"] == found["right"]
    assert len(found["wrong"]) == len(found["right"]) == 112
    assert all(x == there for (x, _), (there, _) in zip(found["right"], found["wrong"]))
    assert max(abs(y) for _, y in found["right"][:100]) > 3 * max(abs(y) for _, y in found["wrong"][:100])
    assert len({y for _, y in found["wrong"][100:]}) == 1


@pytest.mark.slow
def test_a_copy_that_ends_in_an_error_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"^an experiment with a mistake failed: ZeroDivisionError: division by zero$"):
        measured(tmp_path, unchanged(bugs()["derivative-of-mod"], to="1 / 0"))


@pytest.fixture(scope="module")
def curves(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """At the chapter's own settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNREPORT_RUNS_DIR", str(tmp_path_factory.mktemp("runs")))
        return exhibits([0], 200)


@pytest.mark.slow
def test_every_mistake_shows(curves: pd.DataFrame) -> None:
    gaps = drawn.gaps(curves)
    assert set(gaps.index) == set(bugs())
    assert gaps.min() > drawn.VISIBLE, gaps
    assert drawn.told_apart(curves, bugs(), SYMPTOMS) == "12 of 12 mistakes move a curve by over 10% of its panel."
    figure = drawn.gallery(curves, bugs(), SYMPTOMS)
    assert len(figure.axes) == len(ALL)
    assert all(len(ax.lines) == 2 for ax in figure.axes)


def rows(hidden: str = "") -> pd.DataFrame:
    """Curves of two seeds: wrong ones are one higher, but where nothing is to be seen."""
    cases = [(bug.id, version, seed) for bug in ALL for version in ("right", "wrong") for seed in (0, 1)]
    parts = [
        pd.DataFrame({"x": [0, 10, 20], "y": [0.0, 1.0, 1.5 + (version == "wrong" and name != hidden)]}).assign(
            bug=name, version=version, seed=seed
        )
        for name, version, seed in cases
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_mistake_that_cannot_be_seen_is_named() -> None:
    said = drawn.told_apart(rows(hidden="best-batch"), bugs(), SYMPTOMS)
    assert said == (
        "11 of 12 mistakes move a curve by over 10% of its panel, not by accuracy reported as the maximum over batches."
    )


def test_labels_have_the_fix_and_the_test() -> None:
    text = drawn.labels(ALL).data
    for bug in ALL:
        assert f"```diff\n{bug.fix}\n```" in text
        assert f"Found by `{bug.test}`." in text
    assert text.count("Seen in public solutions of this assignment.") == 3


# The widget


def widget(**traits: Any) -> BugMuseum:
    return BugMuseum(bugs(), rows(), SYMPTOMS, **traits)


def test_an_exhibit_has_four_names_and_its_own_among_them() -> None:
    for exhibit, again in zip(widget().exhibits, widget().exhibits, strict=True):
        assert len({*exhibit["options"]}) == 4
        assert exhibit["name"] in exhibit["options"]
        assert exhibit == again
    places = [exhibit["options"].index(exhibit["name"]) for exhibit in widget().exhibits]
    assert len({*places}) > 2, "not always the same place"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        *[("exhibit", value, "an integer from 0 to 11") for value in (-1, 12)],
        *[("picked", value, "12 integers from -1 to 3") for value in ([], [0], [4] * 12, [-2] * 12)],
    ],
)
def test_what_cannot_be_shown_is_one_clear_sentence(name: str, value: Any, allowed: str) -> None:
    shown = widget()
    with pytest.raises(TraitError) as refused:
        setattr(shown, name, value)
    assert str(refused.value) == f"{name} must be {allowed}, not {value!r}."


def test_guesses_are_counted(node: list[str]) -> None:
    given = in_page(widget())["exhibits"]
    right = [exhibit["options"].index(exhibit["name"]) for exhibit in given]
    none, half = [-1] * 12, [right[0], (right[1] + 1) % 4, *[-1] * 10]
    said = in_node(node, BugMuseum, "score", [[given, picked] for picked in (none, half, right)])
    assert said == ["0 of 0 guessed right.", "1 of 2 guessed right.", "12 of 12 guessed right."]
    before, after = in_node(node, BugMuseum, "answered", [[given[0], -1], [given[0], right[0]]])
    assert before.startswith("One untrained LSTM")
    assert after.startswith("Right: uninitialised initial state. ")
    assert after.endswith(" Seen in public solutions of this assignment.")


def test_a_guess_is_told_with_the_fix(shown: Shown, page: Page) -> None:
    drawing, keyboard = shown(widget()), page.keyboard
    says, names = (
        drawing.get_by_role("status"),
        drawing.get_by_role("group", name="Which mistake").get_by_role("button"),
    )
    assert names.all_inner_texts() == widget().exhibits[0]["options"]
    assert not drawing.locator("pre").is_visible()
    wrong = next(name for name in widget().exhibits[0]["options"] if name != ALL[0].name)
    names.filter(has_text=wrong).click()
    assert says.inner_text().startswith(f"Not that one: {ALL[0].name}. ")
    assert {f"✗ {wrong}", f"✓ {ALL[0].name}"} <= {*names.all_inner_texts()}
    assert drawing.locator("pre").inner_text() == ALL[0].fix
    assert f"found by {ALL[0].test}" in drawing.inner_text()
    page.set_viewport_size({"width": 320, "height": 900})
    assert drawing.evaluate("widget => widget.scrollWidth <= widget.clientWidth")
    names.filter(has_text=ALL[0].name).click()
    assert says.inner_text().startswith("Not that one: "), "the first guess counts"
    drawing.get_by_role("button", name="Next exhibit").focus()
    keyboard.press("Enter")
    assert not drawing.locator("pre").is_visible()
    names.filter(has_text=ALL[1].name).focus()
    keyboard.press("Enter")
    assert says.inner_text().startswith(f"Right: {ALL[1].name}. ")
    assert "1 of 2 guessed right." in drawing.inner_text()
    place = drawing.get_by_role("slider", name="exhibit")
    assert place.get_attribute("aria-valuetext") == "2 of 12"
    place.press("End")
    drawing.get_by_role("button", name="Next exhibit").click()
    assert page.evaluate("window.saved.exhibit") == 0
    assert drawing.locator("pre").is_visible()
    drawing.get_by_role("button", name="Reset").click()
    assert "0 of 0 guessed right." in drawing.inner_text()
    assert names.all_inner_texts() == widget().exhibits[0]["options"]
