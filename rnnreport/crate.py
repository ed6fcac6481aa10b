"""The site as a Workflow Run RO-Crate: which notebooks, settings, data and libraries each of its pages came from.

Profile: https://w3id.org/ro/wfrun/workflow/0.5. The workflow is ``build.py``, which runs the chapters' notebooks; the
build is one action, and each chapter another. Seconds, dates and commits are no part of it: they are in ``records/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from rnnreport import __version__, storage
from rnnreport.provenance import PROJECT

METADATA = "ro-crate-metadata.json"
WORKFLOW = "build.py"
CITATION, DRIVER = PROJECT / "CITATION.cff", PROJECT / "rnnreport" / WORKFLOW  # the crate is made from them
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
Entity = dict[str, Any]


def write(html: Path, chapters: Sequence[Path]) -> None:
    """Make a crate of the site in this folder, which was made from these executed chapters."""
    storage.write(html / WORKFLOW, DRIVER.read_text(encoding="utf-8"))
    graph = {entity["@id"]: entity for entity in _entities(html, chapters)}  # what several chapters read comes once
    crate = {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": list(graph.values())}
    storage.write(html / METADATA, json.dumps(crate, indent=1, ensure_ascii=False) + "\n")


def _entities(html: Path, chapters: Sequence[Path]) -> Iterator[Entity]:
    cited = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    runs = {path.stem: json.loads(path.read_bytes())["metadata"]["rnnreport"] for path in chapters}
    actions = [action for chapter, run in runs.items() for action in _chapter(chapter, run)]
    made = [entity for entity in actions if entity["@type"] == "CreateAction"]
    files = sorted(path.relative_to(html).as_posix() for path in html.rglob("*.html") if "_static" not in path.parts)
    notebooks = [f"_sources/book/{chapter}.ipynb" for chapter in runs]
    records = ["records/"] * (html / "records").is_dir()
    yield {
        **_entity(METADATA, "CreativeWork", about="./"),
        "conformsTo": _ids("https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"),
    }
    yield {
        **_entity("./", "Dataset", name=cited["title"], description="A Jupyter Book, and what its pages came from"),
        "conformsTo": _ids(*PROFILES),
        "datePublished": str(cited["date-released"]),
        "license": _ids(licence := f"https://spdx.org/licenses/{cited['license']}"),
        "author": _ids(*(authors := [f"#{author['name']}" for author in cited["authors"]])),
        "mainEntity": _ids(WORKFLOW),
        "hasPart": _ids(WORKFLOW, *notebooks, *files, *records),
        "mentions": _ids("#build", *(action["@id"] for action in made)),
    }
    for address, name in PROFILES.items():
        yield _entity(address, "CreativeWork", name=name, version=address.rpartition("/")[2])
    yield _entity(licence, "CreativeWork", name=f"{cited['license']} licence", description="See LICENSE.")
    for author, about in zip(authors, cited["authors"]):
        yield _entity(author, "Organization", name=about["name"])
    libraries = {f"#{name}": (name, number) for run in runs.values() for name, number in run["libraries"].items()}
    yield {
        **_entity(WORKFLOW, "File", "SoftwareSourceCode", "ComputationalWorkflow", name="The build of the book"),
        "version": __version__,
        "encodingFormat": "text/x-python",
        "programmingLanguage": _ids("#Python"),
        "softwareRequirements": _ids(*libraries),
        "hasPart": _ids(*notebooks),
    }
    yield _entity("#Python", "ComputerLanguage", name="Python", url="https://www.python.org/")
    for library, (name, number) in libraries.items():
        yield _entity(library, "SoftwareApplication", name=name, softwareVersion=number)
    for file in files:
        yield _entity(file, "File", name=file, encodingFormat="text/html")
    for folder in records:
        words = "How each output was made, with seconds, dates and commit: one file per cell of a notebook."
        yield _entity(folder, "Dataset", name="records", description=words)
    yield {
        **_entity("#build", "CreateAction", name="The build", description="rnnreport book"),
        "instrument": _ids(WORKFLOW),
        "object": list({read["@id"]: read for action in made for read in action["object"]}.values()),
        "result": _ids(*files),
    }
    yield from actions


def _chapter(chapter: str, run: Entity) -> Iterator[Entity]:
    """A chapter's notebook, its parameters and data, and its run. run: the record of it."""
    notebook = f"_sources/book/{chapter}.ipynb"
    parameters = [
        _entity(f"#{chapter}/{name}", "PropertyValue", name=name, value=json.dumps(value))
        for name, value in run["parameters"].items()
    ]
    data = [
        _entity(f"#{name}", "CreativeWork", name=name, identifier=f"sha256:{digest}")
        for name, digest in run["data"].items()
    ]
    yield {
        **_entity(notebook, "File", "SoftwareSourceCode", name=f"{chapter}.ipynb"),
        "version": run["code"],
        "encodingFormat": "application/x-ipynb+json",
        "programmingLanguage": _ids("#Python"),
    }
    yield from (*parameters, *data)
    yield {
        **_entity(f"#{chapter}", "CreateAction", name=chapter, description=f"{run['command']}, on {run['machine']}"),
        "instrument": _ids(notebook),
        "object": [{"@id": entity["@id"]} for entity in (*parameters, *data)],
        "result": _ids(f"book/{chapter}.html"),
    }


def _entity(place: str, *types: str, about: str = "", **properties: str) -> Entity:
    kind: Entity = {"@id": _escaped(place), "@type": types[0] if len(types) == 1 else list(types)}
    return {**kind, **properties, **({"about": {"@id": about}} if about else {})}


def _ids(*places: str) -> Any:
    """A reference to one entity, or a list of references."""
    found = [{"@id": _escaped(place)} for place in places]
    return found[0] if len(found) == 1 else found


def _escaped(place: str) -> str:
    """An id as JSON-LD wants it: an address without spaces."""
    return place if place.startswith("https:") else quote(place, safe="/#_.-")
