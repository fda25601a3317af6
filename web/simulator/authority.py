"""`python -m web.simulator.authority --port 8091 --folder DIR`: the authority a demonstration asks over HTTP.

POST /tsa   timestamps (RFC 3161)          POST /ocsp  the state of one certificate (RFC 6960)
GET  /crl   the list of revoked ones       GET  /root.crt  the authority's own certificate
GET  /      a page for people; POST /mode  makes a service silent, slow, wrong, or honest again

It works on the folder of the demonstration authority and gives nobody legal standing. Plain threads: a silent
service must be able to keep a connection open without an answer.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

from consilium.seal.policy import DEMO_ECDSA, POLICIES
from web.simulator.authority_desk import Desk
from web.simulator.authority_page import render_page
from web.simulator.modes import UnknownModeError

LOG = logging.getLogger(__name__)
PATIENCE = 120.0
LARGEST_QUERY = 64 * 1024
HUGE = 64 * 2**20
DRIP_SECONDS = 0.05
KINDS = {
    "tsa": "application/timestamp-reply",
    "ocsp": "application/ocsp-response",
    "crl": "application/pkix-crl",
}
METHODS = {"tsa": "POST", "ocsp": "POST", "crl": "GET"}
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Handler(BaseHTTPRequestHandler):
    """One request; `desk` is set on the class that `serving` makes."""

    desk: ClassVar[Desk]
    timeout = PATIENCE

    def do_GET(self) -> None:
        """A service, the page, the state or the root."""
        address = urlsplit(self.path)
        name = address.path.strip("/")
        if METHODS.get(name) == "GET":
            self._serve(name, b"")
        elif name == "root.crt":
            self._send(self.desk.authority.root, "application/pkix-cert")
        elif name == "state.json":
            self._send(json.dumps(self.desk.state()).encode(), "application/json")
        elif not name:
            language = "en" if parse_qs(address.query).get("lang") == ["en"] else "ru"
            page = render_page(self.desk.state(), language).encode()
            self._send(page, "text/html; charset=utf-8")
        else:
            self._send(b"", "text/plain", HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """A service, or a change of behaviour."""
        name = urlsplit(self.path).path.strip("/")
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > LARGEST_QUERY:
            self._send(b"", "text/plain", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return
        body = self.rfile.read(int(size))
        if METHODS.get(name) == "POST":
            self._serve(name, body)
        elif name == "mode":
            self._change(body)
        else:
            self._send(b"", "text/plain", HTTPStatus.NOT_FOUND)

    def _serve(self, service: str, query: bytes) -> None:
        desk, changed = self.desk, self.desk.changed
        with desk.lock:
            desk.asked[service] += 1
        match desk.behaviours[service].partition(":")[0]:
            case "silent":
                changed.wait(PATIENCE)
                self.close_connection = True
            case "slow":
                changed.wait(desk.slowness(service))
                self._send(desk.answer(service, query), KINDS[service])
            case "drip":
                self._drip(desk.answer(service, query), KINDS[service], changed)
            case "down":
                self._send(b"", "text/plain", HTTPStatus.SERVICE_UNAVAILABLE)
            case "garbage":
                self._send(b"<html><body>It works!</body></html>", "text/html")
            case "huge":
                self._send(bytes(HUGE), KINDS[service])
            case "redirect":
                self._send(b"", "text/plain", HTTPStatus.FOUND, {"Location": f"/{service}?again"})
            case _:
                self._send(desk.answer(service, query), KINDS[service])

    def _drip(self, content: bytes, kind: str, changed: threading.Event) -> None:
        """Byte after byte, each well before anybody's timeout for silence."""
        self._head(len(content), kind, HTTPStatus.OK, {})
        for octet in content:
            self.wfile.write(bytes([octet]))
            if changed.wait(DRIP_SECONDS):
                return

    def _change(self, body: bytes) -> None:
        """JSON {"service", "behaviour"} from tests, a form from the page. Foreign pages are refused."""
        origin = self.headers.get("Origin")
        if origin and urlsplit(origin).netloc != self.headers.get("Host"):
            self._send(b"bad_origin", "text/plain", HTTPStatus.FORBIDDEN)
            return
        form = self.headers.get("Content-Type", "").partition(";")[0] != "application/json"
        try:
            given = (
                {name: one[0] for name, one in parse_qs(body.decode()).items()} if form else json.loads(body)
            )
            self.desk.behave(str(given["service"]), str(given["behaviour"]))
        except (UnknownModeError, ValueError, KeyError, TypeError) as refused:
            self._send(str(refused).encode(), "text/plain", HTTPStatus.UNPROCESSABLE_ENTITY)
            return
        if form:
            self._send(b"", "text/plain", HTTPStatus.SEE_OTHER, {"Location": "/"})
        else:
            self._send(json.dumps(self.desk.state()).encode(), "application/json")

    def _send(
        self,
        content: bytes,
        kind: str,
        status: HTTPStatus = HTTPStatus.OK,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._head(len(content), kind, status, headers or {})
        self.wfile.write(content)

    def _head(self, size: int, kind: str, status: HTTPStatus, headers: dict[str, str]) -> None:
        self.send_response(status)
        given = {"Content-Type": kind, "Content-Length": str(size), **SECURITY_HEADERS, **headers}
        for name, value in given.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # the library's own name
        """Into our log, not on standard error."""
        LOG.debug(format, *args)


class Server(ThreadingHTTPServer):
    """Threads that do not keep the process alive; a peer that hangs up is nobody's fault."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client may go away at any moment; anything else is worth a look."""
        LOG.info("authority.broken_off", exc_info=sys.exc_info())


@contextmanager
def serving(desk: Desk, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve from threads until the block ends; gives the base address."""
    server = Server((host, port), type("DeskHandler", (Handler,), {"desk": desk}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        desk.behave("all", "ok")
        server.shutdown()
        server.server_close()
        thread.join()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(
        prog="python -m web.simulator.authority", description="An authority that can misbehave."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--folder", type=Path, required=True, help="folder of the demonstration authority")
    parser.add_argument(
        "--policy", choices=sorted(POLICIES), default=DEMO_ECDSA.id, help="the product's signature policy"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    with serving(Desk.open(options.folder, options.policy), options.host, options.port):
        LOG.info("authority.ready")
        ending.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
