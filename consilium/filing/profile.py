"""Names and addresses of a registry's messages, as data.

No WSDL of РЭМД and no description of a regional proxy is published. What is here follows what was seen in the messages
of systems that speak to them (regulation 5.1, 5.2): operations, element names, the callback's namespace are known,
the actions and the namespace of the file request are inference. An operator who has the real description writes the
differences into a JSON file (CONSILIUM_REGISTRY_PROFILE), for instance

    {"client": "…", "names": {"localUid": "LocalUid"}, "operations": {"registerDocument": {"action": "urn:…"}}}

Names are ours on the left; whatever is not said stays as it is here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from consilium.filing.port import FilingError

SERVICE = "http://egisz.rosminzdrav.ru/iehr/emdr/service/"
CALLBACK = "http://egisz.rosminzdrav.ru/iehr/emdr/callback/"
MAX_PROFILE_BYTES = 256 * 1024


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message: the element in the body and the WS-Addressing action."""

    element: str
    namespace: str
    action: str


def _operation(element: str, namespace: str) -> Operation:
    return Operation(element, namespace, namespace + element)


OPERATIONS = {
    one.element: one
    for one in (
        _operation("registerDocument", SERVICE),
        _operation("registerDocumentResponse", SERVICE),
        _operation("searchRegistryItem", SERVICE),
        _operation("searchRegistryItemResponse", SERVICE),
        _operation("getDocumentFile", CALLBACK),
        _operation("getDocumentFileResponse", CALLBACK),
        _operation("sendRegisterDocumentResult", CALLBACK),
        _operation("sendRegisterDocumentResultResponse", CALLBACK),
    )
}


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How messages look. `client` is the system's id with the ИПС, `to` its wsa:To (empty: the address itself)."""

    client: str = ""
    to: str = ""
    path: str = "/soap"
    soap: str = "http://www.w3.org/2003/05/soap-envelope"
    addressing: str = "http://www.w3.org/2005/08/addressing"
    transport: str = "http://egisz.rosminzdrav.ru"
    operations: dict[str, Operation] = msgspec.field(default_factory=lambda: dict(OPERATIONS))
    names: dict[str, str] = {}
    proxy_path: str = "/api/smd"
    vmcl: tuple[int, ...] = (99,)  # 99: for the registry alone, no ВИМИС

    def operation_of(self, namespace: str, element: str) -> str | None:
        """Our name of a body's element; None for one that is not ours."""
        for name, one in self.operations.items():
            if (one.namespace, one.element) == (namespace, element):
                return name
        return None


def load(path: Path | None) -> Profile:
    """The defaults with the file's differences. Raises FilingError("registry_profile")."""
    if path is None:
        return Profile()
    try:
        data = path.read_bytes()
        if len(data) > MAX_PROFILE_BYTES:
            raise ValueError("too large")
        given = msgspec.json.decode(data, type=dict[str, Any])
        return msgspec.convert(_merged(given), Profile)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise FilingError(f"The registry's profile cannot be used: {error}", "registry_profile") from error


def _merged(given: dict[str, Any]) -> dict[str, Any]:
    """Only the parts of an operation that differ need be named."""
    known = msgspec.to_builtins(OPERATIONS)
    changes = msgspec.convert(given.get("operations", {}), dict[str, dict[str, str]])
    if unknown := set(changes) - set(known):
        raise ValueError(f"no such operation: {', '.join(sorted(unknown))}")
    merged = {name: {**one, **changes.get(name, {})} for name, one in known.items()}
    return {**given, "operations": merged}
