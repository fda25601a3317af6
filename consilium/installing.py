"""`consilium semd install` and `consilium nsi import`: the state's files checked, copied and taken into the database.

The files are hostile until they have passed: plain files alone, bounded, XML without a DOCTYPE, schemas that include
nothing outside their own folder, rules that only look at the document. An installation is one folder named by its
content and one symbolic link that is exchanged, so a process sees the old files or the new ones and nothing between;
installing the same twice changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from lxml import etree

from consilium import clock, supervise
from consilium.directory import nsi, nsi_files
from consilium.directory.nsi_files import MAX_FILE, DictionaryRefused, Edition
from consilium.documents.guides import SCHEMA, Official
from consilium.errors import Conflict

if TYPE_CHECKING:
    from consilium.parts import Parts

MAX_FILES = 5000
MAX_TOTAL = 512 * 2**20
_NUMBER = re.compile(r"[0-9]{1,4}")


@dataclass(slots=True)
class Outcome:
    """What was found. `lines` are for the operator; `refused` is how many files were left out."""

    lines: list[str] = field(default_factory=list)
    refused: int = 0

    def refuse(self, name: str, reason: str) -> None:
        self.refused += 1
        self.lines.append(f"  {name}: не принято / refused: {reason}")


def install(parts: Parts, source: Path) -> Outcome:
    """Copy guides and dictionaries of a folder into `<data_dir>/semd`, and take the dictionaries in."""
    outcome = Outcome()
    target = parts.settings.data_dir / "semd"
    made = target.with_name(f".semd-{uuid4().hex}")
    try:
        digest = _copy(source, made, outcome)
        _judge(made, outcome)
        if not any(made.rglob("*.*")):
            outcome.refuse(str(source), "нет guides/ и nsi/ / neither guides/ nor nsi/")
            return outcome
        _exchange(made, target, digest, outcome)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    if (target / "nsi").is_dir():
        take_in(parts, target / "nsi", outcome)
    return outcome


def take_in(parts: Parts, source: Path, outcome: Outcome | None = None) -> Outcome:
    """Dictionaries of a folder or one file into the database; an edition that is here already stays as it is."""
    outcome = outcome or Outcome()
    if source.is_dir():
        found, refused = nsi.of_folder(source)
        # Lists of other shapes lie beside the dictionaries; others of the product's parts read them.
        outcome.lines += [f"  {name}: не справочник / no dictionary: {why}" for name, why in refused.items()]
    else:
        found = _one(source, outcome)
    for edition in found:
        _keep(parts, edition, outcome)
    return outcome


def _one(source: Path, outcome: Outcome) -> list[Edition]:
    try:
        return [nsi_files.read(source)]
    except DictionaryRefused as error:
        outcome.refuse(source.name, str(error))
        return []


def _keep(parts: Parts, edition: Edition, outcome: Outcome) -> None:
    at = clock.now()
    title = f"{edition.number:10} {edition.version:6} {edition.name}"
    try:
        new = parts.store.run(at, lambda tx: nsi.keep(tx, edition, at))
    except Conflict:
        outcome.refuse(title, "другие строки под той же версией / other rows under the same version")
        return
    state = f"строк / rows {len(edition.entries)}" if new else "уже есть / already here"
    outcome.lines.append(f"  {title}: {state}")


# --- files ---------------------------------------------------------------------------------------------


def _copy(source: Path, made: Path, outcome: Outcome) -> str:
    """Copy what passes; answers a digest of names and contents. Examples and everything else stay behind."""
    digest, total = hashlib.sha256(), 0
    for at, (path, name) in enumerate(_candidates(source)):
        try:
            content = _checked(path, name)
        except (OSError, ValueError) as error:
            outcome.refuse(str(name), str(error))
            continue
        total += len(content)
        if at >= MAX_FILES or total > MAX_TOTAL:
            outcome.refuse(str(name), "слишком много / too much")
            break
        digest.update(str(name).encode() + b"\0" + hashlib.sha256(content).digest())
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(content)
    return digest.hexdigest()[:16]


def _candidates(source: Path) -> Iterator[tuple[Path, Path]]:
    """Files in the places they must lie in, each with its name below the folder; links are not followed."""
    for folder, folders, names in os.walk(source / "guides", followlinks=False):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix in {".xsd", ".sch"}:
                yield path, path.relative_to(source)
    for path in sorted((source / "nsi").glob("*.json")):
        yield path, path.relative_to(source)


def _checked(path: Path, name: Path) -> bytes:
    """The content. Raises OSError or ValueError with the reason."""
    if path.is_symlink() or not path.is_file():
        raise ValueError("не файл / no plain file")
    if path.stat().st_size > MAX_FILE:
        raise ValueError(f"больше {MAX_FILE} байт / larger")
    content = path.read_bytes()
    if name.parts[0] == "guides":
        if not _NUMBER.fullmatch(Path(name.parts[1]).stem):
            raise ValueError("папка не названа кодом вида / not in a folder named by a kind's code")
        _check_inclusions(name, _plain_xml(content))
    return content


def _plain_xml(content: bytes) -> etree._Element:
    """The root of XML that is what it says: no DOCTYPE, no entities, nothing to fetch."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ValueError(str(error)[:200]) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise ValueError("DOCTYPE")
    return root


