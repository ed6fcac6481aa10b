"""The built site as a Workflow Run RO-Crate: valid by its profiles, complete, and the same at each build."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import require

from rnnreport import crate

# What the crate's context says of the terms that the crate uses; the context itself is a page of the network.
NAMES = """about author datePublished description encodingFormat hasPart identifier instrument license mainEntity
    mentions name object programmingLanguage result softwareRequirements softwareVersion url value version CreativeWork
    Dataset SoftwareSourceCode ComputerLanguage SoftwareApplication Organization CreateAction PropertyValue"""
CONTEXT = {name: f"http://schema.org/{name}" for name in NAMES.split()} | {
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
    "File": "http://schema.org/MediaObject",
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
}


def graph_of(site: Path) -> list[dict[str, Any]]:
    return json.loads((site / crate.METADATA).read_bytes())["@graph"]


@pytest.mark.parametrize("profile", ["workflow-run-crate", "process-run-crate", "workflow-ro-crate", "ro-crate-1.1"])
def test_the_site_is_a_valid_crate(site: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require(importlib.util.find_spec("rocrate_validator"), "no roc-validator in this environment")
    from rocrate_validator import models, services
    from rocrate_validator.utils.http import HttpRequester

    def get(self: Any, url: str, **_: Any) -> Any:
        assert url == "https://w3id.org/ro/crate/1.1/context", "no test asks the network"
        headers = {"Content-Type": "application/ld+json"}
        return SimpleNamespace(status_code=200, headers=headers, json=lambda: {"@context": CONTEXT})

    monkeypatch.setattr(HttpRequester, "get", get, raising=False)
    settings = services.ValidationSettings(
        rocrate_uri=site, profile_identifier=profile, requirement_severity=models.Severity.REQUIRED
    )
    result = services.validate(settings)
    assert [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()] == []


def test_each_chapter_is_an_action_on_its_settings_and_data(site: Path) -> None:
    entities = {entity["@id"]: entity for entity in graph_of(site)}
    for path in (site / "records").iterdir():
        made = json.loads(next(path.iterdir()).read_bytes())
        action = entities[f"#{path.name}"]
        assert action["instrument"] == {"@id": f"_sources/book/{path.name}.ipynb"}
        read = [entities[part["@id"]] for part in action["object"]]
        values = {part["name"]: part.get("value") or part["identifier"] for part in read}
        parameters = {name: json.dumps(value) for name, value in made["parameters"].items()}
        assert values == parameters | {name: f"sha256:{digest}" for name, digest in made["data"].items()}
        assert entities[action["instrument"]["@id"]]["version"] == made["code"]


def test_every_reference_leads_to_an_entity_and_nothing_is_of_this_machine(site: Path) -> None:
    graph = graph_of(site)
    places = {entity["@id"] for entity in graph}
    assert len(places) == len(graph)
    text = (site / crate.METADATA).read_text("utf-8")
    assert set(re.findall(r'"@id": "([^"]+)"', text)) - places == {"https://w3id.org/ro/crate/1.1"}
    text = text.replace(str(site.parent), "_build")  # where these tests collect verdicts; by default it is there
    assert not re.search(r'"/|startTime|endTime', text)
