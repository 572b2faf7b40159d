"""The durable mail queue: a mail is queued in one transaction with its cause, and tried until it is sent or dead."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TypeVar

import structlog

from gateway.backoff import delay
from gateway.contract import GatewayError, NotConnected
from gateway.notify import store
from gateway.notify.message import MailRefused, Notifier
from gateway.notify.settings import QueueSettings
from gateway.notify.store import Draft, Outcome, Summary, Waiting
from gateway.sqlite import transaction
from gateway.status import MailStatus

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

_log = structlog.get_logger(__name__)
_SECOND = 1_000_000_000
_DAY = 86_400 * _SECOND
_LAST_MAIL_S = 1.0
"""How long a stop waits for the mail that is being sent, lest it be sent again at the next start."""
_DISK_RETRY_S = 1.0
"""Pause while the file cannot be read or written."""


def after_failure(mail: Waiting, error: GatewayError, settings: QueueSettings, now: int, pause_s: float) -> Outcome:
    """What becomes of a mail that was not taken: another try after the pause, or a dead letter after the last one."""
    refused = isinstance(error, MailRefused)
    attempts, refusals = mail.attempts + 1, mail.refusals + refused
    exhausted = refusals >= settings.refusals if refused else attempts >= settings.attempts
    delay_s = settings.refused_retry_s if refused else pause_s
    return Outcome("dead" if exhausted else "waiting", str(error), attempts, refusals, now + int(delay_s * _SECOND))


def nothing(_: sqlite3.Connection) -> None:
    """No work in a transaction."""


def _do(connection: sqlite3.Connection, work: Work[T]) -> T:
    try:
        with transaction(connection):
            return work(connection)
    except sqlite3.Error as error:
        raise NotConnected(f"the mail queue cannot be read or written: {error}; free the disk") from error


def _counted(work: Work[None], connection: sqlite3.Connection) -> Summary:
    work(connection)
    return store.summary(connection)


class MailQueue:
    """Mails in a SQLite file, and the one sender that empties it. All SQLite work is done in one thread."""

    def __init__(self, notifier: Notifier, settings: QueueSettings, status: MailStatus) -> None:
        """Use `open`."""
        self._notifier = notifier
        self._settings = settings
        self._status = status
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mail")
        self._connection: sqlite3.Connection | None = None
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path, notifier: Notifier, settings: QueueSettings, status: MailStatus) -> MailQueue:
        """Open or make the file. GatewayError where it cannot be had."""
        queue = cls(notifier, settings, status)
        try:
            queue._connection = await asyncio.get_running_loop().run_in_executor(queue._thread, store.connect, path)
            await queue._change(partial(store.forget_sent, before=time_ns() - int(settings.keep_sent_d * _DAY)))
        except (sqlite3.Error, OSError, NotConnected) as error:
            await queue.close()
            raise GatewayError(
                f"{path} cannot be used as mail queue: {error}; free the disk or move it away"
            ) from error
        return queue

    async def transaction(self, work: Work[T]) -> T:
        """Do this in the file's thread, all or nothing. NotConnected while the file cannot be read or written."""
        if self._connection is None:
            raise NotConnected("the mail queue is closed")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _do, self._connection, work)

    async def enqueue(self, drafts: Sequence[Draft], alongside: Work[None] = nothing) -> None:
        """Queue the drafts of new occasions, and do `alongside` in the same transaction. NotConnected: neither."""

        def work(connection: sqlite3.Connection) -> None:
            alongside(connection)
            store.put(connection, drafts, time_ns())

        await (self._change(work) if drafts else self.transaction(work))
        self._news.set()

    async def run(self) -> None:
        """Send what is due until cancelled; the mail in hand is finished first."""
        while True:
            self._news.clear()
            mail = await self._patiently(store.first_due)
            pause = (mail.due - time_ns()) / _SECOND if mail else None
            if mail is None or (pause is not None and pause > 0):
                await self._wait_for_news(pause)
            else:
                await self._finish(asyncio.create_task(self._deliver(mail), name=f"mail {mail.message.id}"))

    async def adjust(self, notifier: Notifier, settings: QueueSettings) -> None:
        """Send this way from now on. Mails that wait for their next try are tried at once: the reason may be mended.

        Returns when the mail in hand has gone the old way.
        """
        before, self._notifier, self._settings = self._notifier, notifier, settings
        async with self._sending:
            await before.close()
        try:
            await self._change(partial(store.hurry, now=time_ns()))
        except NotConnected as error:
            _log.warning("waiting mails keep their time", reason=str(error))
        self._news.set()

    async def close(self) -> None:
        """Let go of peer and file. Idempotent; call it after `run` has ended."""
        await self._notifier.close()
        if self._connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
            self._connection = None
        self._thread.shutdown()

    async def _change(self, work: Work[None]) -> None:
        """Change mails, and show the change in the status once it is committed."""
        self._show(await self.transaction(partial(_counted, work)))

    def _show(self, summary: Summary) -> None:
        self._status.sent, self._status.waiting, self._status.dead = summary.sent, summary.waiting, summary.dead
        self._status.recent.clear()
        self._status.recent.extend(summary.recent)

    async def _patiently(self, work: Work[T]) -> T:
        """Do it as soon as the disk allows: a sent mail must not stay marked as waiting."""
        while True:
            try:
                return await self.transaction(work)
            except NotConnected as error:
                _log.warning("mail queue waits for its disk", reason=str(error))
                await asyncio.sleep(_DISK_RETRY_S)

    async def _wait_for_news(self, pause: float | None) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._news.wait()
        except TimeoutError:
            return

    async def _finish(self, delivery: asyncio.Task[None]) -> None:
        try:
            await asyncio.shield(delivery)
        except asyncio.CancelledError:
            await asyncio.wait({delivery}, timeout=_LAST_MAIL_S)
            delivery.cancel()
            raise

    async def _deliver(self, mail: Waiting) -> None:
        outcome = await self._try(mail)
        settle = partial(store.settle, row=mail.row, outcome=outcome)
        self._show(await self._patiently(partial(_counted, settle)))

    async def _try(self, mail: Waiting) -> Outcome:
        log = _log.bind(rule=mail.message.rule, to=mail.message.email, mail=mail.message.id)
        try:
            async with self._sending:
                await self._notifier.send(mail.message)
        except (MailRefused, NotConnected) as error:
            pause_s = delay(mail.attempts + 1, self._settings.first_retry_s, self._settings.longest_retry_s)
            outcome = after_failure(mail, error, self._settings, time_ns(), pause_s)
            log.warning("mail not sent", state=outcome.state, reason=outcome.reason, attempts=outcome.attempts)
            return outcome
        log.info("mail sent", subject=mail.message.subject)
        return Outcome("sent", "", mail.attempts + 1, mail.refusals, mail.message.time)