def _check_inclusions(name: Path, root: etree._Element) -> None:
    """An included schema lies in the same guide's folder. Asked of what was parsed: bytes can spell it in other ways."""
    base = Path(*name.parts[:2])
    for location in _locations(root):
        aim = os.path.normpath(name.parent / location.replace("\\", "/"))
        outside = any(one in location for one in ":%\0") or location.startswith(("/", "\\"))
        if outside or not Path(aim).is_relative_to(base):
            raise ValueError(f"включает {location} / includes {location}")


def _locations(root: etree._Element) -> Iterator[str]:
    """Everything a schema may be read from (include, import, redefine, hints of an instance), wherever it stands."""
    for element in root.iter(etree.Element):
        for attribute, value in element.attrib.items():
            if etree.QName(attribute).localname == "noNamespaceSchemaLocation":
                yield str(value)
            elif etree.QName(attribute).localname == "schemaLocation":
                # An instance's hints are pairs of namespace and place, a schema's is one place.
                pairs = str(attribute).startswith("{")
                yield from str(value).split()[1::2] if pairs else [str(value)]


def _judge(made: Path, outcome: Outcome) -> None:
    """Load everything as the product will; what does not load is taken out again and told."""
    official = Official.load(made)
    if official is None:
        return
    for number, reason in official.refused.items():
        outcome.refuse(f"guides/{number}", reason)
        shutil.rmtree(made / "guides" / number, ignore_errors=True)
        (made / "guides" / f"{number}.sch").unlink(missing_ok=True)
    for number, guide in official.guides.items():
        schema = SCHEMA if guide.schema is not None else "нет / none"
        rules = f"{len(guide.rules.rules)}" if guide.rules is not None else "нет / none"
        outcome.lines.append(f"  guides/{number}: схема / schema {schema}, правил / rules {rules}")


def _exchange(made: Path, target: Path, digest: str, outcome: Outcome) -> None:
    """The new folder under the name of its content, then one rename of the link that leads to it."""
    home = target.with_name(f"semd-{digest}")
    if target.is_symlink() and target.resolve() == home.resolve() and home.is_dir():
        outcome.lines.append("уже установлено / already installed")
        return
    if target.exists() and not target.is_symlink():
        raise supervise.CannotStart(
            f"{target} уже есть и поставлена не этой командой: уберите её. {target} was put there by other means: remove it."
        )
    shutil.rmtree(home, ignore_errors=True)
    made.rename(home)
    link = target.with_name(f".semd-{uuid4().hex}")
    link.symlink_to(home.name, target_is_directory=True)
    old = target.resolve() if target.is_symlink() else None
    link.replace(target)
    if old is not None and old != home.resolve() and old.parent == home.parent.resolve():
        shutil.rmtree(old, ignore_errors=True)
    outcome.lines.append(f"установлено в / installed in {target}")
