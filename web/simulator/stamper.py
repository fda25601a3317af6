"""The simulator's timestamp authority: a query in, a token out (RFC 3161), made with a key of its own."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime

from consilium.seal import asn1, der, tsp
from consilium.seal.algorithms import DIGEST_OIDS, hashed
from consilium.seal.asn1 import Fields
from consilium.seal.cades import SigningKey
from consilium.seal.errors import SignatureRefused
from consilium.seal.names import names_in

POLICY = "1.2.643.2.2.38.4"
SIZES = {"2.16.840.1.101.3.4.2.1": 32, "2.16.840.1.101.3.4.2.2": 48, "2.16.840.1.101.3.4.2.3": 64}
GRANTED, REJECTION = 0, 2
BAD_ALGORITHM, BAD_REQUEST, NOT_AVAILABLE = 0, 2, 14


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for: an imprint by some digest, and a nonce where the asker sent one."""

    digest_oid: str
    imprint: bytes
    nonce: int | None
    certificate: bool


def read_query(content: bytes) -> Query:
    """TimeStampReq (RFC 3161 2.4.1). Raises SignatureRefused for what is none."""
    fields = Fields(asn1.scan(content, tsp.LIMITS))
    if fields.take().integer() != 1:
        raise SignatureRefused("FORMAT", what="version")
    imprint = Fields(fields.take(asn1.SEQUENCE))
    digest_oid, hashed = Fields(imprint.take(asn1.SEQUENCE)).take().oid(), imprint.take(asn1.OCTETS).content
    fields.maybe(asn1.OID)
    nonce, certificate = fields.maybe(asn1.INTEGER), fields.maybe(tsp.BOOLEAN)
    wanted = certificate is not None and certificate.content != b"\0"
    return Query(digest_oid, hashed, nonce.integer() if nonce else None, wanted)


@dataclass(frozen=True, slots=True)
class Stamper:
    """A key and its certificate (DER, purpose timeStamping)."""

    key: SigningKey = field(repr=False)
    certificate: bytes

    def reply(self, query: bytes, at: datetime) -> bytes:
        """TimeStampResp: the token, or a rejection that says why."""
        try:
            asked = read_query(query)
        except SignatureRefused:
            return rejection(BAD_REQUEST)
        if SIZES.get(asked.digest_oid) != len(asked.imprint):
            return rejection(BAD_ALGORITHM)
        return der.sequence(der.sequence(der.integer(GRANTED)), self.token(asked, at))

    def token(self, asked: Query, at: datetime) -> bytes:
        """TimeStampToken: SignedData of one signer over TSTInfo."""
        info = self._info(asked, at)
        attributes = self._attributes(info)
        digest = der.sequence(der.oid(DIGEST_OIDS[self.key.digest]))
        names = names_in(self.certificate)
        signer = der.sequence(
            der.integer(1),
            der.sequence(names.issuer, der.integer(names.serial)),
            digest,
            der.context(0, attributes),
            self.key.algorithm(),
            der.octets(self.key.sign_raw(der.tlv(0x31, attributes))),
        )
        body = der.sequence(
            der.integer(3),
            der.set_of([digest]),
            der.sequence(der.oid(tsp.OIDS["tst_info"]), der.context(0, der.octets(info))),
            der.context(0, self.certificate) if asked.certificate else b"",
            der.set_of([signer]),
        )
        return der.sequence(der.oid(tsp.OIDS["signed_data"]), der.context(0, body))

    def _info(self, asked: Query, at: datetime) -> bytes:
        fraction = f".{at.microsecond // 1000:03d}".rstrip("0").rstrip(".")
        return der.sequence(
            der.integer(1),
            der.oid(POLICY),
            der.sequence(der.sequence(der.oid(asked.digest_oid)), der.octets(asked.imprint)),
            der.integer(secrets.randbits(63)),
            der.tlv(asn1.GENERAL_TIME, f"{at:%Y%m%d%H%M%S}{fraction}Z".encode()),
            der.sequence(der.integer(1)),
            der.integer(asked.nonce) if asked.nonce is not None else b"",
        )

    def _attributes(self, info: bytes) -> bytes:
        names = names_in(self.certificate)
        issuer = der.sequence(der.sequence(der.context(4, names.issuer)), der.integer(names.serial))
        reference = der.sequence(der.octets(hashlib.sha256(self.certificate).digest()), issuer)
        values = {
            "content_type": der.oid(tsp.OIDS["tst_info"]),
            "message_digest": der.octets(hashed(self.key.digest, info)),
            "signing_certificate_v2": der.sequence(der.sequence(reference)),
        }
        members = [der.sequence(der.oid(tsp.OIDS[name]), der.set_of([one])) for name, one in values.items()]
        return b"".join(sorted(members))


def rejection(failure: int) -> bytes:
    """TimeStampResp that refuses, with a bit of PKIFailureInfo."""
    bits = bytearray(failure // 8 + 1)
    bits[failure // 8] |= 0x80 >> failure % 8
    unused = 7 - failure % 8
    return der.sequence(der.sequence(der.integer(REJECTION), der.tlv(tsp.BITS, bytes([unused, *bits]))))
