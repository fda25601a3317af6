"""SOAP 1.2 with WS-Addressing, written and read strictly: one message in the body, every name from the profile.

Lists are elements with `item` children; what is absent is left out. Whatever arrives is hostile: it passes the gate of
`documents.validate` (no DOCTYPE, no entities, bounded size, depth and nodes) and must have exactly the declared shape.
WS-Security (the ИПС's signed headers, with GOST) is not made here: a gateway of the operator adds and checks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
from lxml import etree

from consilium.documents.validate import parse_xml
from consilium.errors import Invalid
from consilium.filing.profile import Profile
from consilium.filing.wire import WireError

CONTENT_TYPE = "application/soap+xml; charset=utf-8"
ITEM = "item"
MAX_FILE_ENVELOPE = 12 * 1024 * 1024
_Message = TypeVar("_Message", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """WS-Addressing of one message; ids are `urn:uuid:` addresses on the wire and plain here."""

    to: str
    message_id: str = ""
    relates_to: str = ""
    reply_to: str = ""
    client: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What was read: our name of the operation, its header and the body as plain values."""

    operation: str
    header: Header
    body: Any


class Fault(WireError):
    """The other side answered with a fault; `receiver`: it is its own, and may pass."""

    code = "registry_fault"

    def __init__(self, message: str, *, receiver: bool) -> None:
        super().__init__(message)
        self.receiver = receiver


def new_id() -> str:
    """An id for a message of ours."""
    return str(uuid4())


def write(profile: Profile, operation: str, header: Header, message: msgspec.Struct) -> bytes:
    """One envelope as UTF-8 XML."""
    what = profile.operations[operation]
    names = {"env": profile.soap, "wsa": profile.addressing}
    envelope = etree.Element(etree.QName(profile.soap, "Envelope"), nsmap=names)
    _write_header(
        etree.SubElement(envelope, etree.QName(profile.soap, "Header")), profile, what.action, header
    )
    body = etree.SubElement(envelope, etree.QName(profile.soap, "Body"))
    root = etree.SubElement(body, etree.QName(what.namespace, what.element), nsmap={"m": what.namespace})
    _fill(root, msgspec.to_builtins(message), what.namespace, profile.names)
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def write_fault(profile: Profile, reason: str, *, receiver: bool) -> bytes:
    """A fault of ours, with a sentence that says nothing about anybody."""
    envelope = etree.Element(etree.QName(profile.soap, "Envelope"), nsmap={"env": profile.soap})
    body = etree.SubElement(envelope, etree.QName(profile.soap, "Body"))
    fault = etree.SubElement(body, etree.QName(profile.soap, "Fault"))
    code = etree.SubElement(fault, etree.QName(profile.soap, "Code"))
    etree.SubElement(
        code, etree.QName(profile.soap, "Value")
    ).text = f"env:{'Receiver' if receiver else 'Sender'}"
    words = etree.SubElement(fault, etree.QName(profile.soap, "Reason"))
    etree.SubElement(words, etree.QName(profile.soap, "Text")).text = reason
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def _write_header(header: etree._Element, profile: Profile, action: str, given: Header) -> None:
    def add(parent: etree._Element, namespace: str, name: str, text: str = "") -> etree._Element:
        element = etree.SubElement(parent, etree.QName(namespace, name))
        element.text = text or None
        return element

    space = profile.addressing
    if given.client:
        transport = add(header, profile.transport, "transportHeader")
        add(add(transport, profile.transport, "authInfo"), profile.transport, "clientEntityId", given.client)
    add(header, space, "To", given.to)
    add(header, space, "Action", action)
    if given.message_id:
        add(header, space, "MessageID", f"urn:uuid:{given.message_id}")
    if given.relates_to:
        add(header, space, "RelatesTo", f"urn:uuid:{given.relates_to}")
    if given.reply_to:
        for name in ("ReplyTo", "FaultTo"):
            add(add(header, space, name), space, "Address", given.reply_to)


