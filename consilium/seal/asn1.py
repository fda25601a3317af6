"""Read DER strictly: bounds first, then values, and nothing that could be written two ways.

`scan` walks a whole file before anything is interpreted: size, depth and number of values are bounded, lengths
are definite and shortest, no byte is left over. After it `Node` and `Fields` read known shapes. Every
failure is `SignatureRefused`; no other exception leaves this module.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from consilium.seal import der
from consilium.seal.errors import SignatureRefused

__all__ = ["Fields", "Limits", "Node", "definite", "read", "scan"]

SEQUENCE, SET, INTEGER, OCTETS, NULL, OID, UTC_TIME, GENERAL_TIME = 0x30, 0x31, 2, 4, 5, 6, 0x17, 0x18
CONSTRUCTED_ONLY = {0x08, 0x0B, 0x10, 0x11}
MAX_LENGTH_OCTETS = 4
MOST_CHILDREN = 50_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost before anyone looks inside: bytes, nesting, number of values."""

    size: int
    depth: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Node:
    """One value in place: identifier octet, and where its header, content and end lie in ``data``."""

    data: bytes
    tag: int
    start: int
    body: int
    end: int

    @property
    def raw(self) -> bytes:
        """The value with its header."""
        return self.data[self.start : self.end]

    @property
    def content(self) -> bytes:
        """The value without its header."""
        return self.data[self.body : self.end]

    def children(self) -> list["Node"]:
        """The values inside a constructed value; TOO_DEEP for more than anybody writes, before they cost memory."""
        found = list(islice(_siblings(self.data, self.body, self.end), MOST_CHILDREN + 1))
        if len(found) > MOST_CHILDREN:
            raise SignatureRefused("TOO_DEEP")
        return found

    def integer(self) -> int:
        """INTEGER in its shortest form."""
        content = self.expect(INTEGER).content
        redundant = len(content) > 1 and (content[0], content[1] >> 7) in ((0, 0), (0xFF, 1))
        if not content or redundant:
            raise SignatureRefused("NOT_DER")
        return int.from_bytes(content, "big", signed=True)

    def oid(self) -> str:
        """OBJECT IDENTIFIER in dotted form."""
        return _dotted(self.expect(OID).content)

    def time(self) -> datetime:
        """UTCTime or GeneralizedTime in the one form RFC 5652 11.3 allows."""
        form = {UTC_TIME: "%y%m%d%H%M%SZ", GENERAL_TIME: "%Y%m%d%H%M%SZ"}.get(self.tag)
        size = {UTC_TIME: 13, GENERAL_TIME: 15}.get(self.tag)
        text = self.content.decode("ascii", "replace")
        if form is None or len(text) != size or not text[:-1].isdecimal():
            raise SignatureRefused("NOT_DER")
        return _moment(text, form, self.tag)

    def expect(self, tag: int) -> "Node":
        """This node, if it is of the wanted type."""
        if self.tag != tag:
            raise SignatureRefused("FORMAT", what=f"tag {self.tag:02x} where {tag:02x} belongs")
        return self


class Fields:
    """The fields of one constructed value, taken in order; `end` says that none may be left."""

    def __init__(self, node: Node, tag: int = SEQUENCE) -> None:
        self._left = node.expect(tag).children()

    def take(self, tag: int | None = None) -> Node:
        """The next field, of that type."""
        if not self._left:
            raise SignatureRefused("FORMAT", what="a field is missing")
        node = self._left.pop(0)
        return node if tag is None else node.expect(tag)

    def maybe(self, tag: int) -> Node | None:
        """The next field if it is of that type."""
        return self._left.pop(0) if self._left and self._left[0].tag == tag else None

    def end(self) -> None:
        """Refuse fields nobody asked for."""
        if self._left:
            raise SignatureRefused("FORMAT", what=f"unexpected field with tag {self._left[0].tag:02x}")


def scan(data: bytes, limits: Limits, opaque: tuple[int, int] = (0, 0)) -> Node:
    """Check a whole file against the limits and DER's length rules; the outermost value.

    ``opaque`` is a place that is not looked into: values of this tag inside values of this depth (the outermost
    has depth 1). They are somebody else's to read, and may hold a revocation list of a hundred thousand entries.
    """
    if not data:
        raise SignatureRefused("EMPTY")
    if len(data) > limits.size:
        raise SignatureRefused("TOO_LARGE", size=len(data), limit=limits.size)
    if data[0] != SEQUENCE:
        raise SignatureRefused("NOT_CMS")
    top = read(data, 0, len(data))
    if top.end != len(data):
        raise SignatureRefused("TRAILING_DATA")
    _walk(top, limits, opaque)
    return top


