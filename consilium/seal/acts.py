"""Acts of annulment (SG-15): a sealed package cannot know that it was annulled later; the act's own package says so.

An act takes effect with its seal: a document is out of force from the time stamped over the act's package, if that
package holds by itself and the same organisation (or one representative of it) sealed both. Nobody else's act, and none that is broken, undoes
a document; but each one that was shown is told of. The act's XML is `documents/annulment.py`, read here from bytes of anybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from consilium.seal.container import SIZE_LIMIT
from consilium.seal.errors import PackageRefused, SealError
from consilium.seal.history import require_one_past
from consilium.seal.package import read_file, read_package
from consilium.seal.parties import annuls_of
from consilium.seal.policy import Policy
from consilium.seal.report import verify_package
from consilium.seal.trust import TrustStore
from consilium.seal.verdicts import PackageReport, Verdict, plain, refused

__all__ = ["SUFFIX", "Judge", "beside", "with_acts"]

SUFFIX = ".asice"


@dataclass(frozen=True, slots=True)
class Judge:
    """By what everything of one run is judged: `verify_package`'s arguments."""

    roots: TrustStore | None
    policy: Policy | None
    at: datetime | None
    now: datetime

    def report(self, source: Path | bytes) -> PackageReport:
        """The verdict on one package."""
        return verify_package(source, roots=self.roots, policy=self.policy, at=self.at, now=self.now)

    def act(self, source: Path | bytes) -> PackageReport:
        """The same of an act; one that was sealed after the moment asked for is judged as of its own time."""
        report = self.report(source)
        if report.held or self.at is None:
            return report
        own = verify_package(source, roots=self.roots, policy=self.policy)
        later = own.held and own.sealed_at is not None and own.sealed_at > self.at
        return own if later else report

    @property
    def moment(self) -> datetime:
        """The moment in question."""
        return self.at or self.now


def beside(package: Path, given: list[Path]) -> dict[str, bytes]:
    """The packages to be held against this one, by path: every file named, and of folders the acts that annul it.

    A folder is looked through with all folders in it, as an export lays them out. Raises PackageRefused for a named file
    that cannot be read, OSError for such a folder.
    """
    own = read_package(package)["document.xml"]
    found: dict[str, bytes] = {}
    for path in given:
        if not path.is_dir():
            found[str(path)] = read_file(path)
            continue
        for file in sorted(path.rglob(f"*{SUFFIX}")):
            if content := _act_on(own, file):
                found[str(file)] = content
    return found


def _act_on(document: bytes, file: Path) -> bytes:
    """The package's bytes if it holds an act about that document, else nothing."""
    if not file.is_file() or file.stat().st_size > SIZE_LIMIT:
        return b""
    try:
        content = read_file(file)
        annuls = annuls_of(read_package(content)["document.xml"])
    except SealError:
        return b""
    return content if annuls is not None and annuls.is_of(document) else b""


def with_acts(report: PackageReport, others: Mapping[str, PackageReport], moment: datetime) -> PackageReport:
    """The report with a verdict on each package beside it, and the annulment if one of them is."""
    verdicts: list[Verdict] = []
    for name, other in others.items():
        try:
            verdicts.append(_verdict(report, name, other, moment))
        except PackageRefused as error:
            verdicts.append(refused(name, "act", error))
    acts = [others[one.name] for one in verdicts if one.code == "ANNULLED"]
    first = min(acts, key=lambda one: one.sealed_at or moment, default=None)
    return replace(
        report,
        held=report.held and all(one.held for one in verdicts),
        verdicts=(*report.verdicts, *verdicts),
        annulled=first.annuls if first else None,
        annulled_at=first.sealed_at if first else None,
    )


def _verdict(report: PackageReport, name: str, other: PackageReport, moment: datetime) -> Verdict:
    if not other.held or other.sealed_at is None:
        codes = ", ".join(sorted({one.code for one in other.verdicts if not one.held}))
        raise PackageRefused("ACT_NOT_HELD", codes=codes or "TIME_UNPROVEN")
    if report.history is not None and other.history is not None:
        require_one_past(report.history, other.history)
    annuls = other.annuls
    if annuls is None or annuls.sha256 != report.document_sha256:
        return plain(name, "act", "ACT_OTHER")
    if not report.sealer or other.sealer != report.sealer:
        raise PackageRefused("ACT_ORGANISATION")
    code = "ANNULLED" if other.sealed_at <= moment else "ACT_LATER"
    return plain(name, "act", code, number=annuls.number, since=other.sealed_at)