def _fill(element: etree._Element, value: Any, namespace: str, names: dict[str, str]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if inner is None or inner == []:
                continue
            child = etree.SubElement(element, etree.QName(namespace, names.get(name, name)))
            _fill(child, inner, namespace, names)
    elif isinstance(value, list):
        for inner in value:
            item = etree.SubElement(element, etree.QName(namespace, names.get(ITEM, ITEM)))
            _fill(item, inner, namespace, names)
    else:
        element.text = str(value)


def read(data: bytes, profile: Profile, limit: int) -> Envelope:
    """A message of a known operation. Raises WireError: wire_too_large, wire_malformed; Fault for a fault."""
    if len(data) > limit:
        raise WireError("The message is too large.", "wire_too_large")
    try:
        root = parse_xml(data)
    except Invalid as refused:
        raise _malformed(refused.code) from refused
    if root.tag != f"{{{profile.soap}}}Envelope":
        raise _malformed("not an envelope")
    headers = root.findall(f"{{{profile.soap}}}Header")
    bodies = root.findall(f"{{{profile.soap}}}Body")
    if len(bodies) != 1 or len(headers) > 1 or len(bodies[0]) != 1 or len(root) != 1 + len(headers):
        raise _malformed("not one header and one body")
    message = bodies[0][0]
    if message.tag == f"{{{profile.soap}}}Fault":
        raise _fault(message, profile)
    name = _name(message)
    operation = profile.operation_of(name.namespace or "", name.localname)
    if operation is None:
        raise _malformed("an unknown operation")
    ours = {foreign: own for own, foreign in profile.names.items()}
    body = _value(message, str(name.namespace), ours)
    return Envelope(operation, _read_header(headers[0] if headers else None, profile), body)


def decode(envelope: Envelope, operation: str, kind: type[_Message]) -> _Message:
    """The body as a declared message. Raises WireError("wire_malformed")."""
    if envelope.operation != operation:
        raise _malformed(f"{envelope.operation} instead of {operation}")
    try:
        return msgspec.convert(envelope.body or {}, kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise _malformed("not of the agreed shape") from error


def _read_header(header: etree._Element | None, profile: Profile) -> Header:
    def text(path: str) -> str:
        found = header.findtext(path) if header is not None else None
        return (found or "").strip()[:600]

    space, transport = f"{{{profile.addressing}}}", f"{{{profile.transport}}}"
    return Header(
        to=text(f"{space}To"),
        message_id=text(f"{space}MessageID").removeprefix("urn:uuid:"),
        relates_to=text(f"{space}RelatesTo").removeprefix("urn:uuid:"),
        reply_to=text(f"{space}ReplyTo/{space}Address"),
        client=text(f"{transport}transportHeader/{transport}authInfo/{transport}clientEntityId"),
    )


def _name(element: etree._Element) -> etree.QName:
    try:
        return etree.QName(element)
    except ValueError:  # a comment or a processing instruction has none
        raise _malformed("something that is no element") from None


def _value(element: etree._Element, namespace: str, ours: dict[str, str]) -> Any:
    """A leaf's text, a list of items, or values by our names; anything mixed or repeated is refused."""
    if len(element) == 0:
        return element.text or ""
    if any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
        raise _malformed("mixed content")
    names = []
    for child in element:
        name = _name(child)
        if name.namespace != namespace:
            raise _malformed("a foreign element")
        names.append(ours.get(name.localname, name.localname))
    values = [_value(child, namespace, ours) for child in element]
    if set(names) == {ITEM}:
        return values
    if len(set(names)) != len(names):
        raise _malformed("a repeated element")
    return dict(zip(names, values, strict=True))


def _fault(element: etree._Element, profile: Profile) -> Fault:
    space = f"{{{profile.soap}}}"
    value = (element.findtext(f"{space}Code/{space}Value") or "").strip()
    reason = (element.findtext(f"{space}Reason/{space}Text") or "").strip()
    return Fault(reason[:500] or "a fault without a reason", receiver=value.endswith("Receiver"))


def _malformed(why: str) -> WireError:
    return WireError(f"The message is not of the agreed shape: {why}.", "wire_malformed")
