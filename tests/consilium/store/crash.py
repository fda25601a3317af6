"""What the killed processes of `test_crash.py` run: `python -m tests.consilium.store.crash commands [NUMBER]|worker`."""

import sys
from types import SimpleNamespace
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import sqlalchemy as sa

from consilium import clock, tasks
from consilium.events import RequestAccepted
from consilium.settings import Settings
from consilium.store import Store, Transaction, tables
from tests.consilium.store import work

COMMANDS = 5
NOBODY: Any = SimpleNamespace(person_id=None)


def command(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"crash:{number}")


def give(store: Store, number: int) -> dict[str, Any]:
    """One command: an aggregate, an event, a row of work and the remembered answer, all or nothing."""

    def do(tx: Transaction) -> dict[str, Any]:
        known = tx.command_reply(command(number), None)
        if known is not None:
            return known[1]
        key = tx.connection.execute(sa.select(tables.cases.c.id)).scalar_one()
        case = tx.case(key)
        case.revision += 1
        case.question += f"{number};"
        tx.record(RequestAccepted(), case.id, case.sender_id, NOBODY)
        tx.enqueue("test.once", str(number), {"key": str(number)})
        answer = {"revision": case.revision}
        tx.remember_command(command(number), None, "f", answer)
        return answer

    return store.run(clock.now(), do)


def give_all(settings: Settings) -> int:
    store = Store(settings.database_url, settings)
    for number in range(1, (int(sys.argv[2]) if len(sys.argv) > 2 else COMMANDS) + 1):
        answer = give(store, number)
        sys.stdout.write(f"{number} {answer['revision']}\n")
        sys.stdout.flush()
    return 0


def main() -> int:
    if sys.argv[1] == "commands":
        return give_all(Settings.from_environment())
    tasks.HANDLERS.update(work.KINDS)
    tasks.RECURRING.clear()
    return tasks.main()


if __name__ == "__main__":
    sys.exit(main())
