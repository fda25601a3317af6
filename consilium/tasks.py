"""The worker: leases rows of the outbox, sends them to Celery, runs them. One task = one row.

    python -m consilium.tasks

The outbox is the truth; Celery carries only (row, lease token). A message that comes twice, late or from
another world finds that its token is no longer good and does nothing; a message that gets lost is sent
again when the lease runs out. So the broker may be `memory://` inside this process (the default) or Redis
(`CONSILIUM_REDIS_URL`) under any number of such processes, each with a dispatcher of its own.

A handler is `(parts, payload) -> datetime | None`: None = done, a time = run me again then (not a failure).
It runs at least once; its effect happens once because it changes things only through commands whose ids
come from the row's key, or under unique keys.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from celery import Celery
from celery.worker import WorkController
from celery.worker import state as celery_state
from kombu.exceptions import OperationalError

from consilium import bootstrap, clock
from consilium import log as logs
from consilium.errors import ConsiliumError
from consilium.parts import Parts
from consilium.settings import Settings, SettingsError
from consilium.store import NotDurable, outbox, sessions
from consilium.store.failpoint import failpoint
from consilium.store.transaction import Transaction

log = logging.getLogger(__name__)

# Kind of row -> where its handler lives; imported when the first such row is run.
HANDLERS: dict[str, str] = {
    "protocol.seal": "consilium.sealing:seal_protocol",
    "protocol.stamp": "consilium.sealing:stamp_signatures",
    "protocol.file": "consilium.registering:file_protocol",
    "signing.remind": "consilium.reminding:remind",
    "filing.check": "consilium.registering:check_filing",
    "protocol.export": "consilium.exporting:export_protocol",
    "webhook.deliver": "consilium.notifying:deliver",
    "archive.look": "consilium.renewing:look",
    "archive.renew": "consilium.renewing:renew_package",
    "anchor.write": "consilium.store.verify:write_anchors",
    "revocation.refresh": "consilium.revocations:refresh",
    "store.sweep": "consilium.tasks:sweep",
}
# Kind -> how often a row of it appears by itself.
RECURRING: dict[str, timedelta] = {
    "anchor.write": timedelta(minutes=10),
    "archive.look": timedelta(hours=6),
    "revocation.refresh": timedelta(hours=1),
    "store.sweep": timedelta(hours=1),
}
LOOK_EVERY = 0.25
MEMORY_POLL = 0.01
GRACE = 2.0
_RECURRING_KEPT = timedelta(days=1)
_STRAY_FILES_KEPT = timedelta(days=1)


def application(broker: str | None, queue: str) -> Celery:
    """The Celery app of one worker; without a broker its messages stay in this process."""
    app = Celery("consilium", broker=broker or "memory://localhost/", set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_default_queue=queue,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        # The memory transport looks for messages by polling, once a second if it is not told otherwise.
        broker_transport_options={} if broker else {"polling_interval": MEMORY_POLL},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
    )
    return app


class Worker:
    """One process' worth: a dispatcher thread and a Celery worker with a pool of threads."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.hold = timedelta(seconds=parts.settings.lease_seconds)
        self._window = parts.settings.worker_concurrency * 4
        # The memory broker is one for the whole process: a queue of its own keeps two workers apart.
        broker = parts.settings.redis_url
        self.app = application(broker, "consilium" if broker else f"consilium-{id(self)}")
        self._task = self._register()
        self._sent: dict[int, str] = {}
        self._slots: dict[str, int] = {}
        self._renew_at = clock.now()
        self._running: dict[int, str] = {}
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._ending = threading.Event()
        self.lost = threading.Event()  # Celery gave up: this process is of no more use
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None

    def _register(self) -> Any:
        """Celery's side of `run`: it takes plain functions, not methods."""

        def consilium_run(row_id: int, lease: str) -> None:
            self.run(row_id, lease)

        # shared=False: otherwise every later app of this process would get this worker's function.
        return self.app.task(name="consilium.run", shared=False, lazy=False)(consilium_run)

    def start(self) -> None:
        """Begin to work; returns at once."""
        self.app.set_default()  # Celery's pool threads ask for the app of the process
        self._unsubscribe = self.parts.hints.subscribe(self._awake.set)
        for name, work in (("celery", self._consume), ("dispatcher", self._dispatch)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, grace: float = GRACE) -> bool:
        """Take no new rows, let running ones end within `grace` seconds; False when some did not.

        Their leases are given up, so that another worker takes them over at once.
        """
        self._ending.set()
        self._awake.set()
        self._unsubscribe()
        limit = time.monotonic() + grace
        celery_state.should_stop = 0
        if self.parts.settings.redis_url is None:
            # Nobody's rows. Celery waits up to two seconds for a message, and once more after it was told to end.
            for _ in range(2):
                self._task.apply_async((0, ""))
        for thread in self._threads:
            thread.join(max(0.0, limit - time.monotonic()))
        celery_state.should_stop = None
        self.app.close()
        left = self._held()
        if left:
            now = clock.now()
            self.parts.store.run(now, lambda tx: [outbox.renew(tx.connection, *row, now) for row in left])
        return not left

    def run(self, row_id: int, lease: str) -> None:
        """Run one row, if the token is still good, and write down how it ended."""
        at = clock.now()
        store = self.parts.store
        row = store.run(at, lambda tx: outbox.start(tx.connection, row_id, lease, at, self.hold))
        if row is None:
            log.info("task.not_ours", extra={"row": row_id})
            return
        failpoint("tasks.before_effect")
        with self._holding(row):
            try:
                again = handler(row.kind)(self.parts, row.payload)
            except Exception as error:
                log.exception("task.failed", extra={"row": row.id, "kind": row.kind, "attempt": row.attempts})
                self._failed(row, _cause(error))
                return
            failpoint("tasks.after_effect")
            self._ended(row, again)
        log.info("task.ended", extra={"row": row.id, "kind": row.kind, "again": str(again or "")})
        self.parts.hints.wake()

    def _failed(self, row: outbox.Leased, cause: str) -> None:
        at = clock.now()
        self.parts.store.run(at, lambda tx: outbox.failed(tx.connection, row, at, cause))

    def _ended(self, row: outbox.Leased, again: datetime | None) -> None:
        at = clock.now()
        if again is None:
            self.parts.store.run(at, lambda tx: outbox.done(tx.connection, row, at))
        else:
            self.parts.store.run(at, lambda tx: outbox.later(tx.connection, row, again))

    @contextlib.contextmanager
    def _holding(self, row: outbox.Leased) -> Iterator[None]:
        with self._lock:
            self._running[row.id] = row.lease
        try:
            yield
        finally:
            with self._lock:
                del self._running[row.id]

    def _held(self) -> list[tuple[int, str]]:
        with self._lock:
            return list(self._running.items())

    def _consume(self) -> None:
        controller = WorkController(
            app=self.app,
            pool="threads",
            concurrency=self.parts.settings.worker_concurrency,
            hostname=f"worker-{os.getpid()}",
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        try:
            controller.start()
        finally:
            if not self._ending.is_set():
                log.error("worker.celery_ended")
                self.lost.set()

    def _dispatch(self) -> None:
        while not self._ending.is_set():
            try:
                self._recur()
                self._renew()
                self._send()
            except ConsiliumError as error:  # busy, no space: the next look finds the same rows
                log.warning("dispatcher.waits", extra={"cause": error.code})
            except OperationalError as error:  # the broker; leases run out and the rows are sent again
                log.warning("dispatcher.no_broker", extra={"cause": type(error).__name__})
            except Exception:
                log.exception("dispatcher.failed")
            self._awake.wait(LOOK_EVERY)
            self._awake.clear()

    def _recur(self) -> None:
        """Every slot of a recurring kind is one row, whoever of many dispatchers writes it first."""
        at = clock.now()
        for kind, every in RECURRING.items():
            slot = int(at.timestamp() // every.total_seconds())
            if self._slots.get(kind) == slot:
                continue
            with self.parts.store.write(at) as tx:
                tx.enqueue(kind, str(slot), {})
            self._slots[kind] = slot

    def _renew(self) -> None:
        now = clock.now()
        if self._held() and now >= self._renew_at:
            rows = self._held()
            until = now + self.hold
            self.parts.store.run(now, lambda tx: [outbox.renew(tx.connection, *row, until) for row in rows])
            self._renew_at = now + self.hold / 3

    def _send(self) -> None:
        at = clock.now()
        with self.parts.store.read(at) as reader:
            self._sent = outbox.unstarted(reader.connection, self._sent) if self._sent else {}
            if len(self._sent) >= self._window or not outbox.any_due(reader.connection, at):
                return
        limit = self._window - len(self._sent)
        rows = self.parts.store.run(at, lambda tx: outbox.lease_due(tx.connection, at, self.hold, limit))
        failpoint("tasks.before_dispatch")
        for row in rows:
            self._sent[row.id] = row.lease
            self._task.apply_async((row.id, row.lease), retry=False)
        failpoint("tasks.after_dispatch")


def handler(kind: str) -> Callable[[Parts, dict[str, Any]], datetime | None]:
    """The function for a kind of row; raises LookupError for one that nobody declared."""
    module, _, name = HANDLERS[kind].partition(":")
    return getattr(import_module(module), name)  # type: ignore[no-any-return]  # HANDLERS names functions of this shape


def sweep(parts: Parts, payload: dict[str, Any]) -> None:
    """Drop what has expired: sessions, tickets, answers of old commands, recurring rows, broken-off uploads."""
    at = clock.now()
    _sweep_files(parts, (at - _STRAY_FILES_KEPT).timestamp())

    def work(tx: Transaction) -> None:
        sessions.sweep(tx)
        for kind in RECURRING:
            outbox.forget(tx.connection, kind, at - _RECURRING_KEPT)

    parts.store.run(at, work)


def _sweep_files(parts: Parts, before: float) -> None:
    """Uploads that broke off a day ago. Whole files stay, even when no case refers to them any more.

    And what a killed worker was writing then: a package or an export that has no name yet holds a patient as well.
    """
    # Sealing is loaded by whoever seals.
    from consilium.packing import packages

    for part in parts.files.abandoned(before):
        part.unlink(missing_ok=True)
    exports = parts.settings.export_dir
    # The packages' folder is ours alone; into the other one whoever collects may write as well.
    for folder, hidden in ((packages(parts), ".*"), (exports, ".*.draft"), (exports / "index", ".*.draft")):
        for draft in folder.glob(hidden):
            if draft.lstat().st_mtime < before:
                _remove(draft)


def _remove(draft: Path) -> None:
    if draft.is_dir() and not draft.is_symlink():
        shutil.rmtree(draft, ignore_errors=True)
    else:
        draft.unlink(missing_ok=True)


def _cause(error: Exception) -> str:
    """What the operator sees: a code or the kind of fault, never text that may hold a patient's data."""
    return error.code if isinstance(error, ConsiliumError) else type(error).__name__


def main() -> int:
    """Work until SIGTERM or SIGINT; then end within three seconds, whatever runs."""
    try:
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        parts = bootstrap.build(settings)
    except (SettingsError, NotDurable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    worker = Worker(parts)
    worker.start()
    log.info("worker.started", extra={"broker": "redis" if settings.redis_url else "memory"})
    while not ending.wait(LOOK_EVERY) and not worker.lost.is_set():
        pass
    clean = worker.stop()
    log.info("worker.stopped", extra={"clean": clean})
    sys.stderr.flush()
    # Celery's threads may sit in a poll for seconds; what matters is in the database by now.
    os._exit(1 if worker.lost.is_set() else 0)


if __name__ == "__main__":
    # Under its own name: the task and its worker live in that module, not in __main__.
    sys.exit(import_module("consilium.tasks").main())
