"""``python -m rnnreport`` makes its environment; tried with a pip that only takes notes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from rnnreport import environment, system

LOCKS = ("requirements.lock", "requirements-torch.lock", "requirements-torch-cpu.lock")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A checkout without an environment; returns the commands that were run, none of which does anything."""
    for name in (*LOCKS, "pyproject.toml", "_config.yml"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # which is changed for good
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    for name, file in zip(("LOCK", "TORCH", "TORCH_CPU"), LOCKS):
        monkeypatch.setattr(environment, name, tmp_path / file)
    monkeypatch.setattr(system, "LINUX", True)
    monkeypatch.setattr(system, "WINDOWS", False)
    commands: list[list[str]] = []

    def run(command: list[str | Path], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append([str(word) for word in command])
        if "venv" in commands[-1]:
            (tmp_path / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
            (tmp_path / ".venv" / "bin" / "python").touch()
        return subprocess.CompletedProcess(commands[-1], 0)

    def execv(path: str, command: list[str]) -> None:
        commands.append(["exec", *command])

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(os, "execv", execv)
    return commands


def test_the_environment_is_made_once_and_entered(checkout: list[list[str]], tmp_path: Path) -> None:
    environment.enter(["book"])
    python = str(tmp_path / ".venv" / "bin" / "python")
    assert checkout[0][:3] == [sys.executable, "-m", "venv"]
    assert checkout[1][:3] == [python, "-Im", "ensurepip"]
    assert installed(checkout) == [["requirements-torch-cpu.lock", "requirements.lock"], [tmp_path.name]]
    assert checkout[4][:2] == [python, "-I"]  # is it there?
    assert checkout[5] == ["exec", python, "-m", "rnnreport", "book"]
    checkout.clear()
    environment.enter(["test"])
    assert checkout == [["exec", python, "-m", "rnnreport", "test"]]


def installed(commands: list[list[str]]) -> list[list[str]]:
    """The files that each call of pip was to install. Where that is a lock, every file must have a hash of it."""
    calls = [command[command.index("install") :] for command in commands if "install" in command]
    for call in calls:
        assert "--no-deps" in call
        assert ("--require-hashes" in call) == ("--only-binary=:all:" in call) == ("-r" in call)
    return [[Path(word).name for word in call if Path(word).is_absolute()] for call in calls]


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: str) -> None:
    """Have pip fail where it is to install the file of that name."""
    works = subprocess.run

    def run(command: list[str], **options: object) -> subprocess.CompletedProcess[str]:
        fails = any(name in call for call in installed([list(map(str, works(command, **options).args))]))
        return subprocess.CompletedProcess(command, int(fails), None, error if fails else "")

    monkeypatch.setattr(subprocess, "run", run)


NOT_FOUND = "ERROR: No matching distribution found for torch==2.13.0+cpu\n"


def test_where_no_source_has_torch_without_cuda_that_with_it_is_installed(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, "requirements-torch-cpu.lock", NOT_FOUND)
    environment.enter([])
    calls = [["requirements-torch-cpu.lock", "requirements.lock"], ["requirements-torch.lock", "requirements.lock"]]
    assert installed(checkout) == [*calls, [tmp_path.name]]
    out, err = capsys.readouterr()
    assert "No package source has torch without CUDA" in out
    assert err == ""
    assert environment._is_ready()


def test_elsewhere_than_on_linux_torch_comes_without_cuda(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "LINUX", False)
    environment.enter([])
    assert installed(checkout) == [["requirements-torch.lock", "requirements.lock"], [tmp_path.name]]


def test_a_file_with_another_hash_is_refused(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        failing(
            patch, "requirements.lock", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n"
        )
        with pytest.raises(SystemExit) as stop:
            environment.enter([])
    assert stop.value.code == 2
    *pip, sentence = capsys.readouterr().err.splitlines()
    assert "DO NOT MATCH" in pip[0]
    assert sentence == "Refused: a file that came, see above, does not have a hash that its requirements*.lock gives"
    assert not environment._is_ready()
    checkout.clear()
    environment.enter([])
    assert any("install" in command for command in checkout)


def test_what_failed_midway_vouches_for_nothing(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not for the older set either, of which some packages may be new: with its lock again, pip looks at all."""
    environment.enter([])
    environment.LOCK.write_text("newer")
    with monkeypatch.context() as patch:
        failing(patch, tmp_path.name, "ERROR: the project cannot be installed\n")
        with pytest.raises(SystemExit):
            environment.enter([])
    environment.LOCK.write_text("requirements.lock")
    assert not environment._is_ready()


@pytest.mark.parametrize("there", ["installed", "half installed"])
def test_the_environment_of_another_project_is_left_alone(
    there: str,
    checkout: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A link to it would have this project installed there in the other's place."""
    other = tmp_path / "other"
    (other / "bin").mkdir(parents=True)
    (other / "bin" / "python").touch()
    (tmp_path / ".venv").symlink_to(other)
    environment.enter([])  # an environment of this project's own, wherever it lies
    monkeypatch.setattr(environment, "PROJECT", tmp_path / "copy")
    if there == "half installed":
        environment._say(f"{environment.UNFINISHED}\n{tmp_path}\n")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "_config.yml").touch()
    (tmp_path / "copy" / "pyproject.toml").touch()
    before = environment._said()
    checkout.clear()
    with pytest.raises(SystemExit) as stop:
        environment.enter([])
    assert stop.value.code == 2
    assert f"{tmp_path / '.venv'} is a link to the environment of {tmp_path}, " in capsys.readouterr().err
    assert checkout == []
    assert environment._said() == before


@pytest.mark.parametrize("stamp", [b"", b"{}", b"\xff"], ids=str)
def test_a_stamp_that_cannot_be_read_counts_as_none(checkout: list[list[str]], tmp_path: Path, stamp: bytes) -> None:
    environment.enter([])
    checkout.clear()
    (tmp_path / ".venv" / "rnnreport-installed").write_bytes(stamp)
    environment.enter([])
    assert any("install" in command for command in checkout)


def test_another_lock_is_installed_again(checkout: list[list[str]], tmp_path: Path) -> None:
    environment.enter([])
    checkout.clear()
    (tmp_path / "requirements.lock").write_text("newer")
    environment.enter([])
    assert any("install" in command for command in checkout)


def made_anew(commands: list[list[str]]) -> bool:
    return any("--clear" in command for command in commands)


@pytest.mark.parametrize("fails", ["install", "-I"], ids=["pip", "packages elsewhere"])
def test_an_installation_that_fails_is_told_and_done_again(
    fails: str, checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was there before, such as an older set of packages without a network, is left as it is."""
    environment.enter([])
    environment.LOCK.write_text("newer")
    with monkeypatch.context() as patch:
        works = subprocess.run
        patch.setattr(
            subprocess,
            "run",
            lambda command, **_: subprocess.CompletedProcess(works(command).args, int(fails in map(str, command))),
        )
        with pytest.raises(SystemExit) as stop:
            environment.enter([])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert "pip could not install" in said or "pip has installed the packages elsewhere than in" in said
    checkout.clear()
    environment.enter([])
    assert any("install" in command for command in checkout)
    assert not made_anew(checkout)
    checkout.clear()
    environment.LOCK.write_text("requirements.lock")  # the older set is no longer what is there
    environment.enter([])
    assert any("install" in command for command in checkout)


def cut_at(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt an installation at the first command with that word."""
    works = subprocess.run

    def cut(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if word in command:
            raise KeyboardInterrupt
        return works(command)

    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", cut)
        with pytest.raises(KeyboardInterrupt):
            environment.enter([])


def test_an_installation_that_was_cut_is_made_anew(checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that pip has written by half looks installed to the next pip."""
    environment.enter([])
    environment.LOCK.write_text("newer")
    cut_at("install", monkeypatch)
    environment.LOCK.write_text("requirements.lock")  # as it was when all was whole
    checkout.clear()
    environment.enter([])
    assert made_anew(checkout)
    checkout.clear()
    environment.enter([])
    assert [command[0] for command in checkout] == ["exec"]


def test_an_environment_that_was_cut_while_it_got_its_pip_is_made_anew(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """That pip may work, and yet lack its scripts."""
    cut_at("ensurepip", monkeypatch)
    checkout.clear()
    environment.enter([])
    assert made_anew(checkout)


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: list[list[str]], tmp_path: Path) -> None:
    environment.enter([])
    python = tmp_path / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("python3.that-was-replaced")
    checkout.clear()
    environment.enter([])
    assert made_anew(checkout)


def test_two_that_install_at_once_wait_for_each_other(checkout: list[list[str]], tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from rnnreport import system\n"
        "with system.alone(Path(sys.argv[1])):\n"
        "    print(time.monotonic(), flush=True); time.sleep(0.5); print(time.monotonic())"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    spans = sorted(tuple(map(float, process.communicate()[0].split())) for process in both)
    assert spans[0][1] <= spans[1][0]


def test_what_the_shell_tells_pip_and_python_does_not_lead_elsewhere(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {
        **{"PIP_USER": "1", "PIP_TARGET": "/x", "PIP_PREFIX": "/x", "PIP_ROOT": "/x", "PIP_PYTHON": "/x/python"},
        **{"PIP_REQUIRE_HASHES": "1", "PIP_CONSTRAINT": "/x", "PIP_DRY_RUN": "1", "PIP_NO_DEPS": "1"},
        **{"PYTHONPATH": "/x", "PYTHONHOME": "/x", "PYTHONIOENCODING": "ascii"},
    }
    kept = {
        **{"PIP_EXTRA_INDEX_URL": "a", "PIP_INDEX_URL": "b", "PIP_FIND_LINKS": "c", "PIP_CERT": "d"},
        **{"PIP_NO_INDEX": "1", "PIP_PROXY": "e", "VIRTUAL_ENV": "/x", "CONDA_PREFIX": "/x"},
    }
    for name, value in (elsewhere | kept).items():
        monkeypatch.setitem(os.environ, name, value)
    environment.enter([])
    assert {name: os.environ[name] for name in kept} == kept
    assert set(elsewhere) & set(os.environ) == {"PIP_USER"}
    assert os.environ["PIP_USER"] == "0"


def test_pip_itself_follows_no_configuration_out_of_the_environment(tmp_path: Path) -> None:
    """With pip's own reading of its settings, also of a file that says ``user``."""
    (tmp_path / "pip.conf").write_text("[install]\nuser = true\nindex-url = https://kept.example/simple\n")
    script = (
        "from rnnreport import environment; environment.settle()\n"
        "from pip._internal.commands import create_command as make\n"
        "options, _ = make('install').parse_args(['x'])\n"
        "print(options.use_user_site, options.target_dir, options.prefix_path, options.index_url)"
    )
    there = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_USER": "1", "PIP_TARGET": "/x", "PIP_PREFIX": "/x"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=os.environ | there, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["0", "None", "None", "https://kept.example/simple"], done.stderr


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_what_is_printed_survives_any_locale(locale: dict[str, str]) -> None:
    script = (
        "import subprocess, sys; from rnnreport import environment; environment.settle()\n"
        f"print({'Text: … × 日本 ' + chr(0xDCE9)!a}, flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'print(chr(8230))'])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=os.environ | locale, capture_output=True, cwd=ROOT)
    assert done.stdout.decode() == "Text: … × 日本 \\udce9\n…\n", done.stderr


def test_an_old_python_and_a_missing_checkout_are_told(
    checkout: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "_config.yml").unlink()
    with pytest.raises(SystemExit):
        environment.enter([])
    assert "runs from a checkout of its repository" in capsys.readouterr().err
    monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    with pytest.raises(SystemExit):
        environment.enter([])
    assert "needs Python 3.11 or newer" in capsys.readouterr().err
    assert checkout == []


def test_clean_removes_what_was_built_and_makes_no_environment(
    checkout: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = tmp_path / "book" / "_static" / "vendor"
    for folder in (tmp_path / "_build" / "html", vendor, tmp_path / ".venv"):
        folder.mkdir(parents=True)
    environment.clean()
    assert not (tmp_path / "_build").exists()
    assert not vendor.exists()
    assert (tmp_path / ".venv").exists()
    assert capsys.readouterr().out.splitlines() == ["removed _build", f"removed {vendor.relative_to(tmp_path)}"]
    environment.clean()
    assert checkout == []


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_clean_takes_a_link_away_and_nothing_of_what_it_leads_to(
    target: str, checkout: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (tmp_path / "_build").symlink_to(target)
    environment.clean()
    assert not os.path.lexists(tmp_path / "_build")
    assert (elsewhere / "file").exists()
    assert capsys.readouterr().out == f"removed the link _build; what it led to stays: {tmp_path / target}\n"


def test_what_clean_cannot_remove_is_told(
    checkout: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "_build").touch()
    with pytest.raises(SystemExit) as stop:
        environment.clean()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("_build cannot be removed: Not a directory")


def test_ctrl_c_at_the_very_start_is_one_sentence() -> None:
    script = (
        "import sys, rnnreport.environment\n"
        "class CtrlC:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, CtrlC())\n"
        "from rnnreport.__main__ import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 130
    assert done.stderr == "rnnreport: stopped; the same command goes on from here\n"


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_leads_to_nothing(closed: int, tmp_path: Path) -> None:
    """Also those of what is started from here; a kernel without its three streams ends."""
    child = "import os, sys; [os.fstat(n) for n in range(3)]; open(sys.argv[1], 'w').write('all are there')"
    script = "import subprocess, sys; from rnnreport import environment; environment.settle(); print('words'); "
    script += f"subprocess.run([sys.executable, '-c', {child!r}, sys.argv[1]], check=True)"
    said = tmp_path / "said"
    subprocess.run([sys.executable, "-c", script, str(said)], cwd=ROOT, check=True, preexec_fn=lambda: os.close(closed))
    assert said.read_text() == "all are there"
