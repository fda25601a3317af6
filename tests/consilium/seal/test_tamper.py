"""Every way to change a package that is not the package any more: none of them verifies.

Positions are taken from the structure of each part, not at random alone: every class of byte of DER (identifier,
length, each kind of content), of XML and JSON (names, values, space), of PEM, and of the container (each field of each
kind of header). By default one position of each class in each file and a sample of the rest; `-m long` tries every
byte, in parts that may be run beside each other: `-m long -n 2 -k at_all`.
"""

import io
import random
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from consilium.seal import asn1, container, der, tsp, verify_package, write_package
from consilium.seal.asn1 import Node
from consilium.seal.errors import SignatureRefused
from consilium.seal.layers import named
from consilium.seal.package import read_package
from consilium.seal.tight import ORDERS, tighten
from consilium.seal.trust import certificates_from, crl_from
from tests.consilium.seal.conftest import make_world
from tests.consilium.seal.eras import EIGHTEEN, NINE, TWENTY, Ages, Era, roots, stamped

AGES = ("sealed", "twice")
# Positions of each class in each file; the package of three layers has thrice the files.
SAMPLE = {"sealed": 3, "twice": 1}
EXCHANGES = 250
# The whole of a package is too much for one test's patience; together the parts leave out no byte.
PARTS = 8


def held(ages: Ages, content: bytes, age: str = "twice") -> bool:
    known = roots(ages.world, ages.first, ages.second, ages.third)
    at = TWENTY if age == "twice" else None
    return verify_package(content, roots=known, at=at).held


def flipped(content: bytes, place: int, bit: int = 0) -> bytes:
    return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


# --- where the bytes are, by structure -------------------------------------------------------------


def der_positions(content: bytes) -> Iterator[tuple[str, int]]:
    """Every byte of a DER value as (class, position): identifier and length by tag, content by tag."""
    pending = [(asn1.read(content, 0, len(content)), 0)]
    while pending:
        node, depth = pending.pop()
        yield f"der {node.tag:02x} identifier", node.start
        for place in range(node.start + 1, node.body):
            yield f"der {node.tag:02x} length", place
        children = _children(node)
        if children:
            pending += [(child, depth + 1) for child in children]
        else:
            for place in range(node.body, node.end):
                yield f"der {node.tag:02x} content", place


def _children(node: Node) -> list[Node]:
    """Values inside; also those that an OCTET STRING or BIT STRING wraps."""
    try:
        return node.children() if node.tag & 0x20 else []
    except SignatureRefused:
        return []


def text_positions(content: bytes) -> Iterator[tuple[str, int]]:
    """Every byte of a text: markup, letters, digits, space, line ends, the rest."""
    for place, byte in enumerate(content):
        if byte in b"<>&\"'/=?!{}[]:,":
            kind = "markup"
        elif byte in b"\r\n":
            kind = "line end"
        elif byte in b" \t":
            kind = "space"
        elif 0x30 <= byte <= 0x39:
            kind = "digit"
        else:
            kind = "letter" if byte < 0x80 else "beyond ASCII"
        yield f"text {kind}", place


def zip_positions(content: bytes) -> Iterator[tuple[str, int]]:
    """Every byte of the container's own: fields of local headers, of the directory, of its end."""
    fields = (
        ("signature", 4), ("version", 2), ("flags", 2), ("method", 2), ("time", 2), ("date", 2), ("crc", 4),
        ("compressed", 4), ("size", 4), ("name length", 2), ("extra length", 2),
    )  # fmt: skip
    directory = (
        ("signature", 4), ("made by", 2), *fields[1:], ("comment length", 2), ("disk", 2), ("internal", 2),
        ("external", 4), ("offset", 4),
    )  # fmt: skip
    end = (
        ("signature", 4), ("disk", 2), ("directory disk", 2), ("entries here", 2), ("entries", 2),
        ("directory size", 4), ("directory offset", 4), ("comment length", 2),
    )  # fmt: skip
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries, start = archive.infolist(), archive.start_dir
    for entry in entries:
        yield from _fields("zip local", fields, entry.header_offset)
        name = entry.header_offset + 30
        for place in range(name, name + len(entry.filename)):
            yield "zip local name", place
    for entry in entries:
        yield from _fields("zip directory", directory, start)
        for place in range(start + 46, start + 46 + len(entry.filename)):
            yield "zip directory name", place
        start += 46 + len(entry.filename)
    yield from _fields("zip end", end, start)


