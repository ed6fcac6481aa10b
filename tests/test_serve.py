"""The site over HTTP: its own files to this machine, and not a word of readers who leave."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import eventually

from rnnreport.serve import SiteServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SiteServer]:
    """A site of two folders behind a link, as a `_build` on another disk; a secret beside it, and links out of it."""
    site, secret = tmp_path / "disk" / "html", tmp_path / "disk" / "html-secret"
    for folder in (site / "book", site / "_static", secret):
        folder.mkdir(parents=True)
    for page in (site / "index.html", site / "book" / "index.html", site / "_static" / "style.css", secret / "file"):
        page.write_text(page.parent.name)
    (site / "large.bin").write_bytes(bytes(20_000_000))
    (site / "out").symlink_to(secret)
    (site / "out.txt").symlink_to(secret / "file")
    (site / "again.html").symlink_to(site / "index.html")
    (tmp_path / "html").symlink_to(site)
    with SiteServer(tmp_path / "html", 0) as started:
        thread = threading.Thread(target=started.serve_forever, args=[0.01])
        thread.start()
        yield started
        started.shutdown()
        thread.join()


def asked(server: SiteServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    """The status and the text of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("path", "text"),
    [("/", "html"), ("/book/", "book"), ("/_static/style.css?v=1", "_static"), ("/again.html#top", "html")],
)
def test_the_sites_files_are_served(path: str, text: str, server: SiteServer) -> None:
    assert asked(server, path) == (200, text)
    for host in (f"LocalHost:{server.server_port}", "localhost:9000", "127.0.0.1", "[::1]:9000"):  # of a tunnel, too
        assert asked(server, path, Host=host) == (200, text)


@pytest.mark.parametrize(
    "path",
    [
        *("/_static/", "/out/", "/out/file", "/out.txt", "/no", "/%00", "//etc/passwd", "/..%2fhtml-secret%2ffile"),
        *("/../html-secret/file", "/%2e%2e/html-secret/file", "/book/../../html-secret/file"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_listing_and_nothing_from_outside_of_the_site(path: str, method: str, server: SiteServer) -> None:
    status, text = asked(server, path, method)
    assert status == 404
    assert "secret" not in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{}", "127.0.0.1.x:{}", "localhost@x", ""])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_another_sites_name_is_refused(host: str, method: str, server: SiteServer) -> None:
    assert asked(server, "/", method, Host=host.format(server.server_port))[0] == 421


def test_only_this_machine_is_served(server: SiteServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_a_reader_who_leaves_in_mid_page_is_not_told_of(server: SiteServer, capfd: pytest.CaptureFixture[str]) -> None:
    others = threading.active_count()
    for _ in range(3):
        reader = socket.create_connection(("127.0.0.1", server.server_port))
        reader.sendall(f"GET /large.bin HTTP/1.1\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n".encode())
        reader.recv(1000)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        reader.close()
    eventually(lambda: threading.active_count() <= others)
    assert "Traceback" not in capfd.readouterr().err
    assert asked(server, "/") == (200, "html")


def test_a_fault_of_the_server_itself_is_still_told(server: SiteServer, capsys: pytest.CaptureFixture[str]) -> None:
    for error, told in ((ZeroDivisionError("own"), True), (BrokenPipeError(), False), (ConnectionResetError(), False)):
        try:
            raise error
        except Exception:
            server.handle_error(None, ("127.0.0.1", 1))
        assert ("Traceback" in capsys.readouterr().err) == told
