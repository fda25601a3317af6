"""GOST R 34.10-2012 and Streebog: the engine against the standards' examples, plain arithmetic and hostile values."""

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consilium.seal import gost
from consilium.seal.errors import RequestRefused, SignatureRefused
from consilium.seal.keys import GOST_DIGESTS, public_key
from consilium.seal.providers import GostKey, load_key, new_key
from tests.conftest import ROOT
from tests.consilium.seal import gost_oracle
from tests.consilium.seal.gost_oracle import SETS, Curve

pytestmark = pytest.mark.needs_gost

# RFC 6986 10.1.1, 10.2.1: message M1, which the standard prints from its last octet.
M1 = b"012345678901234567890123456789012345678901234567890123456789012"


def test_streebog_gives_the_digests_of_the_standard() -> None:
    assert gost.digest("streebog256", M1).hex() == (
        "9d151eefd8590b89daa6ba6cb74af9275dd051026bb149a452fd84e5e57b5500"
    )
    assert gost.digest("streebog512", M1).hex() == (
        "1b54d01a4af5b9d5cc3d86d68d285462b19abc2475222f35c085122be4ba1ffa"
        "00ad30f8767b3a82384c6574f024c311e2a481332b08ef7f41797891c1646f48"
    )


def test_the_oracle_agrees_with_the_example_of_the_standard() -> None:
    """RFC 7091 7.1."""
    public = (
        0x7F2B49E270DB6D90D8595BEC458B50C58585BA1D4E9B788F6689DBD8E56FD80B,
        0x26F1B489D6701DD185C8413A977B3CBBAF64D1C593D26627DFFB101A87FF77DA,
    )
    digest = 0x2DFBC1B372D89A1188C09C52E0EEC61FCE52032AB1022E8E67ECE6672B043EE5.to_bytes(32, "little")
    r = 0x41AA28D2F1AB148280CD9ED56FEDA41974053554A42767B83AD043FD39DC0493
    s = 0x1456C64BA4642A1653C235A98A60249BCD6D3F746B631DF928014F6C5BF9C40
    signature = s.to_bytes(32, "big") + r.to_bytes(32, "big")
    assert gost_oracle.verified(gost_oracle.EXAMPLE, public, digest, signature)
    assert not gost_oracle.verified(gost_oracle.EXAMPLE, public, digest[::-1], signature)


class Made:
    """A key of one parameter set, with what the oracle needs of it."""

    def __init__(self, bits: int, letter: str) -> None:
        self.pem, self.name = gost.generate(bits, letter), GOST_DIGESTS[bits]
        self.oid, self.curve = SETS[bits, letter]
        self.spki = gost.public_of(self.pem)
        self.point = gost_oracle.point_of(self.spki, bits)

    def sign(self, covered: bytes) -> bytes:
        return gost.sign(self.pem, None, covered, self.name)

    def engine_says(self, covered: bytes, signature: bytes) -> bool:
        return gost.verify(self.spki, self.oid, covered, signature, self.name)

    def oracle_says(self, covered: bytes, signature: bytes) -> bool:
        return gost_oracle.verified(self.curve, self.point, gost.digest(self.name, covered), signature)


@pytest.mark.parametrize("bits, letter", SETS)
def test_the_engine_and_plain_arithmetic_agree_on_every_curve(bits: int, letter: str) -> None:
    chance, made = random.Random(f"{bits}{letter}"), Made(bits, letter)
    assert gost.ORDERS[made.oid] == made.curve.q
    assert public_key(made.spki).parameters == made.oid
    for number in range(12 if bits == 256 else 6):
        covered = chance.randbytes(chance.randrange(200))
        signature = made.sign(covered) if number % 2 else corrupted(made.sign(covered), chance)
        assert (
            made.engine_says(covered, signature) == made.oracle_says(covered, signature) == bool(number % 2)
        )


def corrupted(signature: bytes, chance: random.Random) -> bytes:
    """One bit of it turned."""
    place = chance.randrange(len(signature))
    return signature[:place] + bytes((signature[place] ^ 1 << chance.randrange(8),)) + signature[place + 1 :]


def halves(signature: bytes) -> tuple[int, int]:
    size = len(signature) // 2
    return int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")


def joined(s: int, r: int, size: int) -> bytes:
    return s.to_bytes(size, "big") + r.to_bytes(size, "big")


def edge_values(signature: bytes, curve: Curve) -> dict[str, bytes]:
    (s, r), size, q = halves(signature), len(signature) // 2, curve.q
    top = (1 << 8 * size) - 1
    return {
        "empty": b"",
        "an octet more": signature + b"\0",
        "an octet of rubbish more": signature + b"x",
        "an octet less": signature[:-1],
        "an octet before": b"\0" + signature,
        "twice": signature * 2,
        "halves swapped": signature[size:] + signature[:size],
        "reversed": signature[::-1],
        "r = 0": joined(s, 0, size),
        "s = 0": joined(0, r, size),
        "both 0": joined(0, 0, size),
        "r = q": joined(s, q, size),
        "s = q": joined(q, r, size),
        "both q": joined(q, q, size),
        "r + q": joined(s, min(r + q, top), size),
        "s + q": joined(min(s + q, top), r, size),
        "q - s": joined(q - s, r, size),
        "q - r": joined(s, q - r, size),
        "r = 1, s = 1": joined(1, 1, size),
        "all ones": joined(top, top, size),
    }


