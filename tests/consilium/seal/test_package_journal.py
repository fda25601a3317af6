"""The journal inside a package: recomputed, and held against the document, the signatures and the votes."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consilium.seal import PackageContents, verify_package, write_package
from consilium.seal.errors import PackageRefused
from consilium.seal.history import JOURNAL, history_of, require_one_past
from consilium.seal.report import report_json
from tests.consilium.seal import chains
from tests.consilium.seal.conftest import AT, DOCUMENT, World
from tests.consilium.seal.old_package import old_package

Rows = list[dict[str, Any]]


def rows_of(world: World) -> Rows:
    return [json.loads(line) for line in world.contents().audit.splitlines()]


def place(rows: Rows, name: str, which: int = 0) -> int:
    return [number for number, row in enumerate(rows) if row["name"] == name][which]


def refusal(content: bytes) -> str:
    with pytest.raises(PackageRefused) as refused:
        history_of(content)
    return refused.value.code


def rehashed(rows: Rows) -> Rows:
    """What somebody can do who knows how the chain is made: every hash made anew."""
    heads: dict[str, str] = {}
    for row in rows:
        if row["payload"] is not None:
            row["payload_digest"] = hashlib.sha256(row["payload"].encode()).hexdigest()
        row["prev_hash"] = heads.get(row["stream_id"], chains.GENESIS)
        timed = row | {"at": datetime.fromisoformat(row["at"])}
        row["hash"] = heads[row["stream_id"]] = chains.row_hash(timed)
    return rows


def packed(world: World, tmp_path: Path, audit: bytes, contents: PackageContents | None = None) -> str:
    """What `verify` says of the journal of a package that is sealed honestly around these lines."""
    path = tmp_path / "p.asice"
    write_package(path, replace(contents or world.contents(), audit=audit))
    report = verify_package(path, roots=world.trust)
    found = {one.name: one.code for one in report.verdicts}
    assert report.held == (found[JOURNAL] == "JOURNAL_OK")
    assert {name for name, code in found.items() if code.startswith("JOURNAL")} == {JOURNAL}
    return found[JOURNAL]


# --- the honest one ---------------------------------------------------------------------------------


def test_an_honest_journal_is_recomputed_and_its_heads_are_told(world: World, tmp_path: Path) -> None:
    path = tmp_path / "p.asice"
    contents = world.contents()
    write_package(path, contents)
    report = verify_package(path, roots=world.trust)
    rows = [json.loads(line) for line in contents.audit.splitlines()]
    told = json.loads(report_json(report))["journal"]
    last = {row["stream_kind"]: row for row in rows}
    assert {one["kind"]: (one["rows"], one["hash"]) for one in told} == {
        kind: (row["seq"], row["hash"]) for kind, row in last.items()
    }
    verdict = next(one for one in report.verdicts if one.kind == "journal")
    assert (verdict.code, verdict.held) == ("JOURNAL_OK", True)
    assert f"записей {len(rows)}" in verdict.ru


def test_the_first_layouts_journal_is_recomputed_too(world: World) -> None:
    report = verify_package(old_package(world), roots=world.trust)
    assert [one.code for one in report.verdicts if one.kind == "journal"] == ["JOURNAL_OK"]


def test_a_withheld_payload_leaves_its_digest_and_the_chain_holds(world: World) -> None:
    rows = rows_of(world)
    rows[place(rows, "CaseDecided")]["payload"] = None
    assert history_of(chains.written(rows)).rows == len(rows)


# --- the arithmetic, one lie each -----------------------------------------------------------------


def without(name: str) -> Callable[[Rows], None]:
    return lambda rows: rows.__delitem__(place(rows, name))


def put(name: str, field: str, value: object) -> Callable[[Rows], None]:
    return lambda rows: rows[place(rows, name)].__setitem__(field, value)


def swapped(rows: Rows) -> None:
    one = place(rows, "VoteCast")
    rows[one], rows[one + 1] = rows[one + 1], rows[one]


def doubled(rows: Rows) -> None:
    rows.insert(place(rows, "VoteCast"), dict(rows[place(rows, "VoteCast")]))


def of_another_stream(rows: Rows) -> None:
    """An event moved from the meeting's chain into the case's, with the number that fits there."""
    row = rows[place(rows, "VoteCast")] | {"stream_kind": "case", "stream_id": chains.named("case"), "seq": 3}
    rows.insert(place(rows, "CaseDecided") + 1, row)


EDITS: dict[str, tuple[Callable[[Rows], None], str]] = {
    "an event left out": (without("VoteCast"), "JOURNAL_NUMBER"),
    "the first event left out": (without("RequestCreated"), "JOURNAL_NUMBER"),
    "two events exchanged": (swapped, "JOURNAL_NUMBER"),
    "an event twice": (doubled, "JOURNAL_NUMBER"),
    "an event of another chain": (of_another_stream, "JOURNAL_CHAIN"),
    "another predecessor": (put("VoteClosed", "prev_hash", "0" * 64), "JOURNAL_CHAIN"),
    "another hash": (put("VoteClosed", "hash", "0" * 64), "JOURNAL_HASH"),
    "another name": (put("VoteClosed", "name", "VoteOpened"), "JOURNAL_HASH"),
    "another actor": (put("VoteCast", "actor_id", chains.named("stranger")), "JOURNAL_HASH"),
    "another command": (put("VoteCast", "command_id", None), "JOURNAL_HASH"),
    "another organisation": (put("VoteCast", "organisation_id", "1"), "JOURNAL_HASH"),
    "another moment": (put("VoteCast", "at", "2026-11-23T09:25:15.003001Z"), "JOURNAL_HASH"),
    "no moment": (put("VoteCast", "at", "yesterday"), "JOURNAL_TIME"),
    "a moment without a zone": (put("VoteCast", "at", "2026-11-23T09:25:15.003000"), "JOURNAL_TIME"),
    "other words": (put("VoteCast", "payload", '{"choice":"against"}'), "JOURNAL_PAYLOAD"),
    "no words": (put("VoteCast", "payload", ""), "JOURNAL_PAYLOAD"),
    "another digest of the words": (put("VoteCast", "payload_digest", "0" * 64), "JOURNAL_HASH"),
    "a number that is none": (put("VoteCast", "seq", "2"), "JOURNAL_FORMAT"),
    "a number that is a truth": (put("RequestCreated", "seq", True), "JOURNAL_FORMAT"),
    "a field too many": (put("VoteCast", "note", ""), "JOURNAL_FORMAT"),
    "a hash that is nothing": (put("VoteCast", "hash", None), "JOURNAL_FORMAT"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_journal_is_refused_by_name(world: World, tmp_path: Path, case: str) -> None:
    edit, code = EDITS[case]
    rows = rows_of(world)
    edit(rows)
    content = chains.written(rows)
    assert refusal(content) == code
    assert packed(world, tmp_path, content) == code


LINES = {
    "nothing": b"",
    "an empty line": b"\n",
    "not JSON": b"{\n",
    "a list": b"[]\n",
    "a number": b"7\n",
    "deep": b"[" * 100_000 + b"\n",
    "another alphabet": '{"seq":1}\n'.encode("utf-16"),
    "no UTF-8": b'{"seq":"\xff"}\n',
    "half a letter": b'{"seq":"\\ud800"}\n',
    "a long number": b'{"seq":' + b"9" * 100_000 + b"}\n",
}


@pytest.mark.parametrize("case", LINES)
def test_rubbish_is_a_refusal_and_no_exception(world: World, tmp_path: Path, case: str) -> None:
    expected = "JOURNAL_FORMAT" if LINES[case] else "JOURNAL_CUT"
    assert refusal(LINES[case]) == expected
    if LINES[case]:
        assert packed(world, tmp_path, LINES[case]) == expected


def test_a_line_has_one_spelling(world: World) -> None:
    first, rest = world.contents().audit.split(b"\n", 1)
    spelled = {
        "a space": first.replace(b":", b": ", 1),
        "a name twice": first.replace(b'{"organisation_id"', b'{"seq":1,"organisation_id"'),
        "escaped": first.replace(b"case", b"c\\u0061se"),
        "carriage return": first + b"\r",
        "list of pairs": json.dumps([[key, value] for key, value in json.loads(first).items()]).encode(),
    }
    for case, line in spelled.items():
        assert refusal(line + b"\n" + rest) == "JOURNAL_FORMAT", case
    assert refusal(world.contents().audit.removesuffix(b"\n")) == "JOURNAL_FORMAT"


# --- by one who makes every hash anew -------------------------------------------------------------


def test_time_does_not_run_backwards(world: World, tmp_path: Path) -> None:
    rows = rows_of(world)
    rows[place(rows, "VoteClosed")]["at"] = (AT - timedelta(days=1)).isoformat()
    assert packed(world, tmp_path, chains.written(rehashed(rows))) == "JOURNAL_TIME"


@pytest.mark.parametrize("lost", ["SigningCompleted", "protocol", "case and meeting", "everything"])
def test_a_journal_cut_short_or_of_something_else_is_refused(world: World, tmp_path: Path, lost: str) -> None:
    rows = rows_of(world)
    kept = {
        "SigningCompleted": rows[:-1],
        "protocol": [row for row in rows if row["stream_kind"] != "protocol"],
        "everything": [],
        # A referral has no meeting, and the chain of the paper is enough.
        "case and meeting": [row for row in rows if row["stream_kind"] == "protocol"],
    }[lost]
    said = packed(world, tmp_path, chains.written(kept))
    assert said == ("JOURNAL_OK" if lost == "case and meeting" else "JOURNAL_CUT")


def test_two_protocols_in_one_journal_are_refused(world: World, tmp_path: Path) -> None:
    signers = (world.chair.certificate, world.member.certificate)
    second = chains.chain("protocol", chains.signing(DOCUMENT, signers), AT, "another protocol")
    audit = world.contents().audit + chains.written(second)
    assert packed(world, tmp_path, audit) == "JOURNAL_CUT"


def test_the_journal_of_another_document_is_refused(world: World, tmp_path: Path) -> None:
    other = world.contents(b"<protocol>another</protocol>").audit
    assert packed(world, tmp_path, other) == "JOURNAL_DOCUMENT"


def test_a_document_frozen_anew_is_the_last_one(world: World, tmp_path: Path) -> None:
    """The first version was reopened: its signatures fell, and whoever signed it need not sign the second."""
    stranger = world.doctor("Громов", "33445566778").certificate
    signers = (world.chair.certificate, world.member.certificate)
    again = [
        *chains.signing(b"<protocol>first</protocol>", (stranger,))[:-1],
        ("ProtocolReopened", {"version": 1}),
        *chains.signing(DOCUMENT, signers, (world.member.certificate,))[1:],
    ]
    assert packed(world, tmp_path, chains.written(chains.chain("protocol", again, AT))) == "JOURNAL_OK"
    other_way = [*again[:-1], ("ProtocolFrozen", {"digest": "0" * 64}), again[-1]]
    said = packed(world, tmp_path, chains.written(chains.chain("protocol", other_way, AT)))
    assert said == "JOURNAL_DOCUMENT"


# --- the signatures -------------------------------------------------------------------------------


def told(world: World, signers: list[bytes], dissenters: list[bytes], *more: chains.Event) -> bytes:
    events = chains.signing(DOCUMENT, signers, dissenters)
    return chains.written(chains.chain("protocol", [*events[:-1], *more, events[-1]], AT))


def test_a_signature_the_journal_does_not_know_is_refused(world: World, tmp_path: Path) -> None:
    chair, member = world.chair.certificate, world.member.certificate
    assert packed(world, tmp_path, told(world, [chair, member], [member])) == "JOURNAL_OK"
    assert packed(world, tmp_path, told(world, [chair], [member])) == "JOURNAL_SIGNATURE"
    assert packed(world, tmp_path, told(world, [chair, member], [])) == "JOURNAL_SIGNATURE"


def test_a_signature_that_the_journal_tells_of_and_that_is_not_there_is_refused(
    world: World, tmp_path: Path
) -> None:
    chair, member = world.chair.certificate, world.member.certificate
    lost = world.doctor("Громов", "33445566778").certificate
    assert packed(world, tmp_path, told(world, [chair, member, lost], [member])) == "JOURNAL_SIGNATURE"
    assert packed(world, tmp_path, told(world, [chair, member], [member, lost])) == "JOURNAL_SIGNATURE"
    lapse = ("SignatureLapsed", {"certificate_sha256": hashlib.sha256(lost).hexdigest()})
    assert packed(world, tmp_path, told(world, [chair, member, lost], [member], lapse)) == "JOURNAL_OK"


def test_a_signing_whose_words_are_withheld_proves_nothing(world: World, tmp_path: Path) -> None:
    for name in ("ProtocolFrozen", "SignatureAttached", "VoteCast", "VoteClosed"):
        rows = rows_of(world)
        rows[place(rows, name)]["payload"] = None
        assert packed(world, tmp_path, chains.written(rows)) == "JOURNAL_PAYLOAD", name


# --- the votes ------------------------------------------------------------------------------------


def voted(world: World, *choices: str, **counted: Any) -> bytes:
    votes = chains.votes(*choices, **counted)
    paper = told(world, [world.chair.certificate, world.member.certificate], [world.member.certificate])
    return chains.written(chains.chain("consilium", votes, AT)) + paper


@pytest.mark.parametrize(
    "choices, counted, recused, code",
    [
        (("for", "for", "against"), (2, 1, 0), 0, "JOURNAL_OK"),
        (("for", "for", "against"), (2, 0, 0), 0, "JOURNAL_VOTES"),
        (("for", "for", "against"), (3, 1, 0), 0, "JOURNAL_VOTES"),
        (("for", "for", "against"), (3, 0, 0), 0, "JOURNAL_VOTES"),
        (("for", "for", "against"), (2, 0, 0), 1, "JOURNAL_OK"),
        (("for", "for", "against"), (1, 0, 0), 1, "JOURNAL_VOTES"),
        (("for", "for", "against"), (1, 2, 0), 1, "JOURNAL_VOTES"),
        (("for", "perhaps"), (1, 0, 0), 1, "JOURNAL_VOTES"),
        (("for",), (1, "x", 0), 0, "JOURNAL_PAYLOAD"),
    ],
)
def test_a_closed_vote_counts_what_was_cast(
    world: World, tmp_path: Path, choices: tuple[str, ...], counted: Any, recused: int, code: str
) -> None:
    assert packed(world, tmp_path, voted(world, *choices, counted=counted, recused=recused)) == code


def test_a_recusal_of_before_the_vote_takes_no_vote_from_it(world: World, tmp_path: Path) -> None:
    earlier = chains.votes("for", recused=1)
    events = [*earlier, *chains.votes("for", "against", counted=(1, 0, 0))]
    paper = told(world, [world.chair.certificate, world.member.certificate], [world.member.certificate])
    audit = chains.written(chains.chain("consilium", events, AT)) + paper
    assert packed(world, tmp_path, audit) == "JOURNAL_VOTES"


# --- two packages ---------------------------------------------------------------------------------


def test_two_packages_of_one_meeting_tell_the_same_as_far_as_both_go(world: World) -> None:
    meeting = chains.chain("consilium", chains.votes("for", "for"), AT)
    forged = chains.chain("consilium", chains.votes("for", "against"), AT)
    signers = [world.chair.certificate]
    paper = chains.chain("protocol", chains.signing(DOCUMENT, signers), AT)
    act = chains.chain("protocol", chains.signing(b"<act/>", signers), AT, "act")
    own = history_of(chains.written([*meeting, *paper]))
    require_one_past(own, history_of(chains.written([*meeting[:3], *act])))
    require_one_past(own, history_of(chains.written(act)))
    with pytest.raises(PackageRefused) as refused:
        require_one_past(own, history_of(chains.written([*forged, *act])))
    assert refused.value.code == "JOURNAL_FORK"
