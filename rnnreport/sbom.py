"""What the site is made of and was built with: a bill of materials (SBOM) in CycloneDX 1.6, https://cyclonedx.org."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rnnreport import __version__, vendor

NAME = "sbom.cdx.json"
LOCKS = (*sorted(vendor.PROJECT.glob("requirements*.lock")), vendor.PROJECT / "package-lock.json")
PIN = re.compile(r"^([\w.-]+)==([^\s\\]+)((?:.*\\\n)*.*)", re.M)
FILE = re.compile(r"^(?!.*\.dist-info/).*,sha256=([\w-]+),", re.M)  # in RECORD; packages share licences, so not these


def written(html: Path) -> str:
    """The bill of the site in a folder: each locked package that is installed here, and each npm package.

    The hashes are the locks', for a Python package those of its files for every system. The scope is "required" if
    the site has files of the package, "excluded" if it only helped to build it; what a package's files have in them
    from others is not listed apart. The same site has the same bill.
    """
    components = {component["bom-ref"]: component for component in (*_python(html), *_npm())}
    book = {"type": "application", "bom-ref": "rnnreport", "name": "rnnreport", "version": __version__}
    bill = {
        **{"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1},
        "metadata": {"component": {**book, "licenses": [{"expression": "MIT"}]}},
        "components": [components[reference] for reference in sorted(components)],
    }
    return json.dumps(bill, indent=1, ensure_ascii=False) + "\n"


def locked(lock: str) -> dict[tuple[str, str], list[str]]:
    """The SHA-256 of a lock file's packages by name and version."""
    return {(name, version): re.findall(r"sha256:(\w+)", rest) for name, version, rest in PIN.findall(lock)}


def _python(html: Path) -> Iterator[dict[str, Any]]:
    contents = {path.read_bytes() for path in html.rglob("*") if path.is_file()} - {b""}
    digests = {base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()[:-1] for content in contents}
    for lock in LOCKS[:-1]:
        for (name, version), hashes in locked(lock.read_text(encoding="utf-8")).items():
            try:
                package = metadata.distribution(name)
            except metadata.PackageNotFoundError:  # as a marker of the lock says, for example
                continue
            if package.version == version:
                in_site = not digests.isdisjoint(FILE.findall(package.read_text("RECORD") or ""))
                about = _component("pypi", name, version, in_site, [("SHA-256", sha256) for sha256 in hashes])
                yield about | _licence(package.metadata)


def _npm() -> Iterator[dict[str, Any]]:
    for path, package in json.loads(LOCKS[-1].read_text(encoding="utf-8"))["packages"].items():
        if path:  # "" is the project itself
            name = package.get("name") or path.rpartition("node_modules/")[2]
            algorithm, _, digest = package["integrity"].partition("-")
            in_site = any(file.startswith(f"{name}/") for file in vendor.FILES)
            hashes = [(algorithm.upper().replace("SHA", "SHA-"), base64.b64decode(digest).hex())]
            licence = {"licenses": [{"expression": package["license"]}]} if "license" in package else {}
            yield _component("npm", name, package["version"], in_site, hashes) | licence


def _component(registry: str, name: str, version: str, in_site: bool, hashes: list[tuple[str, str]]) -> dict[str, Any]:
    purl = f"pkg:{registry}/{quote(name)}@{quote(version)}"
    return {
        **{"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl},
        "scope": "required" if in_site else "excluded",
        "hashes": [{"alg": algorithm, "content": content} for algorithm, content in hashes],
    }


def _licence(about: metadata.PackageMetadata) -> dict[str, Any]:
    """What a package's metadata says of its licence: an SPDX expression, else a name or what its classifiers say."""
    if expression := about.get_all("License-Expression"):
        return {"licenses": [{"expression": expression[0]}]}
    classes = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License")]
    stated = (about.get_all("License") or [""])[0].splitlines()  # some have the whole text there
    names = classes or (stated if len(stated) == 1 else [])
    return {"licenses": [{"license": {"name": name}} for name in names]} if names else {}
