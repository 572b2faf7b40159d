"""One task per sink: what the journal has goes to the peer, live values at once, older ones beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic, time_ns
from typing import Self

import structlog
from pydantic import BaseModel, ConfigDict, Field

from gateway import ranges
from gateway.backoff import delay
from gateway.calls import Calls, ended
from gateway.contract import NotConnected, Rejected, Sink
from gateway.journal import INDEX_BITS, Journal, JournalError, Record
from gateway.lanes import Pace, Share, Turn, fitting, patience_s
from gateway.records import to_batch
from gateway.refusals import Refusals
from gateway.status import Link, SinkStatus
from gateway.store.cursor import Cursor
from gateway.values import Batch

log = structlog.get_logger(__name__)

_FINISH_S = 0.8
_CLOSE_S = 1.0
_CALM_MS = 250.0
_VALUES_A_TIMEOUT = 1000  # a slow peer that confirms steadily must get a large record through, else it never will


class DeliverySettings(BaseModel):
    """How a sink is served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_batch_bytes: int = Field(default=1 << 20, ge=1, description="Journal bytes that go into one batch.")
    max_batch_values: int = Field(
        default=50_000, ge=1, description="Values that go into one; a notification stays whole."
    )
    flush_ms: float = Field(
        default=25.0,
        ge=0,
        description="A value waits no longer than this for others, where such come; for rules and page up to 250 ms.",
    )
    live_s: float = Field(default=10.0, gt=0, description="What waits longer goes to the backlog; live values go on.")
    backlog_share: float = Field(default=0.25, gt=0, lt=1, description="Of the bytes, while live values wait.")
    timeout_s: float = Field(default=30.0, gt=0, description="A peer that takes longer for 1,000 values is away.")
    backoff_base_s: float = Field(default=0.5, gt=0, description="Longest first wait for a peer that is away.")
    backoff_cap_s: float = Field(default=30.0, gt=0, description="Longest wait for a peer that is away.")

    def calmer(self) -> Self:
        """For a sink in memory that works for people: larger batches a few times a second, live as long as others'."""
        flush_ms = max(self.flush_ms, _CALM_MS)
        return self.model_copy(update={"flush_ms": flush_ms, "live_s": self.live_s + flush_ms / 1000})