def definite(data: bytes, limits: Limits, depth: int) -> bytes:
    """The file with indefinite lengths (BER) of its outer ``depth`` levels made definite; for reading alone.

    What lies deeper stays as it is, octet for octet, and must have definite lengths.
    """
    if len(data) > limits.size:
        raise SignatureRefused("TOO_LARGE", size=len(data), limit=limits.size)
    if data[:1] != b"\x30" or data[1:2] != b"\x80":
        return data
    content, end = _definite(data, 0, depth)
    if end != len(data):
        raise SignatureRefused("TRAILING_DATA")
    return content


def _definite(data: bytes, start: int, depth: int) -> tuple[bytes, int]:
    """One value with definite lengths, and where it ends in ``data``."""
    indefinite = data[start + 1 : start + 2] == b"\x80" and data[start] & 0x20
    if not indefinite or not depth:
        node = read(data, start, len(data))
        return node.raw, node.end
    parts, place = [], start + 2
    while data[place : place + 2] != b"\0\0":
        if place >= len(data):
            raise SignatureRefused("TRUNCATED")
        part, place = _definite(data, place, depth - 1)
        parts.append(part)
    return der.tlv(data[start], b"".join(parts)), place + 2


def _walk(top: Node, limits: Limits, opaque: tuple[int, int]) -> None:
    pending, seen = [(top, 1)], 0
    while pending:
        node, depth = pending.pop()
        for child in _siblings(node.data, node.body, node.end):
            seen += 1
            if seen > limits.nodes or depth >= limits.depth:
                raise SignatureRefused("TOO_DEEP")
            if child.tag & 0x20 and (depth, child.tag) != opaque:
                pending.append((child, depth + 1))


def read(data: bytes, start: int, end: int) -> Node:
    """The one value that begins at ``start`` and must lie within ``end``."""
    if start + 2 > end:
        raise SignatureRefused("TRUNCATED")
    tag, length, body = data[start], data[start + 1], start + 2
    if tag & 0x1F == 0x1F or tag in (0, 0x20):
        raise SignatureRefused("NOT_DER")
    if length & 0x80:
        length, body = _long_length(data, body, length & 0x7F, end)
    if body + length > end:
        raise SignatureRefused("TRUNCATED")
    _check_form(tag)
    return Node(data, tag, start, body, body + length)


def _long_length(data: bytes, body: int, count: int, end: int) -> tuple[int, int]:
    if count == 0:
        raise SignatureRefused("BER_INDEFINITE")
    if body + count > end or count > MAX_LENGTH_OCTETS:
        raise SignatureRefused("TRUNCATED")
    length = int.from_bytes(data[body : body + count], "big")
    if length < 0x80 or data[body] == 0:
        raise SignatureRefused("NOT_DER")
    return length, body + count


def _check_form(tag: int) -> None:
    universal = tag < 0x40
    if universal and bool(tag & 0x20) != (tag & 0x1F in CONSTRUCTED_ONLY):
        raise SignatureRefused("NOT_DER")


def _siblings(data: bytes, start: int, end: int) -> Iterator[Node]:
    while start < end:
        node = read(data, start, end)
        yield node
        start = node.end


def _dotted(content: bytes) -> str:
    arcs, value, fresh = [], 0, True
    for octet in content:
        if fresh and octet == 0x80:
            raise SignatureRefused("NOT_DER")
        value, fresh = value << 7 | octet & 0x7F, octet < 0x80
        if fresh:
            arcs.append(value)
            value = 0
    if not arcs or not fresh or len(content) > 64:
        raise SignatureRefused("NOT_DER")
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _moment(text: str, form: str, tag: int) -> datetime:
    try:
        moment = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError as error:
        raise SignatureRefused("NOT_DER") from error
    # strptime reads 69..99 as 19xx and the rest as 20xx; RFC 5280 4.1.2.5.1 divides at 50.
    if tag == UTC_TIME and moment.year >= 2050:
        moment = moment.replace(year=moment.year - 100)
    return moment
