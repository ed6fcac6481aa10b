"""What comes with a page for its widgets stays data, whatever a reader's text or prompt holds.

MyST-NB writes the widgets' state as JSON into a ``<script>``, where it escapes ``</script>`` in this spelling alone:
``</SCRIPT>``, ``</script >`` or ``<!--`` in a string would end it early, and what follows would be markup.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("html-page-context", escape, priority=900)  # after MyST-NB's own
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def escape(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Write each "<" of the page's JSON, which stands in its strings alone, as JSON's escape for it."""
    for script in context.get("script_files", []):
        attributes = getattr(script, "attributes", {})
        if "body" in attributes and str(attributes.get("type")).endswith("+json"):
            attributes["body"] = attributes["body"].replace("<", "\\u003c")
