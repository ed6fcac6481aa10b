"""What is written stays written: whole, on the disk, vouched for by its hash, and by one process at a time."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import ROOT, posix, require

from rnnreport import checksums, cli, locks, provenance, runs, storage
from rnnreport.checksums import MANIFEST, DamagedError
from rnnreport.claims import stated
from rnnreport.errors import ReaderError
from rnnreport.experiments import recorded, speed, text_networks
from rnnreport.models import CharLSTM
from rnnreport.parameters import ParameterError
from rnnreport.training import TrainingError, load_weights

DATA = ROOT / "data"


@pytest.fixture
def as_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's folder is ``data/``, whose manifest names all of it."""
    monkeypatch.setattr(checksums, "DATA", tmp_path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Into place


@posix
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    storage.write(path, "∂")
    assert path.read_text("utf-8") == "∂"
    storage.write(path, b"bytes")
    with pytest.raises(ZeroDivisionError), storage.writing(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert path.read_bytes() == b"bytes"
    assert names(tmp_path) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()


def _umask() -> int:
    os.umask(before := os.umask(0))
    return before


def test_all_is_on_the_disk_before_it_has_its_name_and_the_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def name(path: Path) -> str:
        return "new" if path.name.startswith(".") else str(path.relative_to(tmp_path))

    def synced(descriptor: int) -> None:
        done.append(f"sync {name(Path(os.readlink(f'/proc/self/fd/{descriptor}')))}")
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        done.append(f"{name(old)} -> {name(new)}")
        replace(old, new)

    require(Path("/proc/self/fd").exists(), "no /proc on this machine")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    storage.write(tmp_path / "file", "")
    assert done == ["sync new", "new -> file", "sync ."]
    done.clear()
    for folder in (tmp_path / "folder", tmp_path / "stage", tmp_path / "stage" / "sub"):
        folder.mkdir()
        (folder / "page").write_text(folder.name)
    storage.put(tmp_path / "stage", tmp_path / "folder")
    *synced_first, aside, into, last = done
    assert sorted(synced_first) == [f"sync stage{part}" for part in ("", "/page", "/sub", "/sub/page")]
    assert [aside, into, last] == ["folder -> new", "stage -> folder", "sync ."]
    assert (tmp_path / "folder" / "sub" / "page").read_text() == "sub"
    assert names(tmp_path) == ["file", "folder"]


def test_a_file_never_takes_the_place_of_a_folder_nor_a_folder_that_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "kept").touch()
    with pytest.raises(IsADirectoryError):
        storage.write(tmp_path / "folder", "")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        storage.put(tmp_path / "folder", tmp_path / "file")
    assert names(tmp_path) == ["file", "folder"]
    assert names(tmp_path / "folder") == ["kept"]


def test_what_a_link_leads_to_is_replaced_and_the_link_stays(tmp_path: Path) -> None:
    for kind in ("far", "new"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "file").write_text(kind)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    storage.write(tmp_path / "link", "written")
    assert (tmp_path / "far" / "file").read_text() == "written"
    (tmp_path / "place").symlink_to(tmp_path / "far")
    storage.put(tmp_path / "new", tmp_path / "place")
    assert (tmp_path / "far" / "file").read_text() == "new"
    assert names(tmp_path) == ["far", "link", "place"]
    assert (tmp_path / "link").is_symlink()


def test_what_a_link_leads_to_may_be_on_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def within(old: Path, new: Path) -> None:
        if Path(old).parent != Path(new).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(old, new)

    for kind in ("far/html", "near/built"):
        (tmp_path / kind).mkdir(parents=True)
        (tmp_path / kind / "page").write_text(kind)
    (tmp_path / "near" / "html").symlink_to(tmp_path / "far" / "html")
    monkeypatch.setattr(os, "replace", within)
    storage.put(tmp_path / "near" / "built", tmp_path / "near" / "html")
    assert (tmp_path / "far" / "html" / "page").read_text() == "near/built"
    assert (names(tmp_path / "far"), names(tmp_path / "near")) == (["html"], ["html"])
    (tmp_path / "near" / "built").mkdir()
    monkeypatch.setattr(shutil, "copytree", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        storage.put(tmp_path / "near" / "built", tmp_path / "near" / "html")
    assert (tmp_path / "far" / "html" / "page").read_text() == "near/built"
    assert names(tmp_path / "near") == ["built", "html"]


def test_only_what_killed_writers_have_left_is_cleared(tmp_path: Path) -> None:
    ours, others = [".0123456789abcdef.tmp", ".0123456789abcdef.old"], [".mine.tmp", ".0123.tmp", "a.tmp"]
    for name in (ours[0], *others):
        (tmp_path / name).touch()
    (tmp_path / ours[1] / "page").mkdir(parents=True)
    storage.clear(tmp_path, files=False)
    assert names(tmp_path) == sorted([ours[0], *others])
    storage.clear(tmp_path)
    assert names(tmp_path) == sorted(others)


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "-o", "a b\nc"])
def test_any_name_that_a_file_may_have(tmp_path: Path, as_data: None, name: str) -> None:
    (tmp_path / MANIFEST).write_text(f"{'0' * 64}  another\n")
    checksums.write(tmp_path / name, "content")
    with locks.alone(tmp_path / name):
        assert checksums.verify(tmp_path / name).read_text() == "content"


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_that_syncs_nothing_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def cannot(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", cannot)
    storage.write(tmp_path / "file", "content")
    assert (tmp_path / "file").read_text() == "content"


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_does_not_take_the_content_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def cannot(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    checksums_before = tmp_path / MANIFEST
    storage.write(tmp_path / "file", "old")
    checksums.seal(tmp_path, "*")
    before = checksums_before.read_bytes()
    monkeypatch.setattr(os, "fsync", cannot)
    with pytest.raises(OSError, match=os.strerror(error)) as caught:
        checksums.write(tmp_path / "file", "new")
    assert caught.value.filename
    assert (tmp_path / "file").read_text() == "old"
    assert checksums_before.read_bytes() == before
    assert [name for name in names(tmp_path) if not name.endswith(".lock")] == [MANIFEST, "file"]


def test_a_disk_of_a_few_pages_never_has_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written until it is full: those that are there are whole, with their hashes."""
    disk = tmp_path / "disk"
    monkeypatch.setattr(checksums, "DATA", disk)
    disk.mkdir()
    can = sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount")
    can = can and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk]).returncode == 0
    if not can:  # also in CI: a container may not mount
        pytest.skip("needs root and mount")
    try:
        checksums.seal(disk, "*")
        (disk / MANIFEST).write_text(f"{'0' * 64}  none\n")
        for number in range(40):
            with suppress(OSError):
                checksums.write(disk / f"{number}", bytes(9_000 - number * 200))
        written = [path for path in disk.iterdir() if path.name.isdecimal()]
        assert 3 < len(written) < 40
        for path in written:
            checksums.verify(path)
            assert path.stat().st_size == 9_000 - int(path.name) * 200
        assert not list(disk.glob(".*.tmp"))
    finally:
        subprocess.run(["umount", disk], check=True)


# Hashes beside the files


def test_a_manifest_is_what_sha256sum_reads(tmp_path: Path) -> None:
    require(shutil.which("sha256sum"), "no sha256sum on this machine")
    for name in ("plain", "with blank", "new\nline", "back\\slash", "-o"):
        (tmp_path / name).write_text(name)
    checksums.seal(tmp_path, "*")
    checksums.verify_folder(tmp_path)
    command = ["sha256sum", "--strict", "--check", MANIFEST]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    files = [name for name in names(tmp_path) if name != MANIFEST]
    made = subprocess.run(["sha256sum", "--", *files], cwd=tmp_path, capture_output=True, text=True)
    (tmp_path / MANIFEST).write_text(made.stdout)
    checksums.verify_folder(tmp_path)


@pytest.mark.parametrize("folder", [DATA, DATA / "text-500k", DATA / "text-short"], ids=lambda path: path.name)
def test_every_file_in_data_has_its_hash_beside_it(folder: Path) -> None:
    """After an edit by hand: `rnnreport tidy`."""
    checksums.verify_folder(folder, *(name for name in names(folder) if "." in name[1:] and name[0] != "."))


READERS: dict[str, Any] = {
    "temporal_gate.parquet": lambda path: recorded.read(str(path)),
    "benchmarks.json": lambda path: speed.read(str(path)),
    "text-short/run.json": lambda path: text_networks.kept_training(str(path.parent)),
    "text-short/table.parquet": lambda path: text_networks.kept_training(str(path.parent)),
    "text-short/weights-20000.safetensors": lambda path: text_networks.kept_training(str(path.parent)),
    "text-500k/table.parquet": lambda path: text_networks.kept_training(str(path.parent)),
    "claims.yml": lambda path: stated.claims.__wrapped__(path),
    "report_samples.yml": lambda path: text_networks.report_samples(),
}


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``data/`` in a project of its own, without its long training's checkpoints."""
    shutil.copytree(DATA, tmp_path / "data", ignore=shutil.ignore_patterns("rnn_versus*", "text_gen*"))
    monkeypatch.setattr(checksums, "DATA", tmp_path / "data")
    monkeypatch.setattr(text_networks, "SAMPLES", tmp_path / "data" / "report_samples.yml")
    return tmp_path / "data"


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["empty", "{}", "half", "not named"])
def test_a_file_of_data_that_is_not_as_it_was_written_is_refused(name: str, damage: str, copied: Path) -> None:
    path = copied / name
    READERS[name](path)
    data = path.read_bytes()
    path.write_bytes({"empty": b"", "{}": b"{}", "half": data[: len(data) // 2]}.get(damage, data))
    if damage == "not named":
        lines = path.with_name(MANIFEST).read_text().splitlines(keepends=True)
        path.with_name(MANIFEST).write_text("".join(line for line in lines if path.name not in line))
    with pytest.raises(ValueError, match=re_name(path)) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ReaderError)


def re_name(path: Path) -> str:
    return path.name.replace(".", r"\.")


@pytest.mark.parametrize("name", ["temporal_gate.parquet", "text-500k/table.parquet"])
def test_a_table_without_a_manifest_is_guarded_by_its_pages(name: str, tmp_path: Path) -> None:
    """Of 60 flipped bits each is refused or changes nothing."""
    table, path = pd.read_parquet(DATA / name), tmp_path / "table.parquet"
    table.attrs.setdefault("provenance", {})
    runs.write_table(table, path)
    found = recorded.read(str(path))
    assert found is not None
    pd.testing.assert_frame_equal(found, table, check_exact=True)
    written, drawn, refused = path.read_bytes(), random.Random(1), 0
    for _ in range(60):
        data = bytearray(written)
        data[drawn.randrange(len(data))] ^= 1 << drawn.randrange(8)
        path.write_bytes(data)
        try:
            found = recorded.read(str(path))
        except ParameterError as error:
            assert "\n" not in str(error)  # noqa: PT017
            refused += 1
        else:
            assert found is not None
            pd.testing.assert_frame_equal(found, table, check_exact=True)
    assert refused > 50


@pytest.mark.parametrize("content", [b"", b"{}", 0.5], ids=["empty", "{}", "half"])
def test_a_recorded_table_that_cannot_be_read_is_refused_in_one_sentence(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    data = (DATA / "backends.parquet").read_bytes()
    path.write_bytes(data[: round(len(data) * content)] if isinstance(content, float) else content)
    with pytest.raises(ParameterError, match=r"table\.parquet is not a table that can be read: ") as caught:
        recorded.read(str(path))
    assert "\n" not in str(caught.value)


def test_equal_tables_give_equal_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"step": [1, 2], "loss": [0.5, float("nan")], "experiment": ["a", "ä"]})
    table.attrs["provenance"] = {"a": "recorded: once", "b": "recorded: twice"}
    for name in ("one", "other"):
        runs.write_table(table.copy(), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_recording_keeps_the_hashes_of_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"step": [1]})
    table.attrs["provenance"] = "recorded: once"
    runs.write_table(table, tmp_path / "alone.parquet")
    assert names(tmp_path) == ["alone.parquet"]
    checksums.seal(tmp_path, "*")
    before = (tmp_path / MANIFEST).read_text()
    runs.write_table(table, tmp_path / "other.parquet")
    assert (tmp_path / MANIFEST).read_text() == before  # which may be another's
    monkeypatch.setattr(checksums, "DATA", tmp_path)
    runs.write_table(table.assign(step=2), tmp_path / "other.parquet")
    checksums.verify_folder(tmp_path)
    assert set(before.splitlines()) < set((tmp_path / MANIFEST).read_text().splitlines())
    assert len((tmp_path / MANIFEST).read_text().splitlines()) == 2


@pytest.mark.parametrize("cut", range(6))
def test_wherever_a_writer_is_killed_the_file_is_one_that_its_folder_vouches_for(
    cut: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename is where what others see changes: the writer ends before each of them, or after the last."""
    path, left = tmp_path / "file", [cut]
    storage.write(path, "old")
    checksums.seal(tmp_path, "*")
    replace = os.replace

    def cutting(old: Path, new: Path) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        replace(old, new)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", cutting)
        try:
            checksums.write(path, "new")
        except KeyboardInterrupt:
            assert cut < 3
        else:
            assert cut >= 3
    assert checksums.verify(path).read_text() == ("old" if cut < 2 else "new")
    checksums.write(path, "newer")
    checksums.verify_folder(tmp_path)


WRITE = """
import sys
from pathlib import Path
from rnnreport import checksums
path = Path(sys.argv[1])
checksums.DATA = path.parent
checksums.write(path, "new")
"""


def test_many_who_write_at_once_lose_no_line_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    checksums.seal(tmp_path, "*")
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, tmp_path / f"{i}"], cwd=ROOT) for i in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    checksums.verify_folder(tmp_path)
    assert [name for name in names(tmp_path) if name[0] != "."] == ["0", "1", "2", "3", MANIFEST, "old"]


def test_a_large_file_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "TICK", -1)
    (tmp_path / "weights").write_bytes(b"1")
    checksums.seal(tmp_path, "*")
    opened: list[Path] = []
    usual = Path.open

    def noted(path: Path, *how: Any, **more: Any) -> Any:
        opened.append(path)
        return usual(path, *how, **more)

    monkeypatch.setattr(Path, "open", noted)
    for _ in range(3):
        checksums.verify(tmp_path / "weights")
    assert [path for path in opened if path.name == "weights"] == []  # sealing did it
    (tmp_path / "weights").write_bytes(b"22")
    opened.clear()
    for _ in range(3):
        with pytest.raises(DamagedError, match="weights is not as it was written"):
            checksums.verify(tmp_path / "weights")
    assert [path.name for path in opened].count("weights") == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"0" * 64 + b"  file", b"\xff\n"], ids=str)
def test_a_manifest_that_cannot_be_read_vouches_for_nothing(content: bytes, tmp_path: Path, as_data: None) -> None:
    (tmp_path / "file").touch()
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(DamagedError, match=f"{MANIFEST} is damaged"):
        checksums.verify(tmp_path / "file")
    with pytest.raises(DamagedError, match=f"{MANIFEST} is damaged"):
        cli._check_writable(tmp_path)  # before the work whose result would go there
    checksums.mend(tmp_path)
    checksums.seal(tmp_path, "*")
    checksums.verify_folder(tmp_path)
    checksums.mend(tmp_path)
    assert (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize("content", ["", "-----BEGIN PGP SIGNED MESSAGE-----\n", f"{'0' * 64}  another.iso\n", "half"])
def test_a_strangers_manifest_is_left_alone(content: str, tmp_path: Path) -> None:
    table, path = pd.DataFrame({"step": [1]}), tmp_path / "table.parquet"
    table.attrs["provenance"] = "recorded: once"
    (tmp_path / MANIFEST).write_text(content)
    cli._check_writable(tmp_path)
    runs.write_table(table, path)
    assert recorded.read(str(path)) is not None
    assert recorded.is_recorded(path)
    assert (tmp_path / MANIFEST).read_text() == content
    (tmp_path / MANIFEST).write_text(f"{content}\n{'0' * 64}  {path.name}\n")
    with pytest.raises(ParameterError, match="is not as it was written"):
        recorded.read(str(path))
    assert not recorded.is_recorded(path)


def test_a_manifest_may_have_what_sha256sum_takes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    digest = hashlib.sha256(b"content").hexdigest().upper()
    (tmp_path / MANIFEST).write_text(f"# a comment\n\n{digest} *./file\n")
    checksums.verify_folder(tmp_path, "file")


@pytest.mark.parametrize(
    ("name", "is_own"), [("temporal_gate.parquet", recorded.is_recorded), ("benchmarks.json", speed.is_record)]
)
def test_a_damaged_record_of_data_can_be_made_again(
    name: str, is_own: Any, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / name).write_bytes(b"half")
    assert is_own(copied / name)
    said = f"{copied / name} is not as it was written: {MANIFEST} beside it has another hash; it is made again\n"
    assert capsys.readouterr().out == said
    checksums.write(copied / name, "anew")
    checksums.verify(copied / name)
    (copied / f"mine-{name}").write_bytes(b"half")
    assert not is_own(copied / f"mine-{name}")


def test_files_beside_a_training_are_the_readers_to_add_to_and_to_delete(copied: Path) -> None:
    folder = copied / "text-short"
    for name in ("checkpoint.safetensors", "notes.txt"):
        (folder / name).write_text("mine")
    checksums.seal(folder, *runs.FILES)
    (folder / "checkpoint.safetensors").unlink()
    for content in ("edited", "again"):
        (folder / "notes.txt").write_text(content)
        (folder / "desktop.ini").write_text(content)
        assert text_networks.kept_training(str(folder)) is not None


def test_another_trainings_weights_are_refused(copied: Path) -> None:
    """They can be read, and are of the same network: only the folder knows that they are not its own."""
    run = text_networks.kept_training(str(copied / "text-500k"))
    assert run is not None
    shutil.copy(run.folder / "weights-0.safetensors", run.folder / "weights-2000.safetensors")
    model = CharLSTM(87, 128, 2)
    with pytest.raises(TrainingError, match=r"weights-2000\.safetensors is not as it was written"):
        load_weights(model, run.folder / "weights-2000.safetensors")
    with pytest.raises(ParameterError, match=r"weights-2000\.safetensors is not as it was written"):
        text_networks.kept_training(str(copied / "text-500k"))


def test_tidy_takes_texts_edited_by_hand_as_they_are_and_nothing_else(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "PROJECT", copied.parent)
    monkeypatch.setattr(cli.build, "tidy", lambda chapter: None)
    (copied / "claims.yml").write_text((copied / "claims.yml").read_text("utf-8") + "# edited\n", "utf-8")
    (copied / "benchmarks.json").write_text("{}")
    with pytest.raises(stated.ClaimsError, match=r"claims\.yml .*`rnnreport tidy`"):
        stated.claims.__wrapped__(copied / "claims.yml")
    cli.tidy()
    assert len(stated.claims.__wrapped__(copied / "claims.yml")) > 5
    with pytest.raises(ParameterError, match=r"benchmarks\.json is not as it was written"):
        speed.read(str(copied / "benchmarks.json"))


# One process at a time

HOLD = """
import sys, time
from pathlib import Path
from rnnreport import locks
with locks.alone(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_second_process_is_told_of_the_first_until_that_one_dies(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], cwd=ROOT, stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == b"held\n"
            says = f"{path} is being written by process {holder.pid} on .* since 2"
            with pytest.raises(locks.BusyError, match=says), locks.alone(path):
                pytest.fail("both write")
        finally:
            holder.kill()
    with locks.alone(path), pytest.raises(locks.BusyError, match=f"process {os.getpid()} on "), locks.alone(path):
        pytest.fail("both write")
    assert names(tmp_path) == [".table.parquet.lock"]


def test_recording_into_a_file_that_is_being_recorded_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "table.parquet"
    monkeypatch.setitem(cli.RECORDS, "02_rnn_versus_lstm", lambda p: pytest.fail("it trains"))
    monkeypatch.setattr(sys, "argv", ["rnnreport", "record", "02_rnn_versus_lstm", "-o", str(path)])
    with locks.alone(path), pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert f"{path} is being written by process {os.getpid()}" in capsys.readouterr().err


@pytest.mark.parametrize("error", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def test_a_file_system_without_locks_has_others_or_is_refused(
    error: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """filelock goes over to files that only exist where there are no locks at all."""
    fcntl = pytest.importorskip("fcntl")

    def flock(descriptor: int, how: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(fcntl, "flock", flock)
    path = tmp_path / "table.parquet"
    if error == errno.ENOSYS:
        busy = pytest.raises(locks.BusyError, match=f"process {os.getpid()} on ")
        with pytest.warns(UserWarning, match="flock not supported"), locks.alone(path), busy, locks.alone(path):
            pytest.fail("both write")
    else:
        with pytest.raises(locks.BusyError, match="nobody can be kept from writing"), locks.alone(path):
            pytest.fail("it writes")
