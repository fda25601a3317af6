"""What a media worker says of itself, asked once over its control channel by whoever is no signaling server.

The wire is media/control.py's: one JSON message a line, `hello {key?}` first. Blocking; for a command and a page.
"""

import json
import socket
from pathlib import Path
from typing import Any

WITHIN = 2.0
LONGEST = 256 * 1024


class NoAnswer(Exception):
    """Nobody answers at the address, or not as a worker; the text is short and technical."""


def introduction(address: str, key_file: Path | None) -> dict[str, Any]:
    """The fields of the worker's `hello`: worker, boot, pid, forwarder, realtime, capacity, draining, rooms …

    Raises NoAnswer.
    """
    try:
        hello: dict[str, Any] = {"id": 1, "op": "hello"}
        if key_file is not None:
            hello["key"] = key_file.read_text().strip()
        with _dialled(address) as line:
            line.sendall(json.dumps(hello).encode() + b"\n")
            answer = json.loads(line.makefile("rb").readline(LONGEST))
    except (OSError, ValueError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error
    if not isinstance(answer, dict) or answer.get("ok") is not True:
        refusal = answer.get("error", {}) if isinstance(answer, dict) else {}
        raise NoAnswer(str(refusal.get("code", "no hello")))
    return answer


def _dialled(address: str) -> socket.socket:
    kind, _, place = address.partition(":")
    if kind == "unix":
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(WITHIN)
        try:
            line.connect(place)
        except OSError:
            line.close()
            raise
        return line
    host, _, port = place.rpartition(":")
    return socket.create_connection((host.strip("[]"), int(port)), WITHIN)
