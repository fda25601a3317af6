"""SRTP of the Python forwarder against published vectors."""

import hashlib
import hmac
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from media.plane.srtp import Session, scratch, why_refused
from media.plane.table import SrtpKeys
from tests.media.packets import PROFILES, make_keys, opener, rtp, sealer

# RFC 3711, appendix B.3: a master key with its salt, and what is derived from them.
MASTER_KEY = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE4139")
MASTER_SALT = bytes.fromhex("0EC675AD498AFEEBB6960B3AABE6")
CIPHER_KEY = bytes.fromhex("C61E7A93744F39EE10734AFE3FF7A087")
CIPHER_SALT = bytes.fromhex("30CBBC08863D8C85D49DB34A9AE1")
AUTH_KEY = bytes.fromhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")


def both_ways(profile: str, key: bytes, salt: bytes) -> SrtpKeys:
    return SrtpKeys(profile, key, salt, key, salt)


def by_the_book(packet: bytes, rollover: int) -> bytes:
    """AES-CM and HMAC-SHA1-80 (RFC 3711, 4.1.1 and 4.2) with the keys of appendix B.3."""
    (seq,), (ssrc,) = struct.unpack_from("!H", packet, 2), struct.unpack_from("!L", packet, 8)
    vector = (int.from_bytes(CIPHER_SALT, "big") << 16 ^ ssrc << 64 ^ (rollover << 16 | seq) << 16).to_bytes(
        16, "big"
    )
    cipher = Cipher(algorithms.AES(CIPHER_KEY), modes.CTR(vector)).encryptor()
    sealed = packet[:12] + cipher.update(packet[12:])
    return sealed + hmac.digest(AUTH_KEY, sealed + struct.pack("!L", rollover), hashlib.sha1)[:10]


def test_keys_are_derived_and_counter_mode_runs_as_rfc_3711_says():
    session = Session(both_ways("AES128_CM_SHA1_80", MASTER_KEY, MASTER_SALT), "send")
    for number, rollover in ((65535, 0), (65536, 1), (65537, 1)):
        packet = rtp(0xCAFEBABE, number, 0xDECAFBAD, b"\xab" * 40, 15)
        size = session.protect(packet)
        assert bytes(scratch[:size]) == by_the_book(packet, rollover)


@pytest.mark.parametrize(
    "profile, key, salt, expected",
    [  # the reference packets of libsrtp's own validation
        (
            "AES128_CM_SHA1_80",
            MASTER_KEY.hex(),
            MASTER_SALT.hex(),
            "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb",
        ),
        (
            "AES128_GCM",
            "000102030405060708090a0b0c0d0e0f",
            "a0a1a2a3a4a5a6a7a8a9aaab",
            "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392",
        ),
    ],
)
def test_the_reference_packets_of_libsrtp_come_out(profile, key, salt, expected):
    session = Session(both_ways(profile, bytes.fromhex(key), bytes.fromhex(salt)), "send")
    size = session.protect(rtp(0xCAFEBABE, 0x1234, 0xDECAFBAD, b"\xab" * 16, 15))
    assert bytes(scratch[12:size]).hex() == expected


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("length", [0, 1, 1200, 1470])
def test_what_a_browser_seals_is_opened_and_the_other_way_round(profile, length):
    keys = make_keys(profile)
    packet = rtp(7, 8, 9, bytes(length), 96)
    sealed = packet + bytes(16)
    if length <= 1200:  # what the other end's library takes
        sealed = sealer(keys).protect(packet)
    else:
        size = Session(SrtpKeys(profile, b"", b"", keys.receive_key, keys.receive_salt), "send").protect(
            packet
        )
        sealed = bytes(scratch[:size])
    size = Session(keys, "receive").unprotect(sealed)
    assert bytes(scratch[:size]) == packet
    size = Session(keys, "send").protect(packet)
    sealed = bytes(scratch[:size])
    if len(sealed) <= 1500:
        assert opener(keys).unprotect(sealed) == packet


@pytest.mark.parametrize("profile", PROFILES)
def test_a_refused_packet_has_its_reason(profile):
    keys = make_keys(profile)
    there, here = sealer(keys), Session(keys, "receive")
    first = there.protect(rtp(7, 100, 9, b"once", 96))
    assert here.unprotect(first) > 0
    assert why_refused(first, here, here.unprotect(first)) == "replay"
    old = there.protect(rtp(7, 130, 9, b"later than the window", 96))
    for number in (131, 131 + 1100):
        assert here.unprotect(there.protect(rtp(7, number, 9, b"on", 96))) > 0
    assert why_refused(old, here, here.unprotect(old)) == "replay"
    forged = bytearray(there.protect(rtp(7, 1232, 9, b"forged", 96)))
    forged[-1] ^= 1
    assert why_refused(bytes(forged), here, here.unprotect(bytes(forged))) == "auth"


@pytest.mark.parametrize(
    "packet",
    [
        b"\x80\x60" + bytes(9),  # shorter than a header
        b"\x80\x60" + bytes(10 + 9),  # no room for a tag
        b"\x8f\x60" + bytes(10 + 59 + 9),  # CSRCs and no tag
        b"\x90\x60"
        + bytes(10)
        + b"\xbe\xde\x00\x09"
        + bytes(30),  # an extension block longer than the packet
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_what_cannot_be_srtp_is_malformed(profile, packet):
    here = Session(make_keys(profile), "receive")
    assert why_refused(packet, here, here.unprotect(packet)) == "malformed"


def test_nothing_is_written_past_the_scratch_area():
    here = Session(make_keys(), "send")
    with pytest.raises(ValueError, match="longer"):
        here.protect(bytes(5000))
    with pytest.raises(ValueError, match="longer"):
        here.unprotect(bytes(5000))


def test_keys_of_another_length_are_refused():
    keys = make_keys()
    with pytest.raises(ValueError, match="length"):
        Session(
            SrtpKeys("AES256_GCM", keys.receive_key, keys.receive_salt, keys.send_key, keys.send_salt), "send"
        )


def test_a_forgotten_context_begins_anew():
    keys = make_keys()
    here = Session(keys, "receive")
    packet = sealer(keys).protect(rtp(7, 100, 9, b"x", 96))
    assert here.unprotect(packet) > 0
    here.forget(7)
    assert here.unprotect(packet) > 0
