"""The way into the journal: what is stored here may be acknowledged to the server, and nothing else."""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import TYPE_CHECKING

import structlog

from gateway.backoff import delay
from gateway.journal import Draft, Heard, JournalError, Kind
from gateway.store.bodies import gap_body
from gateway.values import Gap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from gateway.journal import Journal
    from gateway.status import SourceStatus

_BASE_S, _CAP_S = 0.25, 5.0

_log = structlog.get_logger(__name__)


async def _nothing() -> None:
    """Do nothing."""


class Intake:
    """The journal as one source sees it."""

    def __init__(self, journal: Journal, status: SourceStatus) -> None:
        self.source = status.name
        self._journal = journal
        self._status = status

    async def store(
        self,
        drafts: Sequence[Draft],
        then: Callable[[], None] = lambda: None,
        while_refused: Callable[[], Awaitable[None]] = _nothing,
        heard: Mapping[str, int] | None = None,
    ) -> None:
        """Return when the drafts are on disk, however long the journal refuses; `then` has run by that time.

        `heard` is stored with them: numbers of the last messages, by the subscription's token.
        What was begun is finished even if the caller is cancelled: `then` runs exactly when the drafts are stored.
        """
        attempt = 0
        while not await self._stored(drafts, then, heard, attempt):
            attempt += 1
            await while_refused()
            await asyncio.sleep(delay(attempt, _BASE_S, _CAP_S))

    async def _stored(
        self, drafts: Sequence[Draft], then: Callable[[], None], heard: Mapping[str, int] | None, attempt: int
    ) -> bool:
        if drafts or heard:
            commit = self._journal.append(drafts, Heard(self.source, heard) if heard else None)
            try:
                await commit
            except asyncio.CancelledError:
                if commit.exception() is None:
                    then()
                raise
            except JournalError as error:
                self._show(str(error), attempt)
                return False
        then()
        self._show("", attempt)
        return True

    def _show(self, failure: str, attempt: int) -> None:
        connection = self._status.connection
        if failure:
            connection.become(connection.link, f"nothing is acknowledged: {failure}")
            if not attempt:
                _log.error("journal refuses, the server keeps the values", source=self.source, reason=failure)
        elif attempt:
            connection.become(connection.link, "")
            _log.info("journal accepts again", source=self.source, attempts=attempt)

    async def announce(self, tags: Sequence[int], start: int, end: int, reason: str) -> None:
        """Say what is lost: a gap of these tags (none = all of the source) from start to end, Unix ns."""
        gap = Gap(0, self.source, tuple(sorted(tags)), start, max(start, end), reason)
        _log.warning("values are lost", source=self.source, tags=len(tags), reason=reason)
        await self.store([Draft(Kind.GAP, self.source, gap_body(gap), 0, received=time_ns())])
        self._status.gaps += 1
