"""From the staging area into blocks, a slice at a time; small blocks of a series are merged into larger ones."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from time import monotonic

import numpy as np
import structlog

from gateway.history.blocks import decode, encode
from gateway.history.samples import Samples, joined
from gateway.history.staging import Staged, Tail

log = structlog.get_logger(__name__)

_LARGEST = 4096  # samples in a block
_FULL = 1024  # a block of so many is never touched again
_FINAL = 9  # its level
_FAN_IN = 8  # so many blocks of one level become one of the next


class Compaction:
    """Moves one tail into blocks. What a crash in between leaves twice is removed where samples are read."""

    def __init__(self, tail: Tail, last_row: int) -> None:
        self.tail = tail
        self.last_row = last_row  # of the staging table: these rows go when the work is done
        self.done = False
        self._work = _by_series(tail)
        self._left = sum(map(len, tail.chunks))
        self._all = self._left

    def run(self, connection: sqlite3.Connection, until: float, least: float) -> None:
        """Write blocks until this moment of monotonic(), but at least this part (0 … 1) of the whole work."""
        for series, samples in self._work:
            for part in _cut(samples):
                _add(connection, series, part)
            _merge(connection, series)
            self._left -= len(samples)
            if monotonic() >= until and self._all - self._left >= least * self._all:
                return
        connection.execute("DELETE FROM staged WHERE id <= ?", (self.last_row,))
        self.done = True


def _by_series(tail: Tail) -> Iterator[tuple[int, Samples]]:
    for chunk in tail.sorted():
        starts = np.flatnonzero(np.diff(chunk.series, prepend=chunk.series[0] - 1)).tolist()
        for first, last in zip(starts, [*starts[1:], len(chunk)], strict=True):
            yield int(chunk.series[first]), _slice(chunk, first, last)


def _slice(chunk: Staged, first: int, last: int) -> Samples:
    return Samples(chunk.time[first:last], chunk.value[first:last], chunk.status[first:last])


def _cut(samples: Samples) -> Iterator[Samples]:
    for i in range(0, len(samples), _LARGEST):
        part = slice(i, i + _LARGEST)
        yield Samples(samples.time[part], samples.value[part], samples.status[part])


def _add(connection: sqlite3.Connection, series: int, samples: Samples, level: int = 0) -> None:
    """Store a block of samples sorted by time."""
    level = _FINAL if len(samples) >= _FULL else level
    connection.execute(
        "INSERT INTO block (series, first, last, count, level, body) VALUES (?, ?, ?, ?, ?, ?)",
        (series, int(samples.time[0]), int(samples.time[-1]), len(samples), level, encode(samples)),
    )


def _merge(connection: sqlite3.Connection, series: int) -> None:
    """Make one block of many small ones, level by level."""
    for level in range(_FINAL):
        found = connection.execute(
            "SELECT id, body FROM block WHERE series = ? AND level = ? ORDER BY id", (series, level)
        ).fetchall()
        if len(found) < _FAN_IN:
            return
        connection.executemany("DELETE FROM block WHERE id = ?", ((row,) for row, _ in found))
        for part in _cut(joined(list(readable(series, (body for _, body in found))))):
            _add(connection, series, part, level + 1)


def readable(series: int, bodies: Iterator[bytes]) -> Iterator[Samples]:
    """The samples of blocks; damaged ones are left out and logged."""
    for body in bodies:
        try:
            yield decode(body)
        except ValueError as error:
            log.exception("block of the history is damaged, its values are lost", series=series, reason=str(error))
