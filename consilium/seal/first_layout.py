"""The first layout's `VERIFY.txt`, word for word: packages that carry it were given out and are judged for ever."""

from collections.abc import Mapping
from datetime import datetime

__all__ = ["render"]

TRUST_FILE = "trusted.pem"

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


def render(members: Mapping[str, bytes], moment: datetime) -> bytes:
    """The text for these files; every line that starts with `openssl` or `cat` can be run as it is."""
    dissents = [name for name in sorted(members) if name.startswith("dissent/") and name.endswith(".sig")]
    dissent = [_verify(name, f"{name[:-4]}.xml", moment) for name in dissents]
    signatures = [name for name in sorted(members) if name.startswith("signatures/")]
    return TEXT.format(
        prepare="\n".join(_prepare(members)),
        moment=moment.isoformat(timespec="seconds"),
        document="\n".join(_verify(name, "document.xml", moment) for name in signatures),
        dissent="\n".join(["openssl dgst -sha256 document.xml", *dissent] if dissent else ["   -"]),
        manifest=_verify("META-INF/signature.p7s", "META-INF/ASiCManifest.xml", moment),
    ).encode()


def _prepare(members: Mapping[str, bytes]) -> list[str]:
    authorities = [name for name in sorted(members) if name.endswith("-ca.crt")]
    lists = [name for name in sorted(members) if name.endswith(".crl")]
    shown = [f"openssl x509 -in {name} -noout -subject -fingerprint -sha256" for name in authorities]
    return [f"cat {' '.join(authorities + lists)} > {TRUST_FILE}", *shown]


def _verify(signature: str, content: str, moment: datetime) -> str:
    return (
        f"openssl cms -verify -cades -binary -inform DER -in {signature} -content {content}"
        f" -CAfile {TRUST_FILE} -crl_check_all -attime {int(moment.timestamp())} -out /dev/null"
    )
