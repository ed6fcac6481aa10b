"""The quick site built twice has the same bytes: by another user, in another folder, time zone, locale and umask."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, require

from rnnreport import sbom

NEEDED = ("rnnreport", "book", "data", "package.json", "CITATION.cff", *(lock.name for lock in sbom.LOCKS))
ELSEWHERE = {
    "TZ": "Pacific/Kiritimati",  # 14 hours ahead: another day
    "LC_ALL": "C",
    "USER": "somebody",
    "LOGNAME": "somebody",
    "PYTHONHASHSEED": "20181120",
    "SOURCE_DATE_EPOCH": "1542672000",
}


@pytest.mark.slow
def test_two_builds_have_the_same_bytes(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Every network of the second is trained anew: stored runs are not shared."""
    from rnnreport import site, vendor

    try:
        vendor.fetch(ROOT)
    except vendor.VendorError as error:
        require(False, str(error))
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in (*NEEDED, "_config.yml", "_toc.yml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, clone / name)
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"  # of the downloaded book
    places = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(caches), "PYTHONPATH": str(clone)}
    environment = {**os.environ, **ELSEWHERE, **places}
    environment.pop("RNNREPORT_RUNS_DIR", None)
    code = "from rnnreport import build; build.book('quick')"
    built = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, umask=0o077, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    first, second = (files(folder) for folder in (request.getfixturevalue("site"), clone / "_build" / "html"))
    assert first.keys() == second.keys()
    # Pages say what file collects the verdicts: the default one in the clone.
    here = str(request.getfixturevalue("site").parent)
    first = {name: content.replace(here.encode(), b"_build") for name, content in first.items()}
    for built_site in (first, second):
        built_site["searchindex.js"] = without(built_site["searchindex.js"], re.findall(r"\w+", f"{here} _build build"))
    # The stamp has a hash of every other file, and one of the executed chapters. Records say when and how long.
    apart = ("records/", site.STAMP)
    other = [name for name in first if first[name] != second[name] and not name.startswith(apart)]
    assert [told(name, first[name], second[name]) for name in other] == []


def files(folder: Path) -> dict[str, bytes]:
    """The files of a site by their names."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without(index: bytes, words: list[str]) -> bytes:
    """Sphinx's index without these words, which a path in a page may have put there."""
    found = json.loads(index[index.index(b"{") : index.rindex(b"}") + 1])
    found["terms"] = {term: pages for term, pages in found["terms"].items() if term not in words}
    return json.dumps(found).encode()


def told(name: str, a: bytes, b: bytes) -> str:
    """Where two versions of a file part."""
    at = max(next((at for at, (one, other) in enumerate(zip(a, b)) if one != other), min(len(a), len(b))) - 60, 0)
    return f"{name}: {a[at : at + 120]!r} and {b[at : at + 120]!r}"
