"""The one thread that writes the journal: all who wait go into one transaction (group commit)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic, time_ns
from typing import Any, TypeVar

import structlog

from gateway.catalogue import TagCatalogue
from gateway.sqlite import is_damage
from gateway.status import JournalStatus
from gateway.store.cursor import Cursor, Progress
from gateway.store.file import JournalFile
from gateway.store.record import JournalError, JournalSettings
from gateway.store.retention import Expired, expire
from gateway.store.salvage import open_or_salvage
from gateway.store.schema import explain

log = structlog.get_logger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_TICK_S = 0.25  # progress of sinks is at most this old on disk; so long are the duplicates after a kill
_EXPIRE_S = 1.0
_STEP_FOR = 128  # one more step of retention for so many records appended


def _as_it_is(result: Any) -> Any:  # noqa: ANN401 - a job's result, handed on
    return result


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job in the queue, and who waits for it."""

    job: Callable[[JournalFile], Any]
    committed: Callable[[Any], Any]  # in the event loop, in the order of commits, also when nobody waits any more
    future: asyncio.Future[Any]


class _Commit(asyncio.Future[R]):
    """What a job becomes. It cannot be called off: whoever waits and is cancelled hears of that behind the commit."""

    def cancel(self, msg: object = None) -> bool:  # noqa: ARG002 - as the base's
        return False


class JournalWriter:
    """Runs jobs on the file, many in one transaction; a failed file is opened anew with the next job."""

    def __init__(
        self, file: JournalFile, settings: JournalSettings, catalogue: TagCatalogue, status: JournalStatus
    ) -> None:
        self.cursors: dict[str, Cursor] = {}
        self.status = status
        self.on_loss: Callable[[Expired], None] = lambda _: None
        self.on_replaced: Callable[[], None] = lambda: None
        self._path, self._settings, self._catalogue = file.path, settings, catalogue
        self._file: JournalFile | None = file
        self._head, self.removed = file.head, file.removed
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._next_save = self._next_expiry = 0.0
        self._thread = threading.Thread(target=self._main, name="journal", daemon=True)
        self._closed = False
        self._distrusted = False
        self._damaged = False

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def run(self, job: Callable[[JournalFile], T], committed: Callable[[T], R] = _as_it_is) -> asyncio.Future[R]:
        """What `committed` makes of the job's result once that is on disk; whoever waits need not wait to the end.

        JournalError if it could not be stored; then nothing has changed.
        """
        future: asyncio.Future[R] = _Commit(loop=self._loop)
        if self._closed:
            future.set_exception(JournalError("the journal is closed"))
        else:
            self._queue.put(_Waiting(job, committed, future))
        return future

    async def save(self) -> None:
        """Put the progress of all sinks on disk."""
        self._next_save = 0.0
        await self.run(lambda _: None)

    def distrust(self) -> None:
        """Open the file anew before the next job: a reader found it damaged."""
        self._distrusted = True

    async def close(self) -> None:
        """Finish what is queued, save the sinks' progress, close the file. Idempotent."""
        if not self._closed:
            self._closed = True
            self._next_save = 0.0
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        running = True
        while running:
            taken = self._take()
            running = None not in taken
            group = [waiting for waiting in taken if waiting is not None]
            before = self._head
            if group or self._has_progress():
                self._commit(group)
            if running:
                self._expire(1 + (self._head - before) // _STEP_FOR)
        if self._file:
            self._file.close()

    def _take(self) -> list[_Waiting | None]:
        """All who wait now; [] after a tick without any."""
        try:
            first = self._queue.get(timeout=_TICK_S)
        except Empty:
            return []
        return [first, *(self._queue.get_nowait() for _ in range(self._queue.qsize()))]

    def _commit(self, group: list[_Waiting]) -> None:
        try:
            file = self._open()
            before = file.connection.total_changes
            with file.transaction():
                results = [waiting.job(file) for waiting in group]
                saved = self._save_progress(file)
            self._head, self.removed = file.head, file.removed
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            self._failed(group, error)
            return
        for cursor, progress in saved:
            cursor.saved = progress
        self._post(self._succeed, group, results, file.connection.total_changes > before)

    def _open(self) -> JournalFile:
        if self._distrusted and self._file:
            self._file.close()
            self._file = None
        if self._file is None:
            self._file = self._reopen()
        self._distrusted = False
        return self._file

    def _reopen(self) -> JournalFile:
        """The file again, or a new one with all that is known in memory when the old one is damaged or gone."""
        file, replaced = open_or_salvage(self._path, self._head, damaged=self._damaged)
        self._damaged = False
        if replaced or file.head < self._head:
            with file.transaction():
                file.put_tags(self._catalogue.whole())
                file.put_eras(self._catalogue.eras())
                file.skip_to(self._head)
            for cursor in list(self.cursors.values()):
                cursor.saved = None
            self._post(self.on_replaced)
        return file

    def _has_progress(self) -> bool:
        """Whether there is some to store, and it is time for that."""
        return monotonic() >= self._next_save and any(c.progress is not c.saved for c in list(self.cursors.values()))

    def _save_progress(self, file: JournalFile) -> list[tuple[Cursor, Progress]]:
        """Store what has changed since it was last stored, when it is time for that."""
        if monotonic() < self._next_save:
            return []
        self._next_save = monotonic() + _TICK_S
        changed = [(c, c.progress) for c in list(self.cursors.values()) if c.progress is not c.saved]
        for cursor, progress in changed:
            file.put_cursor(cursor.sink, progress.seen, progress.owed)
        return changed

    def _expire(self, steps: int) -> None:
        if self._file is None or monotonic() < self._next_expiry:
            return
        try:
            for _ in range(steps):
                expired = expire(self._file, self._settings, time_ns(), self._owed_from())
                self.removed = self._file.removed
                self._next_expiry = 0.0 if expired.more else monotonic() + _EXPIRE_S
                if expired.lost:
                    self._post(self.on_loss, expired)
                if not expired.more:
                    break
            self.status.bytes = self._file.size()
        except Exception as error:  # noqa: BLE001 - the thread must live; the text is shown
            self._next_expiry = monotonic() + _EXPIRE_S
            self._failed([], error)

    def _owed_from(self) -> int:
        """The first sequence that any sink still owes."""
        owed = (cursor.progress.first_owed() for cursor in list(self.cursors.values()))
        return min(owed, default=self._head + 1)

    def _failed(self, group: list[_Waiting], error: Exception) -> None:
        """Nothing was stored; the file is opened anew next time, or replaced if it is damaged."""
        self._damaged = self._damaged or (isinstance(error, sqlite3.Error) and is_damage(error))
        if self._file:
            self._file.close()
            self._file = None
        self._post(self._fail, group, error)

    def _post(self, function: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - handed on unseen
        self._loop.call_soon_threadsafe(function, *arguments)

    def _succeed(self, group: list[_Waiting], results: list[Any], wrote: bool) -> None:  # noqa: FBT001 - from _commit
        if self.status.failure and wrote:  # an empty transaction proves nothing
            log.info("journal writes again", after=self.status.failure)
            self.status.failure = ""
        for waiting, result in zip(group, results, strict=True):
            told = waiting.committed(result)
            if not waiting.future.done():
                waiting.future.set_result(told)

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        text = f"journal cannot be written: {explain(error)}"
        if self.status.failure != text:
            log.error("journal cannot be written", reason=text, exc_info=error)
        self.status.failure = text
        self.status.failures += 1
        for waiting in group:
            if not waiting.future.done():
                failure = JournalError(text)
                failure.__cause__ = error
                waiting.future.set_exception(failure)
