"""The house keeps its own rules: who imports whom, types, style, and notebooks as they are committed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT

NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))


@pytest.mark.parametrize(
    "words",
    [
        ["lint-imports", "--no-cache"],
        ["ruff", "check", "."],
        ["ruff", "check", "--preview", "--select", "PLW1514", "."],  # files are opened in no locale's encoding
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.slow),
    ],
)
def test_linters_find_nothing(words: list[str]) -> None:
    command = [str(Path(sys.executable).parent / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["environment", "vendor", "sbom", "storage", "system", "errors"])
def test_the_set_up_needs_the_standard_library_only(module: str) -> None:
    tree = ast.parse((ROOT / "rnnreport" / f"{module}.py").read_text(encoding="utf-8"))
    imported = {
        ".".join(name.split(".")[: 2 if name.startswith("rnnreport.") else 1])
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [f"{node.module}.{alias.name}" for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    below = {"rnnreport.storage", "rnnreport.system", "rnnreport.errors", "rnnreport.__version__", "rnnreport.vendor"}
    assert imported <= {*sys.stdlib_module_names, "__future__", *below}


DIFFERENCES = re.compile(
    r"\b(?:os\.name|sys\.platform|fcntl|msvcrt|winreg|sched_getaffinity|python\.exe|"
    r"os\.(?:sync|exec\w+|fork\w*|kill\w*|gete?[ug]id|umask)|hasattr\((?:os|signal|sys)\b)"
)


def test_what_differs_between_operating_systems_is_in_one_module() -> None:
    paths = [path for folder in ("rnnreport", "book") for path in (ROOT / folder).rglob("*.py")]
    found = {path.name: set(DIFFERENCES.findall(path.read_text(encoding="utf-8"))) for path in paths}
    assert len(found.pop("system.py")) > 3
    assert not any(found.values()), found


SOURCES = [*sorted((ROOT / "rnnreport").rglob("*.py")), *sorted((ROOT / "benchmarks").glob("*.py"))]
# Files that nobody reads unless all of them are there: the site's stage, removed before each build.
IN_A_STAGE = {"site.py": {"write_text"}}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_come_into_place_through_storage_only(path: Path) -> None:
    """Else a pulled plug leaves them emptied, or a killed process half written."""
    found = set(_written(ast.parse(path.read_text(encoding="utf-8")))) - IN_A_STAGE.get(path.name, set())
    assert bool(found) == (path == ROOT / "rnnreport" / "storage.py"), found


def _written(node: ast.AST) -> Iterator[str]:
    """The calls that rename, or that write a file elsewhere than in the block of ``storage.writing`` or the like."""
    if isinstance(node, ast.With) and any("writing(" in ast.unparse(item) for item in node.items):
        return
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        name, arguments = node.func.attr, len(node.args)
        renames = name in ("renames", "move") or (name in ("rename", "replace") and arguments == 1)
        renames = renames or (name in ("rename", "replace") and ast.unparse(node.func.value) == "os")
        if renames or name in ("write_text", "write_bytes", "to_parquet", "save_file"):
            yield name
    for child in ast.iter_child_nodes(node):
        yield from _written(child)


@pytest.mark.parametrize(
    "code",
    [
        "os.replace(a, b)",
        "a.rename(b)",
        "a.replace(b)",
        "shutil.move(a, b)",
        "def f(a):\n    with open(a) as b:\n        a.write_text(b)",
        "table.to_parquet(path)",
    ],
)
def test_that_search_finds_what_it_is_for(code: str) -> None:
    assert list(_written(ast.parse(code)))
    innocent = "with storage.writing(p) as t:\n    table.to_parquet(t)\n'a'.replace('b', 'c')"
    assert not list(_written(ast.parse(innocent)))


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
    assert code[0].metadata.tags[0] == "parameters"
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
