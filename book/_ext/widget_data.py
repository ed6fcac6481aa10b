"""What comes with a page for its widgets is the same in each build, and stays data, whatever a reader's text holds.

MyST-NB writes the widgets' state as JSON into a ``<script>``, where it escapes ``</script>`` in this spelling alone:
``</SCRIPT>``, ``</script >`` or ``<!--`` in a string would end it early, and what follows would be markup. The
kernel draws the widgets' names at random; in a page they are numbers.
"""

from __future__ import annotations

import json
import re
from typing import Any

from sphinx.application import Sphinx

NAME = re.compile("[0-9a-f]{32}")
VIEW = re.compile('"model_id": "([0-9a-f]{32})"')
PART = re.compile("IPY_MODEL_([0-9a-f]{32})")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", number, priority=890)  # after MyST-NB's own
    app.connect("html-page-context", escape, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def number(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Number the page's widgets, and what they refer to, in its order; a number has as many digits as a name."""
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if attributes.get("type") == "application/vnd.jupyter.widget-state+json":
            data = json.loads(attributes["body"])
            state = data["state"]
            names = [name for name in dict.fromkeys(VIEW.findall(context["body"])) if name in state]
            for name in names:  # it grows
                names += [part for part in dict.fromkeys(PART.findall(json.dumps(state[name]))) if part not in names]
            names += [name for name in state if name not in names]
            attributes["body"] = json.dumps({**data, "state": {name: state[name] for name in names}})
            drawn = [name for name in names if NAME.fullmatch(name)]  # by the kernel; another's could stand anywhere
            for place, name in enumerate(drawn, 1):
                for holder in (attributes, context):
                    holder["body"] = holder["body"].replace(name, f"{place:032x}")


def escape(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write each "<" of the page's JSON, which stands in its strings alone, as JSON's escape for it."""
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if "body" in attributes and str(attributes.get("type")).endswith("+json"):
            attributes["body"] = attributes["body"].replace("<", "\\u003c")
