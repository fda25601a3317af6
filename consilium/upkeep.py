"""What an operator does to an installation besides running it: its tables, people and journal."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from consilium import bootstrap, clock, supervise
from consilium.errors import ConsiliumError
from consilium.model import Organisation, Person
from consilium.parts import Parts
from consilium.settings import Settings
from consilium.store import NotDurable, Reader, outbox

if TYPE_CHECKING:
    from consilium.installing import Outcome


@contextmanager
def opened(settings: Settings) -> Iterator[Parts]:
    """The parts of this installation, tables brought to the newest shape; closed at the end.

    Raises CannotStart with one sentence when the database is not there or may lose what it acknowledged.
    """
    import sqlalchemy as sa

    try:
        parts = bootstrap.build(settings)
    except NotDurable as error:
        raise supervise.CannotStart(str(error)) from error
    except (ConsiliumError, sa.exc.DBAPIError, OSError) as error:
        raise supervise.CannotStart(
            f"База данных не открывается ({_first_line(error)}): проверьте CONSILIUM_DATABASE_URL и место на диске. "
            "The database cannot be opened: check CONSILIUM_DATABASE_URL and the disk."
        ) from error
    try:
        yield parts
    finally:
        parts.close()


def _first_line(error: BaseException) -> str:
    """The database's own words, which the store keeps as the cause of its refusal."""
    cause = error.__cause__ or error.__context__ if isinstance(error, ConsiliumError) else error
    return str(getattr(cause, "orig", None) or cause or error).strip().splitlines()[0]


def migrate(settings: Settings) -> int:
    """Bring the tables to the newest shape; safe to repeat."""
    with opened(settings):
        return 0


def load_demonstration(settings: Settings) -> int:
    """Organisations, people and cases for showing; does nothing where they are already."""
    from consilium import demo
    from consilium.service import Service

    with opened(settings) as parts:
        demo.load(Service(parts))
        return 0


def list_users(settings: Settings) -> int:
    """One line per account: login, name, organisation, duties."""
    with opened(settings) as parts, parts.store.read() as reader:
        for organisation in reader.organisations():
            for person in reader.people(organisation.id):
                print(_line(person, organisation))
    return 0


def _line(person: Person, organisation: Organisation) -> str:
    state = "" if person.active else "  (закрыта / closed)"
    return f"{person.login:<20} {person.full_name:<40} {organisation.name}  {', '.join(person.duties)}{state}"


def add_user(settings: Settings, organisation: str, fields: Mapping[str, object]) -> int:
    """Add a person to the organisation named by id or name; the password is asked for, never an argument."""
    import msgspec

    from consilium.actor import SYSTEM
    from consilium.commands import AddPerson
    from consilium.service import Service

    with opened(settings) as parts:
        with parts.store.read() as reader:
            home = _organisation(reader, organisation)
        try:
            command = msgspec.convert(
                {**fields, "organisation": str(home.id), "password": _password()}, AddPerson
            )
            Service(parts).handle(command, SYSTEM, uuid4(), clock.now())
        except (ConsiliumError, msgspec.ValidationError) as refusal:
            raise supervise.CannotStart(f"Не добавлено. Not added: {refusal}") from refusal
    print(f"{fields['login']}: {home.name}")
    return 0


def _organisation(reader: Reader, wanted: str) -> Organisation:
    found = reader.organisations()
    for organisation in found:
        if wanted in (str(organisation.id), organisation.name):
            return organisation
    known = "; ".join(f"{organisation.id} {organisation.name}" for organisation in found)
    raise supervise.CannotStart(
        f"Нет такой организации, есть: {known}. No such organisation, known are the above."
    )


def _password() -> str:
    if sys.stdin.isatty():
        return getpass("Пароль / password: ")
    return sys.stdin.readline().rstrip("\n")


def install_official(settings: Settings, folder: Path) -> int:
    """Check and copy the state's schemas, rules and dictionaries; 1 when a file was left out."""
    from consilium import installing

    return _told(settings, folder, installing.install)


def import_dictionaries(settings: Settings, path: Path) -> int:
    """Take in dictionaries of a folder or a file; 1 when one was left out."""
    from consilium import installing

    return _told(settings, path, installing.take_in)


def _told(settings: Settings, path: Path, work: Callable[[Parts, Path], "Outcome"]) -> int:
    if not path.exists():
        raise supervise.CannotStart(f"Нет {path}. There is no {path}.")
    with opened(settings) as parts:
        outcome = work(parts, path)
    print("\n".join(outcome.lines))
    return 1 if outcome.refused else 0


def revive_outbox(settings: Settings) -> int:
    """Tasks that ran out of attempts are worked on anew; every one of them may run twice."""
    at = clock.now()
    with opened(settings) as parts:
        found = parts.store.run(at, lambda tx: outbox.revive(tx.connection, at))
    for kind, key, error in found:
        print(f"{kind} {key}: {error}")
    print(f"снова в работе / at work again: {len(found)}")
    return 0


def verify_journal(settings: Settings) -> int:
    """Recompute every chain of the journal; 1 and the place of the first break when it is not whole."""
    from consilium.store import verify

    with opened(settings) as parts, parts.store.read() as reader:
        verdict = verify.verify(reader)
    print(
        f"записей / events {verdict.rows}, потоков / streams {verdict.streams}, якорей / anchors {verdict.anchors}"
    )
    if verdict.broken is None:
        print("Журнал цел. The journal is whole.")
        return 0
    broken = verdict.broken
    print(
        f"Журнал нарушен / broken: {broken.reason}, {broken.stream_kind} {broken.stream_id} seq {broken.seq}, "
        f"position {broken.position}"
    )
    return 1
