"""The house keeps its own rules: who imports whom, types, style, and notebooks as they are committed."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

SET_UP = ("environment", "vendor", "storage")
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


@pytest.mark.parametrize(
    "words",
    [
        ["lint-imports", "--no-cache"],
        ["ruff", "check", "."],
        ["ruff", "check", "--preview", "--select", "PLW1514", "."],  # files are opened in no locale's encoding
        ["ruff", "format", "--check", "."],
        ["mypy"],
    ],
)
def test_linters_find_nothing(words: list[str]) -> None:
    command = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", SET_UP)
def test_the_set_up_needs_the_standard_library_only(module: str) -> None:
    tree = ast.parse((ROOT / "rnnreport" / f"{module}.py").read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "rnnreport":
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").partition(".")[0])
    assert imported <= set(sys.stdlib_module_names) | {"__future__", *SET_UP}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_in_their_tidy_form(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        checked = "nbval-check-output" in cell.metadata.get("tags", [])
        assert bool(cell.outputs) == checked, cell.id
        assert set(cell.metadata) <= {"tags"}, cell.id
    assert code[0].metadata.tags == ["parameters"]
    for line in code[0].source.splitlines():
        assert "  # " in line, f"a parameter a line, each with a comment: {line}"
        ast.literal_eval(ast.parse(line).body[0].value)  # type: ignore[attr-defined]
    assert "from_notebook(globals())" in code[1].source


def test_importing_the_package_does_not_wait_for_torch() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import rnnreport, sys; print('torch' in sys.modules); rnnreport.LSTM; print(rnnreport.__all__)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0] == "False"
    with pytest.raises(AttributeError, match="no attribute 'GRU'"):
        __import__("rnnreport").GRU  # noqa: B018
