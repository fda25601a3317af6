"""The writer of the first layout, kept as it was when packages were given out by it: no timestamps, SHA-256 only."""

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.consilium.seal.conftest import AT, DOCUMENT, World

HEAD = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
    ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">\n'
    '  <asic:SigReference URI="META-INF/signature.p7s" MimeType="application/x-pkcs7-signature"/>\n'
)
ROW = (
    '  <asic:DataObjectReference URI="{name}">\n'
    '    <ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>\n'
    "    <ds:DigestValue>{digest}</ds:DigestValue>\n"
    "  </asic:DataObjectReference>\n"
)
TEXT = """\
КАК ПРОВЕРИТЬ ЭТОТ ПАКЕТ                                  HOW TO CHECK THIS PACKAGE

Нужна только программа openssl (3.0 или новее).           All you need is the openssl program (3.0 or newer).
Распакуйте пакет и выполните команды в его папке.         Unpack the package and run the commands in its folder.
Каждая проверка подписи должна ответить                   Every signature check must answer
    CAdES Verification successful
Подписи сделаны под точными байтами document.xml; ключ -binary обязателен, без него openssl меняет концы строк.
The signatures cover the exact bytes of document.xml; -binary is required, or openssl changes line ends.

ВНИМАНИЕ. Корневой сертификат лежит в самом пакете. Сравните его отпечаток с тем, что опубликовал
удостоверяющий центр: иначе проверка показывает только внутреннюю согласованность пакета.
NOTE. The root certificate lies in the package itself. Compare its fingerprint with the one that the authority
publishes; otherwise the check shows only that the package agrees with itself.
Демонстрационный удостоверяющий центр юридической силы не даёт.
A demonstration authority gives no legal force.

1. Доверенные сертификаты и списки отозванных             Trusted certificates and revocation lists
{prepare}

2. Протокол и подписи                                     The protocol and its signatures
   Число после -attime - момент, на который составлены списки отозванных ({moment}).
   The number after -attime is the moment for which the revocation lists were made ({moment}).
{document}

3. Особые мнения                                          Dissenting opinions
   Каждое содержит SHA-256 протокола; сравните его с ответом команды. Each carries the protocol's SHA-256; compare.
{dissent}

4. Опись пакета                                           The manifest of the package
   Подписана организацией; в ней SHA-256 (base64) каждого файла. Signed by the organisation; SHA-256 of every file.
{manifest}
"""


def old_package(world: World, at: datetime = AT) -> bytes:
    """A package as the first release wrote it: two doctors, the organisation, one dissent."""
    contents = world.contents()
    members = {
        "mimetype": b"application/vnd.etsi.asic-e+zip",
        "document.xml": DOCUMENT,
        "audit/chain.jsonl": contents.audit,
        "signatures/01-chair.sig": contents.signatures[0].cms,
        "signatures/02-member.sig": contents.signatures[1].cms,
        "signatures/org.sig": contents.org_signature,
        "dissent/01.xml": contents.dissents[0].xml,
        "dissent/01.sig": contents.dissents[0].cms,
        "evidence/certs/01-elkina.crt": _pem(world.chair.certificate),
        "evidence/certs/02-ilina.crt": _pem(world.member.certificate),
        "evidence/certs/org.crt": _pem(world.organisation.certificate),
        "evidence/certs/01-ca.crt": _pem(world.authority.root),
        "evidence/crl/01-ca.crl": x509.load_der_x509_crl(contents.crls[0]).public_bytes(Encoding.PEM),
    }
    members["VERIFY.txt"] = _text(at)
    members["META-INF/ASiCManifest.xml"] = _manifest(members)
    members["META-INF/signature.p7s"] = contents.seal(members["META-INF/ASiCManifest.xml"])
    return _packed(members)


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def _text(at: datetime) -> bytes:
    def verify(signature: str, content: str) -> str:
        return (
            f"openssl cms -verify -cades -binary -inform DER -in {signature} -content {content}"
            f" -CAfile trusted.pem -crl_check_all -attime {int(at.timestamp())} -out /dev/null"
        )

    prepare = [
        "cat evidence/certs/01-ca.crt evidence/crl/01-ca.crl > trusted.pem",
        "openssl x509 -in evidence/certs/01-ca.crt -noout -subject -fingerprint -sha256",
    ]
    signatures = ("signatures/01-chair.sig", "signatures/02-member.sig", "signatures/org.sig")
    return TEXT.format(
        prepare="\n".join(prepare),
        moment=at.isoformat(timespec="seconds"),
        document="\n".join(verify(name, "document.xml") for name in signatures),
        dissent="\n".join(["openssl dgst -sha256 document.xml", verify("dissent/01.sig", "dissent/01.xml")]),
        manifest=verify("META-INF/signature.p7s", "META-INF/ASiCManifest.xml"),
    ).encode()


def _manifest(members: Mapping[str, bytes]) -> bytes:
    rows = [
        ROW.format(name=name, digest=base64.b64encode(hashlib.sha256(members[name]).digest()).decode())
        for name in sorted(set(members) - {"mimetype"})
    ]
    return (HEAD + "".join(rows) + "</asic:ASiCManifest>\n").encode()


def _packed(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in ("mimetype", *sorted(set(members) - {"mimetype"})):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()
