"""From each output of a page, one click to how it was made: ``records/<chapter>/<cell>.json``.

A record has the cell and its code, the chapter's parameters, the configuration and seed of every run, code, commit,
libraries, machine, data and seconds. Seconds and dates stand there alone, so that pages are the same in each build.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet
from docutils import nodes
from sphinx.application import Sphinx

from rnnreport.claims.collected import METADATA
from rnnreport.origin import line, read
from rnnreport.parameters import located

CODE = '<details class="code"><summary>Code</summary>'  # as reading_order.py folds it
FOLD = re.compile(r'(<details class="made">.*?)</details>', re.DOTALL)
SEEDS = re.compile(r"\bseeds? (\d+(?:, \d+)*)")
SHORT = 12  # digits of a hash that a page shows
AT_CODE = re.compile(" at code ([0-9a-f]{12})")
COMMANDS = {  # that made what `rnnreport record` does not
    "data/text-500k": "rnnreport train text",
    "data/text-short": "rnnreport train text-short",
    "data/benchmarks.json": "make bench",
    "data/backends.parquet": "rnnreport bench --learning",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("doctree-resolved", lead_to_records, priority=600)  # after reading_order
    app.connect("build-finished", write_records)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def executed(app: Sphinx, page: str) -> dict[str, Any] | None:
    """The page's notebook, if `make book` ran it."""
    source = Path(app.env.doc2path(page))
    notebook = json.loads(source.read_text(encoding="utf-8")) if source.suffix == ".ipynb" else {}
    return notebook if "rnnreport" in notebook.get("metadata", {}) else None


def record_of(cell: Mapping[str, Any], run: Mapping[str, Any], chapter: str) -> dict[str, Any]:
    """All that is known of how a cell's outputs were made. run: the record of its chapter's run."""
    shown = [output.get("metadata", {}).get(METADATA, {}) for output in cell["outputs"]]
    origins = [origin for found in shown for origin in found.get("origins", [])]
    timed = cell["metadata"].get("papermill", {})
    return {
        "shows": [row["label"] for found in shown for row in found.get("findings", [])],
        "page": f"book/{chapter}.html",
        "notebook": f"book/{chapter}.ipynb",
        "cell": cell["id"],
        "source": "".join(cell["source"]),
        "seconds": {"cell": timed.get("duration"), "chapter": run["seconds"]},
        "started": timed.get("start_time"),
        "origins": [{**origin, "recorded": recorded(origin["origin"], run["data"], chapter)} for origin in origins],
        **{name: run[name] for name in ("command", "parameters", "code", "commit", "libraries", "machine", "data")},
    }


def recorded(origin: str, data: Mapping[str, str], chapter: str) -> list[dict[str, str]]:
    """The files of recorded runs that this line on an origin speaks of, each with the command that makes it again."""
    found, seen = [], set()
    for name, digest in data.items() if "recorded" in origin else ():
        for experiment, words in lines(name).items():
            if words in origin or (
                not experiment and "live and recorded" in origin and AT_CODE.findall(words)[0] in origin
            ):
                seeds = sorted({int(seed) for seeds in SEEDS.findall(words) for seed in seeds.split(", ")})
                only = f"rnnreport record {chapter} --only {shlex.quote(experiment)}"
                only += f" -p seeds '{seeds}'" * bool(seeds)
                command = "" if words in seen else COMMANDS.get(name, only)  # else it is read off the same runs
                found.append({"file": name, "SHA-256": digest, "command": command})
                seen.add(words)
        if (command := COMMANDS.get(name)) and command in origin:
            found.append({"file": name, "SHA-256": digest, "command": command})
    return found


