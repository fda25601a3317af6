"""GOST R 34.10-2012 and 34.11-2012 (Streebog) in process: the system's libcrypto with its `gost` engine, by ctypes.

The one door to that engine. It is a reference implementation and no certified means of protection: good for
checking signatures and for the demonstration authority, not for making qualified signatures (63-ФЗ).
Every call has contexts of its own and ctypes lets other threads run meanwhile. Without the library or the
engine every function raises GOST_UNAVAILABLE: nothing is taken for verified that was not.

Signatures are `s || r`, big-endian (RFC 9215 3.1), checked here for exact length and range before the engine
sees them: gost-engine 3.0.1 accepts octets after the end, and compares with the group order off by one.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from consilium.seal.errors import RequestRefused, SignatureRefused

__all__ = [
    "ORDERS",
    "SIZES",
    "digest",
    "generate",
    "load_pem",
    "public_of",
    "save_pem",
    "sign",
    "verify",
    "version",
]

LIBRARY = "libcrypto.so.3"
DIGESTS = {"streebog256": (b"md_gost12_256", 32), "streebog512": (b"md_gost12_512", 64)}
ALGORITHMS = {256: b"gost2012_256", 512: b"gost2012_512"}
SIZES = {256: 64, 512: 128}
OPENSSL_VERSION_INFO = 0

_CRYPTO_PRO_A = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF6C611070995AD10045841B09B761B893
_CRYPTO_PRO_B = 0x800000000000000000000000000000015F700CFFF1A624E5E497161BCC8A198F
_CRYPTO_PRO_C = 0x9B9F605F5A858107AB1EC85E6B41C8AA582CA3511EDDFB74F02F3A6598980BB9
# Order of the group by OID of the parameter set: RFC 4357 11.4, RFC 7836 A.
ORDERS = {
    "1.2.643.2.2.35.1": _CRYPTO_PRO_A,
    "1.2.643.2.2.35.2": _CRYPTO_PRO_B,
    "1.2.643.2.2.35.3": _CRYPTO_PRO_C,
    "1.2.643.2.2.36.0": _CRYPTO_PRO_A,
    "1.2.643.2.2.36.1": _CRYPTO_PRO_C,
    "1.2.643.7.1.2.1.1.1": 0x400000000000000000000000000000000FD8CDDFC87B6635C115AF556C360C67,
    "1.2.643.7.1.2.1.1.2": _CRYPTO_PRO_A,
    "1.2.643.7.1.2.1.1.3": _CRYPTO_PRO_B,
    "1.2.643.7.1.2.1.1.4": _CRYPTO_PRO_C,
    "1.2.643.7.1.2.1.2.1": int(
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "27e69532f48d89116ff22b8d4e0560609b4b38abfad2b85dcacdb1411f10b275",
        16,
    ),
    "1.2.643.7.1.2.1.2.2": int(
        "8000000000000000000000000000000000000000000000000000000000000001"
        "49a1ec142565a545acfdb77bd9d40cfa8b996712101bea0ec6346c54374f25bd",
        16,
    ),
    "1.2.643.7.1.2.1.2.3": int(
        "3fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
        "c98cdba46506ab004c33a9ff5147502cc8eda9e7a769a12694623cef47f023ed",
        16,
    ),
}

Pointer = ctypes.c_void_p
_INT, _SIZE, _BYTES = ctypes.c_int, ctypes.c_size_t, ctypes.c_char_p
# Function of libcrypto -> what it returns, what it takes.
PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "OpenSSL_version": (_BYTES, (_INT,)),
    "ERR_clear_error": (None, ()),
    "ENGINE_by_id": (Pointer, (_BYTES,)),
    "ENGINE_init": (_INT, (Pointer,)),
    "ENGINE_register_pkey_asn1_meths": (_INT, (Pointer,)),
    "ENGINE_register_pkey_meths": (_INT, (Pointer,)),
    "ENGINE_get_digest": (Pointer, (Pointer, _INT)),
    "OBJ_sn2nid": (_INT, (_BYTES,)),
    "EVP_Digest": (_INT, (_BYTES, _SIZE, _BYTES, Pointer, Pointer, Pointer)),
    "EVP_MD_CTX_new": (Pointer, ()),
    "EVP_MD_CTX_free": (None, (Pointer,)),
    "EVP_DigestVerifyInit": (_INT, (Pointer, Pointer, Pointer, Pointer, Pointer)),
    "EVP_DigestVerify": (_INT, (Pointer, _BYTES, _SIZE, _BYTES, _SIZE)),
    "EVP_DigestSignInit": (_INT, (Pointer, Pointer, Pointer, Pointer, Pointer)),
    "EVP_DigestSign": (_INT, (Pointer, _BYTES, Pointer, _BYTES, _SIZE)),
    "EVP_PKEY_free": (None, (Pointer,)),
    "EVP_PKEY_CTX_new_id": (Pointer, (_INT, Pointer)),
    "EVP_PKEY_CTX_free": (None, (Pointer,)),
    "EVP_PKEY_CTX_ctrl_str": (_INT, (Pointer, _BYTES, _BYTES)),
    "EVP_PKEY_keygen_init": (_INT, (Pointer,)),
    "EVP_PKEY_keygen": (_INT, (Pointer, Pointer)),
    "EVP_aes_256_cbc": (Pointer, ()),
    "d2i_PUBKEY": (Pointer, (Pointer, Pointer, ctypes.c_long)),
    "i2d_PUBKEY": (_INT, (Pointer, _BYTES)),
    "BIO_new_mem_buf": (Pointer, (_BYTES, _INT)),
    "BIO_new": (Pointer, (Pointer,)),
    "BIO_s_mem": (Pointer, ()),
    "BIO_read": (_INT, (Pointer, _BYTES, _INT)),
    "BIO_free": (_INT, (Pointer,)),
    "PEM_read_bio_PrivateKey": (Pointer, (Pointer, Pointer, Pointer, _BYTES)),
    "PEM_write_bio_PKCS8PrivateKey": (_INT, (Pointer, Pointer, Pointer, _BYTES, _INT, Pointer, Pointer)),
}


@dataclass(frozen=True, slots=True)
class _Engine:
    """The loaded library: its functions by name, the engine, and its two digests."""

    call: dict[str, Callable[..., Any]]
    handle: int
    digests: dict[str, int]


def version() -> str:
    """What stands behind this port, for the doctor's screen. Raises SignatureRefused GOST_UNAVAILABLE."""
    return str(_engine().call["OpenSSL_version"](OPENSSL_VERSION_INFO).decode()) + ", gost engine"


