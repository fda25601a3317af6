"""The lite agent on the Python forwarder: what it answers, whom it admits, where packets go. aioice's parser judges."""

import os
import struct
from collections import Counter
from dataclasses import dataclass, field

import pytest
from aioice.stun import Class, Message, Method, parse_message
from hypothesis import given
from hypothesis import strategies as st

from media import ice
from media.plane.python import PythonForwarder
from media.plane.table import ADDRESSES, Address, Layer, Leg, Slot, Source

HOME: Address = ("192.0.2.7", 5000)
AWAY: Address = ("198.51.100.9", 6000)
SIX: Address = ("2001:db8::7", 7000)


@dataclass
class Port:
    """A forwarder without sockets, the agent of one leg behind it, and a clock that is set by hand."""

    now: float = 100.0
    sent: list[tuple[Address, bytes]] = field(default_factory=list)
    pairs: Counter[str] = field(default_factory=Counter)
    dtls_from: list[Address] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forwarder = PythonForwarder(clock=lambda: self.now)
        self.forwarder.outgoing = lambda _port, address, data: self.sent.append((address, data))
        self.forwarder.start([], self)
        self.leg = Leg("anna/publish")
        self.forwarder.add_leg(self.leg)
        self.agent = ice.Agent(self.forwarder, self.leg, self._changed, lambda: self.now)
        self.before = self.agent.credentials

    def _changed(self) -> None:
        self.pairs["changed"] += 1

    def check(
        self, address: Address, *, nominate: bool = False, old: bool = False, **changes: object
    ) -> Message | None:
        """One check from an address; returns the answer as a client reads it."""
        credentials = self.before if old else self.agent.credentials
        request = self.request(credentials, nominate=nominate, **changes)
        count = len(self.sent)
        self.forwarder.feed(0, address, bytes(request), self.now)
        if len(self.sent) == count:
            return None
        to, data = self.sent[-1]
        assert to == address
        answer = parse_message(data)
        assert answer.check_message_integrity(credentials.password.encode())
        return answer

    def request(self, credentials: ice.Credentials, *, nominate: bool, **changes: object) -> Message:
        request = Message(message_method=Method.BINDING, message_class=Class.REQUEST)
        attributes: dict[str, object] = {
            "USERNAME": f"{credentials.ufrag}:theirs",
            "PRIORITY": 1845501695,
            "ICE-CONTROLLING": 42,
            **({"USE-CANDIDATE": None} if nominate else {}),
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        request.attributes.update({name: value for name, value in attributes.items() if value != "absent"})
        request.add_message_integrity(credentials.password.encode())
        return request

    @property
    def used(self) -> Address | None:
        return self.agent.pair.address if self.agent.pair is not None else None

    def goes_to(self) -> Address:
        """Where a datagram of the relay's own goes now."""
        self.agent.send(b"\x16hello")
        return self.sent[-1][0]

    # the Listener; everything but STUN is of no interest here
    def stun(self, leg: Leg, port: int, address: Address, data: bytes) -> None:
        assert leg is self.leg
        self.agent.stun(port, address, data)

    def dtls(self, leg: Leg, address: Address, data: bytes) -> None:
        if leg is self.leg:
            self.dtls_from.append(address)
            self.agent.heard(address)

    def rtcp(self, leg: Leg, data: bytes) -> None: ...
    def stray(self, port: int, address: Address, data: bytes) -> None: ...
    def flowing(self, layer: Layer) -> None: ...
    def gap(self, layer: Layer) -> None: ...
    def voice(self, source: Source) -> None: ...
    def keyframe_wanted(self, layer: Layer) -> None: ...
    def switched(self, slot: Slot) -> None: ...
    def tapped(self, source: Source, layer: int, packet: bytes) -> None: ...


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.mark.parametrize("address", [HOME, SIX])
def test_a_check_is_answered_with_the_address_it_came_from(port: Port, address: Address):
    answer = port.check(address)
    assert answer is not None
    assert answer.message_class == Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == address
    assert "FINGERPRINT" in answer.attributes, "and it was right, or it would not have been parsed"


def test_without_the_password_nothing_comes_back(port: Port):
    wrong = ice.Credentials(port.agent.credentials.ufrag, "0" * 32, 0)
    port.forwarder.feed(0, HOME, bytes(port.request(wrong, nominate=True)), port.now)
    assert port.sent == []
    assert port.used is None


def test_a_browser_that_thinks_itself_controlled_is_told_to_switch(port: Port):
    answer = port.check(HOME, ICE_CONTROLLING="absent", ICE_CONTROLLED=7)
    assert answer is not None
    assert answer.attributes["ERROR-CODE"][0] == 487
    assert port.used is None, "a refused check admits nobody"


def test_a_check_without_priority_is_a_bad_request(port: Port):
    answer = port.check(HOME, PRIORITY="absent")
    assert answer is not None
    assert answer.attributes["ERROR-CODE"][0] == 400


def test_what_must_be_understood_and_is_not_is_named(port: Port):
    credentials = port.agent.credentials
    request = port.request(credentials, nominate=False)
    del request.attributes["MESSAGE-INTEGRITY"]
    request.attributes.pop("FINGERPRINT", None)
    body = bytes(request)[20:] + struct.pack("!HHI", 0x0999 & 0x7FFF, 4, 0)
    head = struct.pack("!HHI12s", 1, len(body) + 24, ice.COOKIE, request.transaction_id)
    digest = ice.respond(1, request.transaction_id, body, credentials.password)[len(head + body) : -8]
    port.forwarder.feed(0, HOME, head + body + digest, port.now)
    kind, data = struct.unpack_from("!H", port.sent[-1][1])[0], port.sent[-1][1]
    assert kind == ice.ERROR
    assert struct.pack("!HHH", ice.UNKNOWN_ATTRIBUTES, 2, 0x0999) in data


def test_before_anything_is_nominated_packets_go_to_the_first_address(port: Port):
    port.check(HOME)
    port.check(AWAY)
    assert port.goes_to() == HOME
    port.check(AWAY, nominate=True)
    assert port.goes_to() == AWAY
    assert port.pairs["changed"] == 2


def test_before_anything_is_nominated_dtls_is_answered_where_it_came_from(port: Port):
    port.check(HOME)
    port.check(AWAY)
    port.forwarder.feed(0, AWAY, b"\x16\xfe\xfd" + bytes(20), port.now)
    assert port.goes_to() == AWAY


def test_a_chromium_behind_a_rebound_nat_is_followed_at_its_next_check(port: Port):
    port.check(HOME, nominate=True)
    port.now += 2.6
    port.check(AWAY, nominate=True)
    assert port.goes_to() == AWAY


def test_a_firefox_behind_a_rebound_nat_is_followed_at_its_next_check(port: Port):
    """It says USE-CANDIDATE once and consents without, 4 to 6 seconds apart."""
    port.check(HOME, nominate=True)
    port.now += 4.1
    port.check(AWAY)
    assert port.goes_to() == AWAY


def test_authentic_rtcp_from_another_address_is_followed_before_the_next_check(port: Port):
    port.check(HOME, nominate=True)
    port.agent.moved(0, AWAY)
    assert port.used == port.goes_to() == AWAY
    port.check(AWAY, nominate=True)
    assert port.used == AWAY
    port.now += 1
    port.check(HOME, nominate=True)
    assert port.used == HOME, "whoever had been there is followed back"


def test_before_anything_is_nominated_nobody_has_moved(port: Port):
    port.agent.moved(0, AWAY)
    assert port.used is None


def test_a_spare_pair_that_is_checked_takes_nothing_from_the_one_in_use(port: Port):
    for _ in range(5):
        port.check(HOME, nominate=True)
        port.now += 1.3
        port.check(AWAY)
        port.now += 1.3
    assert port.goes_to() == HOME


def test_of_pairs_nominated_at_once_the_best_is_used(port: Port):
    """Aggressive nomination (RFC 5245): every check says USE-CANDIDATE."""
    port.check(HOME, nominate=True, PRIORITY=2000)
    port.check(AWAY, nominate=True, PRIORITY=1000)
    assert port.goes_to() == HOME
    port.check(SIX, nominate=True, PRIORITY=3000)
    assert port.goes_to() == SIX


def test_another_network_of_lower_priority_is_followed_when_the_better_one_is_gone(port: Port):
    port.check(HOME, nominate=True, PRIORITY=2000)
    port.now += 2.6
    port.check(AWAY, nominate=True, PRIORITY=1000)
    assert port.goes_to() == AWAY


def test_after_a_restart_both_credentials_hold_until_the_new_ones_have_a_pair(port: Port):
    port.check(HOME, nominate=True)
    fresh = port.agent.restart()
    assert fresh.ufrag != port.before.ufrag
    assert port.check(HOME, nominate=True, old=True) is not None
    assert port.check(AWAY) is not None
    assert port.goes_to() == HOME, "a check that nominates nothing does not end the old pair"
    port.check(AWAY, nominate=True, PRIORITY=1)
    assert port.goes_to() == AWAY
    assert port.check(HOME, nominate=True, old=True) is None
    assert port.goes_to() == AWAY


def test_a_participant_can_have_only_so_many_addresses_and_keeps_the_one_in_use(port: Port):
    port.check(HOME, nominate=True)
    for number in range(3 * ADDRESSES):
        port.now += 0.02
        port.check(("192.0.2.8", 1000 + number))
    port.forwarder.feed(0, HOME, b"\x16\xfe\xfd" + bytes(20), port.now)
    assert port.dtls_from == [HOME]
    assert port.goes_to() == HOME


def test_an_address_that_was_taken_for_somebody_elses_comes_back_with_the_next_check(port: Port):
    """Whoever forges a source address and knows a password of his own can take it, for one check's time."""
    port.check(HOME, nominate=True)
    other = Leg("eva/publish")
    port.forwarder.add_leg(other)
    port.forwarder.admit(other, 0, HOME)
    port.forwarder.feed(0, HOME, b"\x16\xfe\xfd" + bytes(20), port.now)
    assert port.dtls_from == [], "it is the other's now"
    port.check(HOME)
    port.forwarder.feed(0, HOME, b"\x16\xfe\xfd" + bytes(20), port.now)
    assert port.dtls_from == [HOME]


def test_checks_beyond_what_a_browser_makes_are_not_answered(port: Port):
    answers = sum(port.check(HOME) is not None for _ in range(500))
    assert answers == ice.CHECKS_A_SECOND
    assert port.agent.drops["checks"] == 500 - answers
    port.now += 1.0
    assert port.check(HOME) is not None


@given(st.data())
def test_whatever_is_changed_in_a_check_nothing_is_raised(data: st.DataObject):
    """With an integrity that is right: only somebody who knows the password gets this far."""
    port = Port()
    request = bytearray(bytes(port.request(port.agent.credentials, nominate=True)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(20, len(request) - 1))
        request[place] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(request)))
    port.agent.stun(0, HOME, bytes(request[:end]))
    port.agent.stun(0, HOME, bytes(request[:20]) + os.urandom(40))
    port.agent.send(b"\x16")