@pytest.mark.parametrize("bits, letter", [(256, "A"), (256, "TCA"), (512, "A"), (512, "C")])
def test_values_at_the_edge_are_refused(bits: int, letter: str) -> None:
    made, covered = Made(bits, letter), b"protocol"
    signature = made.sign(covered)
    assert made.engine_says(covered, signature)
    for name, value in edge_values(signature, made.curve).items():
        assert not made.engine_says(covered, value), name


def test_a_key_off_its_curve_is_refused() -> None:
    made = Made(256, "A")
    signature = made.sign(b"protocol")
    off = made.spki[:-1] + bytes((made.spki[-1] ^ 1,))
    with pytest.raises(SignatureRefused, match="WEAK_KEY"):
        gost.verify(off, made.oid, b"protocol", signature, made.name)


@pytest.mark.parametrize("cut", [slice(0, -1), slice(0, 40), slice(0, 3)])
def test_a_key_cut_short_is_refused(cut: slice) -> None:
    with pytest.raises(SignatureRefused):
        public_key(Made(256, "A").spki[cut])


def test_a_key_of_one_size_with_a_curve_of_the_other_is_refused() -> None:
    small, large = Made(256, "TCA").spki, Made(512, "A").spki
    named, other = bytes.fromhex("2a85030701020101 01"), bytes.fromhex("2a85030701020102 01")
    assert named in small
    assert other in large
    with pytest.raises(SignatureRefused, match="WEAK_KEY"):
        public_key(small.replace(named, other))


def test_a_digest_of_the_other_size_is_no_signature() -> None:
    key = GostKey.generate(256)
    assert not public_key(key.spki()).verify(b"protocol", key.sign_raw(b"protocol"), "streebog512")
    assert not public_key(key.spki()).verify(b"protocol", key.sign_raw(b"protocol"), "sha256")


def test_many_threads_verify_and_sign_at_once() -> None:
    keys = [GostKey.generate(256), GostKey.generate(512)]

    def work(number: int) -> bool:
        key, covered = keys[number % 2], b"x" * number
        signature = key.sign_raw(covered)
        good = public_key(key.spki()).verify(covered, signature, key.digest)
        return good and not public_key(key.spki()).verify(covered + b"y", signature, key.digest)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(400)))


@pytest.mark.parametrize("kind", ["gost256", "gost512"])
def test_a_key_is_kept_with_its_password_and_opens_with_it_alone(tmp_path: Path, kind: str) -> None:
    key, path = new_key(kind), tmp_path / "seal.key"
    assert isinstance(key, GostKey)
    key.save(path, b"correct")
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert load_key(path, b"correct").spki() == key.spki()
    for password in (b"wrong", None):
        with pytest.raises(RequestRefused, match="KEY_UNREADABLE"):
            GostKey.load(path, password)
    key.save(path)
    assert load_key(path).spki() == key.spki()


def test_a_key_of_another_kind_or_none_is_not_loaded_as_gost(tmp_path: Path) -> None:
    new_key("p256").save(tmp_path / "p256.key")
    (tmp_path / "rubbish.key").write_bytes(b"rubbish")
    for name in ("p256.key", "rubbish.key", "missing.key"):
        with pytest.raises(RequestRefused, match="KEY_UNREADABLE"):
            GostKey.load(tmp_path / name)


def test_without_the_engine_everything_is_refused_by_one_code() -> None:
    """In a process of its own, whose OpenSSL looks for engines where there are none."""
    key = GostKey.generate(256)
    signature = key.sign_raw(b"protocol")
    script = f"""
from consilium.seal import gost
from consilium.seal.errors import SignatureRefused
from consilium.seal.keys import public_key
key = public_key(bytes.fromhex("{key.spki().hex()}"))
asked = (
    gost.version,
    lambda: gost.digest("streebog256", b""),
    lambda: key.verify(b"protocol", bytes.fromhex("{signature.hex()}"), "streebog256"),
    lambda: gost.generate(256, "A"),
)
for one in asked:
    try:
        print(one())
    except SignatureRefused as refused:
        print(refused.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={"OPENSSL_ENGINES": "/nonexistent", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["GOST_UNAVAILABLE"] * 4


def test_nothing_else_in_the_process_changes_its_algorithms() -> None:
    """Registered for keys alone: `hashlib` and TLS go on with OpenSSL's own."""
    script = """
import hashlib, ssl
before = sorted(hashlib.algorithms_available), [one["name"] for one in ssl.create_default_context().get_ciphers()]
from consilium.seal import gost
gost.version()
after = sorted(hashlib.algorithms_available), [one["name"] for one in ssl.create_default_context().get_ciphers()]
print(before == after)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"