class Delivery:
    """Serves one sink until it is cancelled. The peer may be away at any time, for any time."""

    def __init__(self, sink: Sink, journal: Journal, status: SinkStatus, settings: DeliverySettings) -> None:
        self._sink, self._journal, self._status = sink, journal, status
        self._refusals = Refusals(status, journal.catalogue)
        self.adjust(settings)
        self._cursor: Cursor | None = None
        self._live_from = 1  # what is owed before this number is backlog; from it on everything is owed
        self._volume = 0  # the journal's volume at live_from
        self._received = 0  # when the last live record came
        self._attempts = 0
        self._calls = Calls()
        self._stopping = False

    def adjust(self, settings: DeliverySettings) -> None:
        """Serve by these settings from the next batch on."""
        self._settings = settings
        self._share = Share(settings.backlog_share, settings.max_batch_bytes)
        self._pace = Pace(settings.max_batch_bytes)
        self._patience_s = settings.flush_ms / 1000

    async def run(self) -> None:
        """Deliver until cancelled; then finish or abandon the running write within a second, save progress, close."""
        work = asyncio.create_task(self._work(), name=f"calls of {self._sink.name}")
        try:
            await asyncio.wait({work})
            work.result()
        except asyncio.CancelledError:
            self._stopping = True
            await ended(work, _FINISH_S if self._calls.is_waiting else 0.0)
            raise
        finally:
            await self._end()

    async def _work(self) -> None:
        while not self._stopping:
            await self._serve()

    async def _serve(self) -> None:
        """Open and deliver until something goes wrong; then wait."""
        try:
            cursor = await self._attach()
            await self._calls.answered(self._sink.open(self._journal.catalogue), self._settings.timeout_s)
            self._status.connection.become(Link.CONNECTED)
            while not self._stopping:
                await self._step(cursor)
        except (NotConnected, JournalError) as absence:
            await self._back_off(str(absence))
        except Exception as defect:
            log.exception("defect of a sink: please report it", sink=self._sink.name)
            await self._close()
            await self._back_off(f"defect of this sink: {defect!r}")

    async def _attach(self) -> Cursor:
        if self._cursor is None:
            self._cursor = await self._journal.cursor(self._sink.name, self._status)
            owed, head = self._cursor.owed, self._journal.head
            self._live_from = owed[-1][0] if owed and owed[-1][1] == head else head + 1
            waiting = self._settings.max_batch_bytes if self._has_live() else 0  # is due: it has waited
            self._volume = self._journal.volume - waiting
        return self._cursor

    async def _step(self, cursor: Cursor) -> None:
        """One turn; a journal that cannot be read now is no reason to let go of the peer."""
        try:
            await self._turn(cursor)
        except JournalError as failure:
            log.warning("sink waits for the journal", sink=self._sink.name, reason=str(failure))
            await asyncio.sleep(self._settings.backoff_base_s)

    async def _turn(self, cursor: Cursor) -> None:
        """Send what is due once others had their turn, or wait until something is and send that."""
        due, backlog = self._is_due(), bool(cursor.owed_before(self._live_from))
        turn = self._share.next(live_due=due, backlog=backlog)
        await (self._wait() if turn is Turn.WAIT else asyncio.sleep(0))
        if turn is Turn.BACKLOG:
            self._share.backlog_sent(await self._send_backlog(cursor), live_due=due)
        else:
            self._share.live_sent(await self._send_live(cursor), backlog=backlog)

    async def _send_live(self, cursor: Cursor) -> int:
        """The next live batch; returns its bytes. What was read from history is left to the backlog."""
        records = await self._read(self._live_from, self._journal.head, self._settings.max_batch_bytes)
        live = [record for record in records if not record.historical]
        if not records or (live and _age_s(live[0].received) > self._settings.live_s):
            self._skip_to_head()
            return 0
        if live:
            await self._write(self._batch(live), cursor, live)
        size = _size(records)
        first, last = records[0].received, records[-1].received
        self._patience_s = patience_s(self._received, first, last, self._settings.flush_ms / 1000)
        self._live_from, self._received = records[-1].sequence + 1, last
        self._volume = self._volume + size if self._has_live() else self._journal.volume
        return size

    async def _send_backlog(self, cursor: Cursor) -> int:
        """The oldest that is owed; returns its bytes."""
        first, last = cursor.owed_before(self._live_from)[0]
        records = await self._read(first, last, self._pace.limit())
        cursor.settle(first, records[0].sequence - 1 if records else last, 0)  # removed from the journal
        if records:
            started = monotonic()
            await self._write(self._batch(records, historical=True), cursor, records)
            self._pace.sent(_size(records), monotonic() - started)
        return _size(records)

    async def _read(self, first: int, last: int, max_bytes: int) -> list[Record]:
        records = await self._journal.read(first, last, max_bytes)
        return records[: fitting([record.count for record in records], self._settings.max_batch_values)]

    def _batch(self, records: Sequence[Record], *, historical: bool = False) -> Batch:
        return to_batch(records, data_types=self._journal.catalogue.data_types, historical=historical)

    async def _write(self, batch: Batch, cursor: Cursor, records: Sequence[Record]) -> None:
        """Return when the peer has all that it will ever take of these records."""
        batch = self._refusals.spare(batch)
        while count := len(batch):
            patience_s = self._settings.timeout_s * (1 + count // _VALUES_A_TIMEOUT)
            try:
                await self._calls.answered(self._sink.write(batch), patience_s)
            except Rejected as refusal:
                batch = self._refusals.take(batch, refusal)
            else:
                break
        self._settle(cursor, records)
        self._status.delivered += count - len(batch.gaps)
        self._status.last_delivery = time_ns()
        self._attempts = 0

    def _settle(self, cursor: Cursor, records: Sequence[Record]) -> None:
        count = sum(record.count for record in records)
        for first, last in ranges.runs(record.sequence for record in records):
            cursor.settle(first, last, count)
            count = 0
        first, last = records[0].sequence << INDEX_BITS, (records[-1].sequence + 1 << INDEX_BITS) - 1
        self._refusals.forget(first, last)

    def _is_due(self) -> bool:
        """Whether live records wait that are enough or have waited enough."""
        return self._has_live() and (
            self._journal.volume - self._volume >= self._settings.max_batch_bytes or self._flush_in_s() <= 0
        )

    def _has_live(self) -> bool:
        return self._journal.head >= self._live_from

    def _flush_in_s(self) -> float:
        """Seconds until the oldest live record has waited enough; a clock that was set makes it go at once."""
        left = self._patience_s - _age_s(self._journal.received(self._live_from))
        return left if left <= self._patience_s else 0.0

    async def _wait(self) -> None:
        """Until live records are due."""
        patience_s = self._flush_in_s() if self._has_live() else self._patience_s
        enough = self._volume + self._settings.max_batch_bytes
        await self._journal.wait(self._live_from - 1, enough, patience_s)

    def _skip_to_head(self) -> None:
        """Leave everything owed until now to the backlog; live values go on with the next record."""
        log.info("backlog grows", sink=self._sink.name, first=self._live_from, last=self._journal.head)
        self._live_from = self._journal.head + 1
        self._volume = self._journal.volume

    async def _back_off(self, reason: str) -> None:
        if reason != self._status.connection.reason:
            log.warning("sink is away, its values wait in the journal", sink=self._sink.name, reason=reason)
        self._status.connection.become(Link.WAITING, reason)
        self._status.retries += 1
        self._attempts += 1
        if not self._stopping:
            await asyncio.sleep(delay(self._attempts, self._settings.backoff_base_s, self._settings.backoff_cap_s))

    async def _end(self) -> None:
        self._status.connection.become(Link.STOPPED)
        try:
            await self._journal.save()
        except JournalError as error:
            log.warning("progress not saved, some values will be sent again", sink=self._sink.name, reason=str(error))
        await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._sink.close()
        except Exception:
            log.exception("sink not closed in good order", sink=self._sink.name)


def _size(records: Sequence[Record]) -> int:
    return sum(len(record.body) for record in records)


def _age_s(received: int) -> float:
    return (time_ns() - received) / 1e9