def _fields(kind: str, fields: tuple[tuple[str, int], ...], start: int) -> Iterator[tuple[str, int]]:
    for name, size in fields:
        for place in range(start, start + size):
            yield f"{kind} {name}", place
        start += size


def member_positions(name: str, content: bytes) -> Iterator[tuple[str, int]]:
    if name.endswith((".sig", ".tst", ".p7s", ".ors")):
        return der_positions(content)
    return text_positions(content)


def chosen(positions: Iterator[tuple[str, int]], chance: random.Random, sample: int) -> list[tuple[str, int]]:
    """A few of each class."""
    classes: dict[str, list[int]] = {}
    for kind, place in positions:
        classes.setdefault(kind, []).append(place)
    return [
        (kind, place)
        for kind, places in classes.items()
        for place in chance.sample(places, min(sample, len(places)))
    ]


def tried_in_members(
    ages: Ages, age: str, positions: Iterable[tuple[str, str, int]], chance: random.Random
) -> tuple[Counter[str], list[str]]:
    """Change one byte of one file, pack it as the writer would, and judge: how many, and what held."""
    members = read_package(getattr(ages, age))
    tried: Counter[str] = Counter()
    accepted: list[str] = []
    for name, kind, place in positions:
        tried[f"{_part(name)}: {kind}"] += 1
        changed = flipped(members[name], place, chance.randrange(8))
        if held(ages, container.pack(members | {name: changed}), age):
            accepted.append(f"{name}[{place}] {kind}")
    return tried, accepted


def _part(name: str) -> str:
    folder, _, file = name.rpartition("/")
    return f"{folder or file.partition('.')[0]}/*{file[file.rfind('.') :]}"


@pytest.mark.parametrize("age", AGES)
def test_no_changed_byte_of_any_class_in_any_file_is_accepted(ages: Ages, age: str, record_property) -> None:
    chance = random.Random(7)
    positions = [
        (name, kind, place)
        for name, content in read_package(getattr(ages, age)).items()
        for kind, place in chosen(member_positions(name, content), chance, SAMPLE[age])
    ]
    tried, accepted = tried_in_members(ages, age, positions, chance)
    record_property("positions", sum(tried.values()))
    print(f"{age}: {sum(tried.values())} positions in {len(tried)} classes")
    assert accepted == []
    parts = {kind.partition(":")[0] for kind in tried}
    assert len(tried) > (150 if age == "twice" else 80), sorted(tried)
    wanted = {
        *("document/*.xml", "document/*.pdf", "journal/*.json", "signatures/*.sig", "dissent/*.xml"),
        *(
            "evidence/tst/*.tst",
            "evidence/certs/*.crt",
            "evidence/crl/*.crl",
            "report/*.json",
            "audit/*.jsonl",
        ),
        *("VERIFY/*.txt", "META-INF/*.xml", "META-INF/*.p7s", "META-INF/*.tst", "dissent/*.sig"),
    }
    assert wanted <= parts


