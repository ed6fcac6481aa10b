"""What a result came from: the code's version follows what a module imports, and nothing else."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from rnnreport.provenance import LIBRARIES, PROJECT, code_version, libraries, machine, modules

NAMES = ("palindromes", "rnn_versus_lstm", "temporal_gate", "text")
EXPERIMENTS = [f"rnnreport.experiments.{name}" for name in NAMES]
ASKED = [
    *EXPERIMENTS,
    "rnnreport.figures",
    "rnnreport.widgets",
    "rnnreport.native",
    "rnnreport.gradients",
    "rnnreport.training",
]

# Edits a copy of the package file by file and says after each what every version is now.
SCRIPT = """
import json, sys
from pathlib import Path
from rnnreport import provenance
assert provenance.PROJECT == Path.cwd(), provenance.PROJECT
asked, edits = json.loads(sys.argv[1])
def versions():
    provenance.code_version.cache_clear()
    provenance._graph.cache_clear()
    return {name: provenance.code_version(name) for name in asked}
found = [versions(), versions()]
for path, text in edits:
    with (Path("rnnreport") / path).open("a") as file:
        file.write(text)
    found.append(versions())
print(json.dumps(found))
"""
EDITS = {
    "sampling.py": {"experiments.text"},
    "figures/__init__.py": {"figures"},
    "corpora.py": {"experiments.text"},
    "widgets/temporal_gate.js": {"widgets"},
    "widgets/widgets.css": {"widgets"},
    "gradients/rnn.py": {"gradients"},
    "claims.py": set(),
    "build.py": set(),
    "experiments/text.py": {"experiments.text"},
    "experiments/rnn_versus_lstm.py": {"experiments.rnn_versus_lstm"},
    "palindromes.py": {f"experiments.{name}" for name in NAMES if name != "text"},
    "cells.py": {f"experiments.{name}" for name in NAMES} | {"gradients", "widgets"},
    "recurrence.py": {f"experiments.{name}" for name in NAMES} | {"native", "widgets"},
    "backends.py": {f"experiments.{name}" for name in NAMES} | {"native", "widgets"},
    "training.py": {f"experiments.{name}" for name in NAMES} | {"training"},
}


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """The versions at first, again, and after each edit."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "rnnreport", folder / "rnnreport", ignore=shutil.ignore_patterns("__pycache__"))
    edits = [(path, "\n_edited = True\n" if path.endswith(".py") else "\n// edited\n") for path in EDITS]
    command = [sys.executable, "-c", SCRIPT, json.dumps([ASKED, edits])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_an_edit_the_version_stays(versions):
    assert versions[0] == versions[1]
    assert all(re.fullmatch("[0-9a-f]{12}", version) for version in versions[0].values())


@pytest.mark.parametrize("path", EDITS)
def test_an_edit_changes_the_versions_of_what_imports_it_alone(versions, path):
    place = list(EDITS).index(path) + 1
    before, after = versions[place], versions[place + 1]
    changed = {name.removeprefix("rnnreport.") for name in ASKED if before[name] != after[name]}
    assert EDITS[path] == changed


def test_a_copy_elsewhere_has_the_same_version(versions):
    assert versions[0] == {name: code_version(name) for name in ASKED}


def test_a_module_comes_with_all_that_it_imports():
    found = modules("rnnreport.experiments.rnn_versus_lstm")
    assert {"rnnreport.experiments.rnn_versus_lstm", "rnnreport.recurrence", "rnnreport.training"} <= set(found)
    assert not {"rnnreport.sampling", "rnnreport.experiments.text", "rnnreport.figures"} & set(found)
    assert found == sorted(set(found))


def test_something_in_a_module_stands_for_the_module():
    assert modules("rnnreport.cells.lstm_step") == modules("rnnreport.cells")
    assert code_version("rnnreport.cells.lstm_step") == code_version("rnnreport.cells")


def test_several_modules_have_one_version_of_all():
    both = code_version("rnnreport.cells", "rnnreport.palindromes")
    assert both not in {code_version("rnnreport.cells"), code_version("rnnreport.palindromes")}
    assert both == code_version("rnnreport.palindromes", "rnnreport.cells")


def test_the_libraries_versions():
    found = libraries()
    assert set(found) == {"python", *LIBRARIES}
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))


def test_the_machine_in_one_line():
    processor, _, system = machine().rpartition(", ")
    assert processor.strip()
    assert system in ("Linux", "Darwin", "Windows")
    assert "\n" not in machine()


def test_the_project_is_where_the_package_is():
    assert PROJECT == ROOT
