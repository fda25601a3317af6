"""Who a certificate names, and whether that is the one who was expected.

Russian identifiers in a subject (Order 795 of the FSB): СНИЛС, ОГРН, ИНН of a person and of an organisation.
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from consilium.seal import asn1
from consilium.seal.asn1 import Fields
from consilium.seal.errors import SignatureRefused

__all__ = [
    "OIDS",
    "CertificateNames",
    "ExpectedSigner",
    "SignerIdentity",
    "identity_of",
    "names_in",
    "require",
]

OIDS = {
    "name": "2.5.4.3",
    "surname": "2.5.4.4",
    "given": "2.5.4.42",
    "country": "2.5.4.6",
    "organisation": "2.5.4.10",
    "unit": "2.5.4.11",
    "snils": "1.2.643.100.3",
    "ogrn": "1.2.643.100.1",
    "inn": "1.2.643.3.131.1.1",
    "inn_organisation": "1.2.643.100.4",
}
PERSON, ORGANISATION = ("snils", "surname", "given"), ("ogrn", "inn")
STRINGS = {0x0C: "utf-8", 0x12: "ascii", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1E: "utf-16-be"}


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """Issuer and subject of a certificate as written in it (DER), and its serial number."""

    issuer: bytes
    serial: int
    subject: bytes

    @property
    def self_issued(self) -> bool:
        """Whether the certificate names itself as its issuer."""
        return self.issuer == self.subject


@dataclass(frozen=True, slots=True)
class SignerIdentity:
    """Names and numbers from the certificate's subject; an empty string where it says nothing."""

    name: str
    surname: str
    given: str
    snils: str
    inn: str
    ogrn: str
    organisation: str


@dataclass(frozen=True, slots=True)
class ExpectedSigner:
    """Whom the server waits for. Make it with `person`, `of_organisation` or `of_representative`.

    Digits only in the numbers. ``power_of_attorney`` is the number of the machine-readable power of attorney
    (МЧД) by which a person may sign for the organisation; it is kept with the signature, not looked up.
    """

    snils: str = ""
    surname: str = ""
    given: str = ""
    ogrn: str = ""
    inn: str = ""
    power_of_attorney: str = ""

    @classmethod
    def person(cls, *, snils: str, surname: str, given: str) -> "ExpectedSigner":
        """A person: СНИЛС, surname, and first name with patronymic as the certificate spells them."""
        return cls(snils=_digits(snils), surname=surname, given=given)

    @classmethod
    def of_organisation(cls, *, ogrn: str, inn: str = "") -> "ExpectedSigner":
        """An organisation: ОГРН, and ИНН where it is known."""
        return cls(ogrn=_digits(ogrn), inn=_digits(inn))

    @classmethod
    def of_representative(
        cls, *, ogrn: str, inn: str, person: "ExpectedSigner", power_of_attorney: str
    ) -> "ExpectedSigner":
        """An organisation, or this person for it by his power of attorney (63-ФЗ 17.2)."""
        return cls(
            snils=person.snils,
            surname=person.surname,
            given=person.given,
            ogrn=_digits(ogrn),
            inn=_digits(inn),
            power_of_attorney=power_of_attorney.strip(),
        )


# Facts of the bytes alone, asked for again with every signature of one person.
@lru_cache(maxsize=512)
def names_in(certificate: bytes) -> CertificateNames:
    """Names and serial number of a certificate (DER), byte for byte. Raises SignatureRefused."""
    # Read here and not through `cryptography`: it warns of every Russian common name longer than 32 letters.
    fields = Fields(Fields(asn1.read(certificate, 0, len(certificate))).take(asn1.SEQUENCE))
    fields.maybe(0xA0)
    serial = fields.take().integer()
    fields.take(asn1.SEQUENCE)
    issuer = fields.take(asn1.SEQUENCE).raw
    fields.take(asn1.SEQUENCE)
    return CertificateNames(issuer, serial, fields.take(asn1.SEQUENCE).raw)


@lru_cache(maxsize=512)
def identity_of(name: bytes) -> SignerIdentity:
    """Read a Name (DER). Raises SignatureRefused BAD_CERTIFICATE where it is not proper or says a thing twice."""
    values: dict[str, str] = {}
    for relative in asn1.read(name, 0, len(name)).expect(asn1.SEQUENCE).children():
        for attribute in relative.expect(asn1.SET).children():
            fields = Fields(attribute)
            oid, value = fields.take().oid(), _string(fields.take())
            if oid in values and oid in OIDS.values() and oid != OIDS["unit"]:
                raise SignatureRefused("BAD_CERTIFICATE")
            values[oid] = value
    found = {field: values.get(oid, "") for field, oid in OIDS.items()}
    return SignerIdentity(
        name=found["name"],
        surname=found["surname"],
        given=found["given"],
        snils=found["snils"],
        inn=found["inn_organisation"] or _ten_digits(found["inn"]),
        ogrn=found["ogrn"],
        organisation=found["organisation"],
    )


def require(
    expected: ExpectedSigner,
    found: SignerIdentity,
    *,
    person: tuple[str, ...] = (),
    organisation: tuple[str, ...] = (),
    power_of_attorney: bool = False,
) -> str:
    """Refuse any other signer than the expected one; the power of attorney he signed by, or an empty string.

    ``person`` and ``organisation`` name what a certificate must say at all. Raises SIGNER_MISMATCH, which names
    the fields that differ, CERT_FIELDS for what is missing, POWER_OF_ATTORNEY for a person who signed for an
    organisation where the policy allows that by such a power, and none is named.
    """
    by_person = power_of_attorney and bool(expected.ogrn) and not found.ogrn and bool(found.snils)
    if by_person and not (expected.power_of_attorney and expected.snils):
        raise SignatureRefused("POWER_OF_ATTORNEY")
    if by_person or not expected.ogrn:
        wanted, fields = {name: getattr(expected, name) for name in PERSON}, person
    else:
        wanted, fields = {name: getattr(expected, name) for name in ORGANISATION}, organisation
    missing = [name for name in fields if not getattr(found, name)]
    if missing:
        raise SignatureRefused("CERT_FIELDS", fields=", ".join(missing))
    differing = [name for name, value in wanted.items() if value and _differs(value, getattr(found, name))]
    if differing or not (expected.snils or expected.ogrn):
        raise SignatureRefused("SIGNER_MISMATCH", fields=", ".join(differing))
    return expected.power_of_attorney if by_person else ""


def _differs(wanted: str, found: str) -> bool:
    return _plain(wanted) != _plain(found)


def _string(node: asn1.Node) -> str:
    try:
        text = node.content.decode(STRINGS[node.tag])
    except (KeyError, UnicodeDecodeError) as error:
        raise SignatureRefused("BAD_CERTIFICATE") from error
    # Control and bidirectional characters would let a name redraw the page or terminal that shows it.
    if not text.isprintable():
        raise SignatureRefused("BAD_CERTIFICATE")
    return text


def _ten_digits(inn: str) -> str:
    """An organisation's ИНН without the two zeros that older certificates put before it (Order 795, 18)."""
    return inn[2:] if len(inn) == 12 and inn.startswith("00") else inn


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())


def _plain(text: str) -> str:
    """Spelling that does not matter: case, ё for е, spaces."""
    folded = unicodedata.normalize("NFC", text).casefold().replace("ё", "е")
    return " ".join(folded.split())