@pytest.mark.parametrize("age", AGES)
def test_no_changed_byte_of_the_container_itself_is_accepted(ages: Ages, age: str) -> None:
    content, chance = getattr(ages, age), random.Random(13)
    positions = chosen(zip_positions(content), chance, 3)
    for kind, place in positions:
        for bit in (0, chance.randrange(1, 8)):
            assert not held(ages, flipped(content, place, bit), age), (kind, place)
    assert len({kind for kind, _ in positions}) == 11 + 1 + 17 + 1 + 8
    print(f"{age}: {2 * len(positions)} changes of the container")


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("part", range(PARTS))
def test_no_changed_byte_at_all_is_accepted(
    ages: Ages, age: str, part: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Every byte of every file, and every byte of the container around them; this part's of both.

    Each is refused with a code: what a parser let out would be logged.
    """
    content = getattr(ages, age)
    assert held(ages, content, age)
    positions = every_position(content)[part::PARTS]
    tried, accepted = tried_in_members(ages, age, positions, random.Random(part))
    assert sum(tried.values()) == len(positions)
    around = list(zip_positions(content))[part::PARTS]
    accepted += [f"{kind} {place}" for kind, place in around if held(ages, flipped(content, place), age)]
    print(f"{age}, part {part}: {len(positions)} bytes of files, {len(around)} of the container")
    assert accepted == []
    assert [record.exc_text for record in caplog.records] == []


@pytest.mark.parametrize("age", AGES)
def test_the_parts_of_every_byte_leave_none_out(ages: Ages, age: str) -> None:
    content = getattr(ages, age)
    around = [place for _, place in zip_positions(content)]
    inside = every_position(content)
    assert len(set(inside)) == sum(map(len, read_package(content).values()))
    assert len(set(around)) + len(inside) == len(content)


def every_position(content: bytes) -> list[tuple[str, str, int]]:
    """(file, class, position) of every byte of every file."""
    return [
        (name, kind, place)
        for name, file in read_package(content).items()
        for kind, place in member_positions(name, file)
    ]


# --- files removed, added, doubled, moved, exchanged ------------------------------------------------


@pytest.mark.parametrize("age", AGES)
def test_no_file_can_be_removed(ages: Ages, age: str) -> None:
    members = read_package(getattr(ages, age))
    for name in members:
        rest = {one: content for one, content in members.items() if one != name}
        assert not held(ages, container.pack({"mimetype": b"", **rest}), age), name
        assert not held(ages, container.pack(members | {name: b""}), age), name


@pytest.mark.parametrize("age", AGES)
def test_no_two_files_can_change_places(ages: Ages, age: str) -> None:
    members = read_package(getattr(ages, age))
    names = sorted(members)
    pairs = [
        (one, other) for one in names for other in names if one < other and members[one] != members[other]
    ]
    for one, other in random.Random(3).sample(pairs, min(EXCHANGES, len(pairs))):
        exchanged = members | {one: members[other], other: members[one]}
        assert not held(ages, container.pack(exchanged), age), (one, other)


ADDED = (
    *("signatures/03-expert.sig", "dissent/02.xml", "dissent/02.sig", "evidence/tst/03-expert.tst"),
    *(
        "evidence/certs/99-extra.crt",
        "evidence/crl/99-extra.crl",
        "evidence/ocsp/99.ors",
        "report/extra.json",
    ),
    *("evidence-001/certs/99-extra.crt", "evidence-002/crl/99-extra.crl", "evidence-003/VERIFY.txt"),
    *("META-INF/ASiCArchiveManifest003.xml", "META-INF/archive-timestamp-003.tst"),
    *("META-INF/archive-timestamp-000.tst", "evidence-000/VERIFY.txt", "evidence-099/crl/01-ca.crl"),
    *(
        "readme.txt",
        "META-INF/extra.xml",
        "document.xml.bak",
        "META-INF/signatures.xml",
        "META-INF/manifest.xml",
    ),
)


@pytest.mark.parametrize("age", AGES)
@pytest.mark.parametrize("name", ADDED)
def test_no_file_can_be_added(ages: Ages, age: str, name: str) -> None:
    members = read_package(getattr(ages, age))
    alike = [content for one, content in members.items() if one.rpartition(".")[2] == name.rpartition(".")[2]]
    for content in (b"", b"x", *alike[:3]):
        assert not held(ages, container.pack(members | {name: content}), age)


@pytest.mark.parametrize("age", AGES)
def test_nothing_of_another_honest_package_fits(ages: Ages, age: str, tmp_path: Path) -> None:
    """The same people, the same authorities, another protocol: every file of it in turn, and sets that belong together."""
    path = tmp_path / "other.asice"
    write_package(path, stamped(ages.world, ages.first, document=b"<protocol>another</protocol>"))
    other = path.read_bytes()
    if age == "twice":
        other = ages.renewed(other, ages.first, ages.second, NINE)
        other = ages.renewed(other, ages.second, ages.third, EIGHTEEN)
    assert held(ages, other, age)
    ours, theirs = read_package(getattr(ages, age)), read_package(other)
    sets = [{name} for name in ours]
    sets += [
        {name for name in ours if name.startswith(folder)}
        for folder in ("signatures/", "dissent/", "evidence/tst/", "META-INF/")
    ]
    sets += [{name for name in ours if named(name) == number} for number in (1, 2)]
    sets += [set(ours) - {"document.xml"}, {"document.xml", "META-INF/ASiCManifest.xml"}]
    tried = 0
    for names in sets:
        mixed = ours | {name: theirs[name] for name in names if name in theirs}
        if mixed not in (ours, theirs):
            assert not held(ages, container.pack(mixed), age), names
            tried += 1
    assert tried >= 20
    print(f"{age}: {tried} mixtures of two packages")


def test_a_layer_cannot_be_left_out_renumbered_or_taken_twice(ages: Ages) -> None:
    members = read_package(ages.twice)
    layers = {
        number: {name: content for name, content in members.items() if named(name) == number}
        for number in (0, 1, 2)
    }

    def renumbered(number: int, to: int) -> dict[str, bytes]:
        return {
            name.replace(f"{number:03d}", f"{to:03d}"): content for name, content in layers[number].items()
        }

    for tried in (
        layers[0] | layers[2],
        layers[0] | renumbered(2, 1),
        layers[0] | renumbered(2, 1) | renumbered(1, 2),
        members | renumbered(2, 3),
        members | renumbered(1, 3),
        {name: content for name, content in members.items() if "signature.tst" not in name},
        {name: content for name, content in layers[0].items() if "tst" not in name},
    ):
        assert not held(ages, container.pack(tried))
    assert not held(ages, ages.once), (
        "without its newest layer it is the package of year nine, and that one ended"
    )


# --- what the container could carry unseen ---------------------------------------------------------


def rewritten(
    members: dict[str, bytes], edit: Callable[[zipfile.ZipInfo], None] = lambda _: None, **more: object
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", more.get("method", zipfile.ZIP_STORED)) as archive:
        for name in more.get("order", ["mimetype", *sorted(set(members) - {"mimetype"})]):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, 0o644 << 16
            info.compress_type = more.get("method", zipfile.ZIP_STORED)
            edit(info)
            archive.writestr(info, members[name])
        archive.comment = more.get("comment", b"")
    return buffer.getvalue()


def set_to(**values: object) -> Callable[[zipfile.ZipInfo], None]:
    def edit(info: zipfile.ZipInfo) -> None:
        for name, value in values.items():
            setattr(info, name, value)

    return edit


EXTRA = struct.pack("<HH4s", 0x7075, 4, b"abcd")


@pytest.mark.parametrize("age", AGES)
def test_the_container_has_one_form(ages: Ages, age: str) -> None:
    members = read_package(getattr(ages, age))
    assert rewritten(members) == getattr(ages, age)
    names = ["mimetype", *sorted(set(members) - {"mimetype"})]
    content = getattr(ages, age)
    for changed in (
        rewritten(members, comment=b"x"),
        rewritten(members, set_to(extra=EXTRA)),
        rewritten(members, set_to(comment=b"x")),
        rewritten(members, set_to(date_time=(1980, 1, 1, 0, 0, 2))),
        rewritten(members, set_to(external_attr=0o600 << 16)),
        rewritten(members, set_to(create_system=0)),
        rewritten(members, set_to(internal_attr=1)),
        rewritten(members, method=zipfile.ZIP_DEFLATED),
        rewritten(members, order=[*names[1:], names[0]]),
        rewritten(members, order=[names[0], *reversed(names[1:])]),
        content + b"\0",
        b"\0" + content,
        content + content,
        content[:-1],
        content[: len(content) // 2],
    ):
        assert not held(ages, changed, age)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("age", AGES)
def test_no_file_can_be_there_twice(ages: Ages, age: str) -> None:
    members = read_package(getattr(ages, age))
    names = ["mimetype", *sorted(set(members) - {"mimetype"})]
    for doubled in names:
        assert not held(ages, rewritten(members, order=[*names, doubled]), age), doubled


# --- the same statement in other bytes -------------------------------------------------------------


def test_a_newest_timestamp_written_another_way_is_refused(ages: Ages) -> None:
    """What a token's signature does not cover: a second certificate, unsigned attributes, parameters, the other half."""
    members = read_package(ages.twice)
    name = "META-INF/archive-timestamp-002.tst"
    token = members[name]
    read = tsp.read_token(token)
    forms = {
        "another certificate beside it": token_with(
            read, certificates=[ages.third.certificate, ages.third.root]
        ),
        "unsigned attributes": token_with(read, certificates=[ages.third.certificate], unsigned=True),
        "NULL parameters": token_with(read, certificates=[ages.third.certificate], null=True),
        "the other half of the pair": token_with(read, certificates=[ages.third.certificate], mirrored=True),
    }
    for form, written in forms.items():
        assert written != token, form
        assert tighten(written) == token, form
        assert not held(ages, container.pack(members | {name: written})), form


def token_with(
    read: tsp.Token,
    *,
    certificates: list[bytes],
    unsigned: bool = False,
    null: bool = False,
    mirrored: bool = False,
) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    first, second = decode_dss_signature(read.signature)
    if mirrored:
        second = ORDERS["secp256r1"] - second
    digest = der.sequence(der.oid(read.digest_oid), *([der.null()] if null else []))
    extra = der.tlv(0xA1, der.sequence(der.oid("1.2.3"), der.set_of([der.null()]))) if unsigned else b""
    signer = der.sequence(
        der.integer(1),
        der.sequence(read.issuer, der.integer(read.serial)),
        digest,
        b"\xa0" + read.attributes[1:],
        der.sequence(der.oid(read.signature_oid)),
        der.octets(der.sequence(der.integer(first), der.integer(second))),
        extra,
    )
    body = der.sequence(
        der.integer(3),
        der.set_of([digest]),
        der.sequence(der.oid(tsp.OIDS["tst_info"]), der.context(0, der.octets(read.content))),
        der.context(0, b"".join(certificates)),
        der.tlv(0x31, signer),
    )
    return der.sequence(der.oid(tsp.OIDS["signed_data"]), der.context(0, body))


# --- a forger with keys of his own -----------------------------------------------------------------


def test_a_layer_by_an_authority_nobody_trusts_is_refused(ages: Ages) -> None:
    """He may add a whole layer, but not one that a trusted authority did not stamp."""
    forger = replace(Era.make(EIGHTEEN), now=EIGHTEEN)
    name = "META-INF/archive-timestamp-002.tst"
    members = read_package(ages.twice)
    forged = tighten(forger.stamp(members["META-INF/ASiCArchiveManifest002.xml"], "sha512"))
    assert not held(ages, container.pack(members | {name: forged}))


def test_another_world_under_the_same_names_is_refused(ages: Ages, tmp_path: Path) -> None:
    world, era = make_world(tmp_path / "authority"), Era.make(ages.first.since)
    path = tmp_path / "other.asice"
    write_package(path, stamped(world, era))
    assert verify_package(path).held, "it agrees with itself"
    assert not held(ages, path.read_bytes(), "sealed")


def test_evidence_in_other_bytes_is_refused_even_when_it_says_the_same(ages: Ages) -> None:
    """PEM leaves room: line lengths, text around it. The manifest leaves none."""
    members = read_package(ages.twice)
    for name, content in members.items():
        if name.endswith((".crt", ".crl")):
            assert not held(ages, container.pack(members | {name: b"text\n" + content})), name
            assert not held(ages, container.pack(members | {name: content + b"\n"})), name
            bare = next(certificates_from(content)) if name.endswith(".crt") else crl_from(content)
            assert not held(ages, container.pack(members | {name: bare})), name
