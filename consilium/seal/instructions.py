"""`VERIFY.txt`: how to check a package without this program, and the commands themselves for those who run them.

The text is written one way only: a package whose text differs from what is rendered from its files is refused, so
nobody is led to run another command. A text that was given out is therefore never edited: a new one is a new layout.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from consilium.seal import cms, der, first_layout, tsp
from consilium.seal.errors import SignatureRefused
from consilium.seal.layers import (
    MANIFEST,
    MANIFEST_SIGNATURE,
    MANIFEST_TOKEN,
    evidence_of,
    layer_of,
    named,
    token_of,
)
from consilium.seal.manifest import parse_manifest
from consilium.seal.policy import RU_UKEP

__all__ = ["commands", "judged_at", "render", "stamped_at"]

PROGRAMS = ("openssl ", "cat ", "grep ", "printf ", "OPENSSL_CONF=gost.cnf openssl ")
# `openssl ts -verify` ignores -engine and `openssl ocsp` has no such option: both take the engine from a configuration.
WITH_GOST = "OPENSSL_CONF=gost.cnf "
GOST_CONFIGURATION = (
    "printf '%s\\n' 'openssl_conf = start' '[start]' 'engines = engines' '[engines]' 'gost = gost' '[gost]'"
    " 'engine_id = gost' 'default_algorithms = ALL' > gost.cnf"
)
# 1.2.643.7.1.1, the arc of GOST algorithms, as it stands inside DER.
GOST = bytes.fromhex("2a8503070101")

TEXT = """\
КАК ПРОВЕРИТЬ ЭТОТ ПАКЕТ

Нужна только программа openssl (3.0 или новее){engine_ru}. Распакуйте пакет в пустую папку и выполните в ней команды
по порядку; строки команд начинаются с openssl, cat или grep{lines_ru}. Если в пакете есть папки evidence-001, evidence-002 и
далее, возьмите команды из файла VERIFY.txt последней из них: пакет продлён, и там есть проверка архивных меток.
Каждая команда должна завершиться без ошибки:
    проверка подписи отвечает        CAdES Verification successful
    проверка метки времени отвечает  Verification: OK
    сверка с описью печатает строку с контрольной суммой файла
Подписи сделаны под точными байтами файлов. Ключ -binary обязателен: без него openssl меняет концы строк.
Число после -attime - момент, на который проверяются сертификаты и списки отозванных (секунды с 1970 года): для
подписи это время её метки, для метки - время следующей за ней. Поэтому проверка не зависит от сегодняшнего числа.

ВНИМАНИЕ. Корневые сертификаты лежат в самом пакете. Сравните их отпечатки (раздел 1) с теми, что опубликовали
удостоверяющие центры: иначе проверка показывает только внутреннюю согласованность пакета. Последнюю метку времени
должна была выдать служба, сертификат которой действует сегодня.
Демонстрационный удостоверяющий центр юридической силы не даёт.


HOW TO CHECK THIS PACKAGE

All you need is the openssl program (3.0 or newer){engine_en}. Unpack the package into an empty folder and run the
commands there in their order; lines of commands begin with openssl, cat or grep{lines_en}. Where the package has folders
evidence-001, evidence-002 and so on, take the commands from VERIFY.txt of the last of them: the package was renewed.
Every command must end without an error: a signature's check answers "CAdES Verification successful", a timestamp's
"Verification: OK", and a comparison with the manifest prints the line with the file's digest.
The signatures cover the exact bytes of the files; -binary is required, or openssl changes line ends. The number after
-attime is the moment that certificates and revocation lists are judged at (seconds since 1970): for a signature the
time of its timestamp, for a timestamp the time of the next one. So the answer does not depend on today's date.
NOTE. The root certificates lie in the package itself. Compare their fingerprints (section 1) with those that the
authorities publish; otherwise the check shows only that the package agrees with itself. The authority of the newest
timestamp must have a certificate that is valid today. A demonstration authority gives no legal force.


1. Доверенные сертификаты и списки отозванных / Trusted certificates and revocation lists

{prepare}


2. Протокол и подписи / The protocol and its signatures

{document}


3. Особые мнения / Dissenting opinions
   Каждое содержит SHA-256 протокола; сравните его с ответом первой команды.
   Each carries the protocol's SHA-256; compare it with the first command's answer.

{dissent}


4. Метки времени подписей / Timestamps of the signatures
   Метка выдана на значение подписи; первая команда достаёт его из файла, вторая проверяет метку.
   A timestamp covers the signature's value: one command takes it out of the file, the next checks the timestamp.

