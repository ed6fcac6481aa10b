"""Serves the built site over HTTP to this machine's browsers only: its files, and nothing else."""

from __future__ import annotations

import os
import re
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class SiteServer(ThreadingHTTPServer):
    """A server of the site's files at 127.0.0.1. Raises OSError if the port is not available."""

    def __init__(self, site: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), partial(_Handler, directory=str(site)))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a reader disconnects before everything is sent."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(SimpleHTTPRequestHandler):
    server: SiteServer

    def send_head(self) -> Any:
        """Refuse requests under another site's host name (DNS rebinding), and files outside the site."""
        # Any port: a tunnel such as SSH's may use another port at its other end.
        if not re.fullmatch(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", self.headers.get("Host", ""), re.IGNORECASE):
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, f"This is http://127.0.0.1:{self.server.server_port}/ only")
            return None
        site = os.path.realpath(self.directory)
        try:
            inside = os.path.commonpath([site, os.path.realpath(self.translate_path(self.path))]) == site
        except ValueError:  # such as a zero byte
            inside = False
        if not inside:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """A folder without an index.html is not shown."""
        self.send_error(HTTPStatus.NOT_FOUND)
