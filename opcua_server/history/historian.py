"""Keeps the history without holding up the event loop: samples are collected, a thread of its own writes and reads."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
from asyncua import ua

from opcua_server.clock import SECOND, from_datetime
from opcua_server.history.events import Occurrence, Window
from opcua_server.history.samples import Samples, from_rows
from opcua_server.history.store import Row, Store
from opcua_server.history.wire import kind_of

_log = structlog.get_logger(__name__)
_Result = TypeVar("_Result")
_COMPACT_S = 60.0
_MAX_UNWRITTEN = 200_000
"""Samples that may wait for a disk that is full."""
_MAX_UNTOLD = 10_000
"""Events, likewise."""
_SIGN = 1 << 63


def plain(value: object) -> object:
    """A value as it is kept: moments as Unix nanoseconds, unsigned 64 bit numbers as their two's complement."""
    if isinstance(value, datetime):
        return from_datetime(value)
    if isinstance(value, int) and value >= _SIGN:
        return value - 2 * _SIGN
    return value


class Historian:
    """The history of some nodes, each known by its name for good and by its place in `names` for speed."""

    def __init__(self, path: Path, types: Mapping[str, ua.VariantType], days: float) -> None:
        """Open the store. Raises ServerError."""
        self._store = Store(path)
        self._kinds = [kind_of(type_) for type_ in types.values()]
        self.types = dict(types)
        self._ids = self._store.define({name: kind_of(type_) for name, type_ in types.items()})
        self._id_of = dict(zip(types, self._ids, strict=True))
        self.keep = round(days * 86400 * SECOND)
        self._waiting: list[Row] = []
        self._told: list[Occurrence] = []
        self._unwritten: list[Row] = []  # the thread's own, as the next
        self._untold: list[Occurrence] = []
        self._thread = ThreadPoolExecutor(1, "history")
        self._tidied = 0
        self.newest: int | None = self._store.last_time()

    def record(self, place: int, time: int, value: object, status: int) -> None:
        """Keep a sample; it is on disk after the next flush(), and can be read at once."""
        self._waiting.append((self._ids[place], time, plain(value), status))

    def tell(self, event: Occurrence) -> None:
        """Keep an event, likewise."""
        self._told.append(event)

    async def flush(self) -> None:
        """Write what was recorded."""
        await self._run(lambda _: None)

    def samples(self, place: int, rows: Sequence[tuple[int, Any, int]]) -> Samples:
        """Columns of (time, value or None, status) rows of a node."""
        return from_rows(self._kinds[place], [(time, plain(value), status) for time, value, status in rows])

    async def fill(self, past: Mapping[int, Samples]) -> None:
        """Keep a long past at once, by the place of the node. It is newer than everything kept so far."""
        filled = [(self._ids[place], self._kinds[place], samples) for place, samples in past.items() if len(samples)]
        await self._write(lambda store: store.append_columns(filled))

    async def tidy(self, now: int) -> None:
        """Now and then: make blocks of single samples, forget what is too old."""
        if now - self._tidied >= _COMPACT_S * SECOND:
            self._tidied = now
            await self._write(Store.compact)
            await self._write(lambda store: store.expire(now - self.keep))

    async def read(self, name: str, low: int, high: int, limit: int, *, newest_first: bool = False) -> Samples:
        """At most `limit` samples of a node with low <= time <= high. KeyError for a node that is not historised."""
        id_ = self._id_of[name]
        return await self._run(lambda store: store.read(id_, low, high, limit, newest_first=newest_first))

    async def events(self, window: Window, below: tuple[str, ...], limit: int) -> list[Occurrence]:
        """At most `limit` events of a window whose source begins with a path."""
        return await self._run(lambda store: store.events.read(window, below, limit))

    async def _write(self, work: Callable[[Store], None]) -> None:
        """Change the store; where the disk does not take it, say so and go on: the plant does not wait for history."""
        try:
            await self._run(work)
        except sqlite3.Error as error:
            _log.warning("the history cannot be written", reason=str(error))

    async def _run(self, work: Callable[[Store], _Result]) -> _Result:
        rows, self._waiting = self._waiting, []
        events, self._told = self._told, []
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._work, rows, events, work)

    def _work(self, rows: list[Row], events: list[Occurrence], work: Callable[[Store], _Result]) -> _Result:
        self._unwritten += rows
        self._untold += events
        if self._unwritten or self._untold:
            self._append()
        return work(self._store)

    def _append(self) -> None:
        """Write what waits. Where that fails it waits on, up to a limit."""
        try:
            self._store.append(self._unwritten, self._untold)
        except sqlite3.Error as error:
            lost = self._unwritten[:-_MAX_UNWRITTEN]
            self._unwritten = self._unwritten[-_MAX_UNWRITTEN:]
            self._untold = self._untold[-_MAX_UNTOLD:]
            _log.warning(
                "the history cannot be written", reason=str(error), waiting=len(self._unwritten), lost=len(lost)
            )
        else:
            self._unwritten, self._untold = [], []

    async def close(self) -> None:
        """Write what is left and let go of the file."""
        await self.flush()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        self._thread.shutdown()
