"""What a result came from. That versions of code follow what a module imports is in tests/test_invalidation.py."""

import re
import sys

import pytest
import torch
from conftest import ROOT

from rnnreport.provenance import LIBRARIES, PROJECT, code_version, libraries, machine, modules, reads, syntax


def test_a_module_comes_with_all_that_it_imports():
    found = modules("rnnreport.experiments.rnn_versus_lstm")
    assert {"rnnreport.experiments.rnn_versus_lstm", "rnnreport.recurrence", "rnnreport.training"} <= set(found)
    assert not {"rnnreport.sampling", "rnnreport.experiments.text", "rnnreport.figures"} & set(found)
    assert found == sorted(set(found))


def test_what_is_left_out_takes_along_what_only_it_imports():
    runs = frozenset({"rnnreport.runs"})
    found = set(modules("rnnreport.experiments.palindromes", without=runs))
    whole = set(modules("rnnreport.experiments.palindromes"))
    assert whole - found == {"rnnreport.origin", "rnnreport.runs", "rnnreport.sweep"}
    assert code_version("rnnreport.experiments.palindromes", without=runs) != code_version(
        "rnnreport.experiments.palindromes"
    )


def test_what_modules_read_is_what_they_say_they_read():
    assert reads("rnnreport.claims.text") == [ROOT / "data" / "claims.yml"]
    assert reads("rnnreport.experiments.text") == [ROOT / "data" / "report_samples.yml"]
    assert reads("rnnreport.cells") == []


def test_something_in_a_module_stands_for_the_module():
    assert modules("rnnreport.cells.lstm_step") == modules("rnnreport.cells")
    assert code_version("rnnreport.cells.lstm_step") == code_version("rnnreport.cells")


def test_several_modules_have_one_version_of_all():
    both = code_version("rnnreport.cells", "rnnreport.palindromes")
    assert re.fullmatch("[0-9a-f]{12}", both)
    assert both not in {code_version("rnnreport.cells"), code_version("rnnreport.palindromes")}
    assert both == code_version("rnnreport.palindromes", "rnnreport.cells")


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ('"""Other words."""\ndef f(x):\n    """Other words, too."""\n    return [x, 1]  # of x\n', True),
        ("def f(x):\n\n    return [\n        x,\n        1,\n    ]\n", True),
        ('"""Words."""\ndef f(x):\n    "Words."\n    return [x, 2]\n', False),
        ('"""Words."""\ndef f(y):\n    "Words."\n    return [y, 1]\n', False),
        ('"""Words."""\ndef f(x):\n    g("Words.")\n    return [x, 1]\n', False),
    ],
)
def test_docstrings_comments_and_layout_are_no_part_of_the_syntax(source, same):
    written = '"""Words."""\ndef f(x):\n    """Words."""\n    return [x, 1]\n'
    assert (syntax(source.encode()) == syntax(written.encode())) == same


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