def digest(name: str, content: bytes) -> bytes:
    """GOST R 34.11-2012: ``streebog256`` or ``streebog512``, as octets in the order CMS writes them."""
    engine = _engine()
    out = ctypes.create_string_buffer(DIGESTS[name][1])
    if engine.call["EVP_Digest"](content, len(content), out, None, engine.digests[name], engine.handle) != 1:
        raise SignatureRefused("GOST_UNAVAILABLE")
    return out.raw


def verify(spki: bytes, parameters: str, covered: bytes, signature: bytes, digest_name: str) -> bool:
    """Whether ``signature`` over ``covered`` was made by the key of this SubjectPublicKeyInfo (DER).

    ``parameters`` is the OID of the key's parameter set, ``digest_name`` of the size of the key.
    """
    order, size = ORDERS.get(parameters, 0), 2 * DIGESTS[digest_name][1]
    if len(signature) != size:
        return False
    halves = (int.from_bytes(signature[: size // 2], "big"), int.from_bytes(signature[size // 2 :], "big"))
    if not all(0 < half < order for half in halves):
        return False
    engine = _engine()
    with (
        _freed(_public(engine, spki), "EVP_PKEY_free") as key,
        _context(engine, "EVP_DigestVerifyInit", key, digest_name) as context,
    ):
        answer: int = engine.call["EVP_DigestVerify"](context, signature, size, covered, len(covered))
    engine.call["ERR_clear_error"]()
    return answer == 1


def sign(private_pem: bytes, password: bytes | None, covered: bytes, digest_name: str) -> bytes:
    """A signature, another one on every call (the nonce is random). The digest must be of the size of the key."""
    engine = _engine()
    size = 2 * DIGESTS[digest_name][1]
    out, length = ctypes.create_string_buffer(size), ctypes.c_size_t(size)
    with (
        _private(engine, private_pem, password) as key,
        _context(engine, "EVP_DigestSignInit", key, digest_name) as context,
    ):
        made = engine.call["EVP_DigestSign"](context, out, ctypes.byref(length), covered, len(covered))
    if made != 1 or length.value != size:
        raise RequestRefused("KEY_UNREADABLE")
    return out.raw


def generate(bits: int, parameters: str) -> bytes:
    """A new private key (PKCS#8 PEM) of 256 or 512 bits; ``parameters`` is the engine's letter of the set."""
    engine = _engine()
    call = engine.call
    key = Pointer()
    kind = call["OBJ_sn2nid"](ALGORITHMS[bits])
    with _freed(call["EVP_PKEY_CTX_new_id"](kind, engine.handle), "EVP_PKEY_CTX_free") as context:
        made = (
            call["EVP_PKEY_keygen_init"](context) == 1
            and call["EVP_PKEY_CTX_ctrl_str"](context, b"paramset", parameters.encode()) == 1
            and call["EVP_PKEY_keygen"](context, ctypes.byref(key)) == 1
        )
    if not made or not key.value:
        raise RequestRefused("KEY_UNREADABLE")
    with _freed(key.value, "EVP_PKEY_free") as handle:
        return _pem(engine, handle, None)


def load_pem(private_pem: bytes, password: bytes | None) -> bytes:
    """The same private key without its password (PKCS#8 PEM). Raises RequestRefused KEY_UNREADABLE."""
    engine = _engine()
    with _private(engine, private_pem, password) as key:
        return _pem(engine, key, None)


def save_pem(private_pem: bytes, password: bytes | None) -> bytes:
    """The same private key as PKCS#8 PEM, under a password if there is one."""
    engine = _engine()
    with _private(engine, private_pem, None) as key:
        return _pem(engine, key, password)


def public_of(private_pem: bytes) -> bytes:
    """SubjectPublicKeyInfo (DER) of a private key."""
    engine = _engine()
    with _private(engine, private_pem, None) as key:
        size = engine.call["i2d_PUBKEY"](key, None)
        out = ctypes.create_string_buffer(max(size, 0))
        cursor = ctypes.c_char_p(ctypes.addressof(out))
        if size <= 0 or engine.call["i2d_PUBKEY"](key, ctypes.cast(ctypes.byref(cursor), _BYTES)) != size:
            raise RequestRefused("KEY_UNREADABLE")
        return out.raw


@cache
def _engine() -> _Engine:
    """Load once. Registered for keys alone and by name: nothing else in the process changes its algorithms."""
    try:
        library = ctypes.CDLL(LIBRARY)
        call = {name: _function(library, name) for name in PROTOTYPES}
    except (OSError, AttributeError) as error:
        raise SignatureRefused("GOST_UNAVAILABLE") from error
    handle = call["ENGINE_by_id"](b"gost")
    if not handle or call["ENGINE_init"](handle) != 1:
        call["ERR_clear_error"]()
        raise SignatureRefused("GOST_UNAVAILABLE")
    call["ENGINE_register_pkey_asn1_meths"](handle)
    call["ENGINE_register_pkey_meths"](handle)
    digests = {
        name: call["ENGINE_get_digest"](handle, call["OBJ_sn2nid"](short))
        for name, (short, _) in DIGESTS.items()
    }
    if not all(digests.values()):
        raise SignatureRefused("GOST_UNAVAILABLE")
    return _Engine(call, handle, digests)


def _function(library: ctypes.CDLL, name: str) -> Callable[..., Any]:
    found = getattr(library, name)
    found.restype, found.argtypes = PROTOTYPES[name]
    return found  # type: ignore[no-any-return]  # what ctypes hands out has no type


@contextmanager
def _freed(pointer: int | None, by: str) -> Iterator[int]:
    call = _engine().call
    if not pointer:
        call["ERR_clear_error"]()
        raise RequestRefused("KEY_UNREADABLE")
    try:
        yield pointer
    finally:
        call[by](pointer)


@contextmanager
def _context(engine: _Engine, start: str, key: int, digest_name: str) -> Iterator[int]:
    with _freed(engine.call["EVP_MD_CTX_new"](), "EVP_MD_CTX_free") as context:
        begun = engine.call[start](context, None, engine.digests[digest_name], engine.handle, key)
        if begun != 1:
            engine.call["ERR_clear_error"]()
            raise RequestRefused("KEY_UNREADABLE")
        yield context


def _public(engine: _Engine, spki: bytes) -> int:
    buffer = ctypes.create_string_buffer(spki, len(spki))
    cursor = Pointer(ctypes.addressof(buffer))
    found: int | None = engine.call["d2i_PUBKEY"](None, ctypes.byref(cursor), len(spki))
    if not found:
        engine.call["ERR_clear_error"]()
        raise SignatureRefused("WEAK_KEY", key="GOST R 34.10-2012")
    return found


@contextmanager
def _private(engine: _Engine, pem: bytes, password: bytes | None) -> Iterator[int]:
    with _freed(engine.call["BIO_new_mem_buf"](pem, len(pem)), "BIO_free") as source:
        # An empty password and not none at all: for want of one OpenSSL would ask on the terminal.
        key = engine.call["PEM_read_bio_PrivateKey"](source, None, None, password or b"")
    with _freed(key, "EVP_PKEY_free") as handle:
        yield handle


def _pem(engine: _Engine, key: int, password: bytes | None) -> bytes:
    call = engine.call
    with _freed(call["BIO_new"](call["BIO_s_mem"]()), "BIO_free") as target:
        cipher = call["EVP_aes_256_cbc"]() if password else None
        written = call["PEM_write_bio_PKCS8PrivateKey"](
            target, key, cipher, password, len(password or b""), None, None
        )
        out = ctypes.create_string_buffer(8192)
        size = call["BIO_read"](target, out, len(out)) if written == 1 else 0
        if size <= 0:
            raise RequestRefused("KEY_UNREADABLE")
        return out.raw[:size]