@cache
def lines(name: str) -> dict[str, str]:
    """The lines on the origin of what a file or folder of ``data/`` holds, by experiment; none if it holds no runs."""
    path = located(name)
    if (path / "run.json").exists():
        run = read(path)
        return {"": line("recorded", [run["configuration"]["recipe"]["seed"]], [run["provenance"]])}
    if path.suffix == ".parquet":
        attrs = json.loads((pyarrow.parquet.read_schema(path).metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
        return attrs["provenance"] if isinstance(attrs.get("provenance"), dict) else {}
    return {}


def lead_to_records(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Beside each output, or in its fold "How this was made", a link to its record; at the end, what the page read."""
    if app.builder.format != "html" or (notebook := executed(app, page)) is None:
        return
    chapter, run = Path(page).stem, notebook["metadata"]["rnnreport"]
    containers = {node["cell_index"]: node for node in doctree.findall(nodes.container) if "cell_index" in node}
    settings = [node for node in containers.values() if "tag_parameters" in node["classes"]]
    for node in settings:
        node["ids"].append("settings")
    for place, node in containers.items():
        cell = notebook["cells"][place]
        if cell.get("outputs"):
            record = record_of(cell, run, chapter)
            links = {"code": code_of(node, cell["id"]), "settings": "#settings" if settings else ""}
            links["record"] = f"../records/{chapter}/{cell['id']}.json"
            add(node, record, links)
    sections = [node.parent for node in settings] or list(doctree.findall(nodes.section))[:1]
    for section in sections:
        section.append(nodes.raw("", made_from(run, chapter), format="html"))


def code_of(node: nodes.container, cell: str) -> str:
    """The address of the cell's code in its page, to which an id is given; "" if the page does not show it."""
    for child in node.findall():
        if isinstance(child, nodes.raw) and child.astext() == CODE:
            child[:] = [nodes.Text(f'{CODE}<span id="cell-{cell}"></span>')]
            return f"#cell-{cell}"
        if isinstance(child, nodes.container) and "cell_input" in child["classes"]:
            child["ids"].append(f"cell-{cell}")
            return f"#cell-{cell}"
    return ""


def add(node: nodes.container, record: Mapping[str, Any], links: Mapping[str, str]) -> None:
    """Put the links where a reader of the cell's outputs finds them."""
    folds = [raw for raw in node.findall(nodes.raw) if FOLD.search(raw.astext())]
    for raw in folds:
        raw[:] = [nodes.Text(FOLD.sub(lambda fold: f"{fold[1]}{trace(record, links)}</details>", raw.astext()))]
        raw.rawsource = raw.astext()
    if not folds and "in-short" not in node.astext():
        link = nodes.raw("", f'<a class="made" href="{links["record"]}">How this was made</a>', format="html")
        paragraphs = list(node.findall(nodes.paragraph))
        place = next((at for at, child in enumerate(node.children) if child.astext().startswith(CODE)), len(node))
        if paragraphs:
            paragraphs[-1] += [nodes.Text(" "), link]
        else:
            node.insert(place, link)


def trace(record: Mapping[str, Any], links: Mapping[str, str]) -> str:
    """The last paragraph of a fold: links to code, settings and record, files of recorded runs, and the command."""
    words = {
        "code": "its code",
        "settings": "its settings",
        "record": "its record, with configurations, commit, seconds",
    }
    linked = [f'<a href="{escape(links[name])}">{words[name]}</a>' for name in words if links[name]]
    kept = [found for origin in record["origins"] for found in origin["recorded"]]
    files = dict.fromkeys(f"{found['file']} (SHA-256 {found['SHA-256'][:SHORT]})" for found in kept)
    again = [*filter(None, dict.fromkeys(found["command"] for found in kept)), record["command"]]
    return (
        f'<p class="trace">See {"; ".join(linked)}. '
        + (f"Recorded in {escape(', '.join(files))}. " if files else "")
        + f"To make it again: {', then '.join(f'<code>{escape(command)}</code>' for command in again)}</p>"
    )


def made_from(run: Mapping[str, Any], chapter: str) -> str:
    """What the page was made from, for its end."""
    libraries = ", ".join(f"{name} {version}" for name, version in run["libraries"].items())
    read_ = ", ".join(f"{name} ({digest[:SHORT]})" for name, digest in run["data"].items())
    rows = (
        f"Command: <code>{escape(run['command'])}</code>",
        f"Code: {chapter}.ipynb, with the library at code {run['code']}; {escape(libraries)}; {escape(run['machine'])}",
        f"Data, with the first digits of their SHA-256, or that of a folder's SHA256SUMS: {escape(read_)}",
    )
    items = "".join(f"<li>{row}</li>" for row in rows)
    return f'<div class="made-from" id="made-from"><p>This page was made from:</p><ul>{items}</ul></div>'


def write_records(app: Sphinx, exception: Exception | None) -> None:
    """Write the records of all cells that show something."""
    for page in sorted(app.env.found_docs) if exception is None and app.builder.name == "html" else ():
        for cell, record in records(app, page):
            path = Path(app.outdir, "records", Path(page).stem, f"{cell}.json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def records(app: Sphinx, page: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a page's cells that show something, by their ids."""
    if (notebook := executed(app, page)) is not None:
        for cell in notebook["cells"]:
            if cell.get("outputs"):
                yield cell["id"], record_of(cell, notebook["metadata"]["rnnreport"], Path(page).stem)