{tokens}


5. Ответы об отзыве (OCSP) / Revocation answers (OCSP)

{answers}


6. Опись пакета, подписанная организацией, и её метка времени / The manifest, signed by the organisation, and its timestamp

{manifest}


7. Файлы по описи / Files against the manifest

{files}


8. Архивные метки времени / Archive timestamps
   Каждая выдана на опись всего, что было в пакете до неё, и продлевает силу предыдущей; в последней описи все файлы.
   Each covers a list of all that was in the package before it, and prolongs the one before; the last lists all files.

{archive}
"""


def render(members: Mapping[str, bytes], upto: int = 0, digest: str = "") -> bytes:
    """The text for the files of the layers up to that number; every line of a command can be run as it is.

    ``digest`` is the one of the newest archive manifest, where that is not among the files yet.
    """
    present = {name: content for name, content in members.items() if named(name) <= upto}
    if not any(name.startswith("evidence/tst/") for name in present):
        return first_layout.render(members, judged_at(members))
    engine = any(_is_gost(name, content) for name, content in present.items())
    if upto and not digest:
        digest, _ = parse_manifest(members[layer_of(upto).covered])
    return _Text(present, upto, WITH_GOST if engine else "", digest, judged_at(present)).render()


def commands(text: bytes) -> list[str]:
    """The commands of a rendered text, in order."""
    return [line for line in text.decode().splitlines() if line.startswith(PROGRAMS)]


def judged_at(members: Mapping[str, bytes]) -> datetime:
    """The newest signing time, timestamp or revocation list of what was sealed.

    In the first layout it is stated by the parties and not proven: that takes a trusted timestamp.
    """
    moments = [_moment(name, content) for name, content in members.items() if named(name) == 0]
    return max((moment for moment in moments if moment), default=datetime.fromtimestamp(0, UTC))


def stamped_at(token: bytes) -> datetime | None:
    """The time a token states; None where it cannot be read."""
    try:
        return tsp.read_token(token).info.time
    except SignatureRefused:
        return None


def _moment(name: str, content: bytes) -> datetime | None:
    try:
        if name.endswith(".sig"):
            return cms.parse(content, RU_UKEP.limits, ber_outer=True).signing_time
        if name.startswith("evidence/tst/"):
            return stamped_at(content)
        return x509.load_pem_x509_crl(content).last_update_utc if name.endswith(".crl") else None
    except (SignatureRefused, ValueError, x509.InvalidVersion):
        return None  # A broken file has its own verdict; it dates nothing.


def _is_gost(name: str, content: bytes) -> bool:
    if name.endswith(".crt"):
        return GOST in x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
    return name.endswith((".sig", ".tst")) and GOST in content


@dataclass(frozen=True, slots=True)
class _Text:
    """Everything the text says about one set of files."""

    members: Mapping[str, bytes]
    upto: int
    engine: str
    digest: str
    moment: datetime

    def render(self) -> bytes:
        words = {
            "engine_ru": " с модулем gost-engine" if self.engine else "",
            "engine_en": " with the gost engine" if self.engine else "",
            "lines_ru": ", printf и OPENSSL_CONF" if self.engine else "",
            "lines_en": ", printf and OPENSSL_CONF" if self.engine else "",
        }
        sections = {
            "prepare": self._prepare(),
            "document": (self._signature(name, "document.xml") for name in self._named("signatures/")),
            "dissent": self._dissents(),
            "tokens": self._tokens(),
            "answers": self._answers(),
            "manifest": self._manifest(),
            "files": (self._listed(name, MANIFEST, "sha256") for name in self._sealed()),
            "archive": self._archive(),
        }
        joined = {name: "\n".join(lines) or "   -" for name, lines in sections.items()}
        return TEXT.format(**words, **joined).encode()

    def _named(self, folder: str, ending: str = ".sig") -> list[str]:
        return [name for name in sorted(self.members) if name.startswith(folder) and name.endswith(ending)]

    def _sealed(self) -> list[str]:
        own = {"mimetype", "VERIFY.txt", MANIFEST, MANIFEST_SIGNATURE, MANIFEST_TOKEN}
        return [name for name in sorted(self.members) if named(name) == 0 and name not in own] + [
            "VERIFY.txt"
        ]

    def _prepare(self) -> Iterator[str]:
        if self.engine:
            yield GOST_CONFIGURATION
        for name in evidence_of(self.members, self.upto, "-ca.crt"):
            yield f"openssl x509 -in {name} -noout -subject -fingerprint -sha256"
        for number in range(self.upto + 1):
            before = [_trust(number - 1)] if number else []
            files = [
                *evidence_of(self.members, number, "-ca.crt"),
                *evidence_of(self.members, number, ".crl"),
            ]
            own = [name for name in files if named(name) == number]
            yield f"cat {' '.join(before + own)} > {_trust(number)}"

    def _signature(self, name: str, content: str) -> str:
        stamped = stamped_at(self.members.get(token_of(name), b""))
        newest = max((_moment(one, self.members[one]) or _NEVER for one in self._lists(0)), default=_NEVER)
        moment = stamped if stamped and stamped >= newest else self.moment
        return (
            f"{self.engine}openssl cms -verify -cades -binary -inform DER -in {name} -content {content}"
            f" -CAfile {_trust(0)} -crl_check_all -attime {_seconds(moment)} -out /dev/null"
        )

    def _dissents(self) -> Iterator[str]:
        for number, name in enumerate(self._named("dissent/")):
            if number == 0:
                yield "openssl dgst -sha256 document.xml"
            yield self._signature(name, f"{name[:-4]}.xml")

    def _tokens(self) -> Iterator[str]:
        for name in (*self._named("signatures/"), *self._named("dissent/")):
            token = token_of(name)
            value = f"{token.rpartition('/')[2][:-4]}.value"
            yield (
                f"openssl asn1parse -inform DER -in {name} -strparse {self._value_at(name)} -noout -out {value}"
            )
            yield self._stamp(token, value, 0, self.moment)

    def _value_at(self, name: str) -> int:
        """Where the signature's value lies in the file, header included."""
        content = self.members[name]
        return content.index(der.octets(cms.parse(content, RU_UKEP.limits, ber_outer=True).signature))

    def _answers(self) -> Iterator[str]:
        for number in range(self.upto + 1):
            for name in evidence_of(self.members, number, ".ors"):
                if named(name) == number:
                    moment = _seconds(self._moment_of(number))
                    yield (
                        f"{self.engine}openssl ocsp -respin {name} -CAfile {_trust(number)} -attime {moment} -resp_text"
                        f" -out {name.replace('/', '-')}.txt"
                    )

    def _manifest(self) -> Iterator[str]:
        yield self._signature(MANIFEST_SIGNATURE, MANIFEST)
        over = min(1, self.upto)
        yield self._stamp(MANIFEST_TOKEN, MANIFEST_SIGNATURE, over, self._moment_of(over))

    def _listed(self, name: str, listed: str, digest: str) -> str:
        return (
            f"grep -A 3 -F 'URI=\"{name}\"' {listed}"
            f' | grep -F "$(openssl dgst -{digest} -binary {name} | openssl base64 -A)"'
        )

    def _archive(self) -> Iterator[str]:
        for number in range(1, self.upto + 1):
            layer, over = layer_of(number), min(number + 1, self.upto)
            yield self._stamp(layer.token, layer.covered, over, self._moment_of(over))
        if self.upto:
            newest = layer_of(self.upto)
            own = {"mimetype", newest.token, newest.covered, newest.instructions}
            for name in [*sorted(set(self.members) - own), newest.instructions]:
                yield self._listed(name, newest.covered, self.digest)

    def _stamp(self, token: str, covered: str, number: int, moment: datetime) -> str:
        return (
            f"{self.engine}openssl ts -verify -token_in -in {token} -data {covered}"
            f" -CAfile {_trust(number)} -crl_check_all -attime {_seconds(moment)}"
        )

    def _lists(self, number: int) -> list[str]:
        return [name for name in evidence_of(self.members, number, ".crl") if named(name) == number]

    def _moment_of(self, number: int) -> datetime:
        """When the evidence of a layer was gathered, as it says itself."""
        if number == 0:
            return self.moment
        issued = (_moment("evidence/crl/.crl", self.members[name]) for name in self._lists(number))
        begun = (
            x509.load_pem_x509_certificate(self.members[name]).not_valid_before_utc
            for name in evidence_of(self.members, number, ".crt")
            if named(name) == number
        )
        found = [moment for moment in (*issued, *begun) if moment]
        return max(found) if found else self._moment_of(number - 1)


_NEVER = datetime.fromtimestamp(0, UTC)


def _trust(number: int) -> str:
    return f"trusted-{number:03d}.pem" if number else "trusted.pem"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
