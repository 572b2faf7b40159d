"""The historian's database as its writing thread sees it: stage, compact, expire, in one transaction a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from gateway.contract import Catalogue, Rejected
from gateway.history.blocks import as_json, from_json
from gateway.history.compaction import Compaction
from gateway.history.schema import connect
from gateway.history.staging import Staged, Tail, pack, unpack
from gateway.sqlite import transaction
from gateway.values import Batch, Column, Event, Gap

log = structlog.get_logger(__name__)

_STAGED_BYTES = 12 << 20  # about half a million numbers: so much is staged before it is compacted
_SLICE_S = 0.01  # of compaction in one call, when there is no haste
_HASTE = 1.25
_EXPIRE_EVERY_S = 10.0
_EXPIRE_BLOCKS = 512
_SLACK_PAGES = 2048
_VACUUM_PAGES = 1024


class HistoryFile:
    """One open database. After an error of sqlite3 drop the object and open anew: what write() returned for is safe."""

    def __init__(self, path: Path, tags: Catalogue, retention_s: float, max_bytes: int) -> None:
        self._tags, self._retention_ns, self._max_bytes = tags, int(retention_s * 1e9), max_bytes
        self._connection = connect(path)
        self._ids = np.zeros(0, np.int32)  # series by tag id, 0 = not known yet
        self._compaction: Compaction | None = None
        self._next_expiry = 0.0
        try:
            self._tail, self._last_row = self._load_tail()
        except BaseException:
            self._connection.close()
            raise
        self.tails = (self._tail,)
        """What is not in blocks yet, oldest first; replaced after each commit."""

    def write(self, batch: Batch) -> None:
        """Keep the batch; it is on disk on return. Rejected for what has no tag, or no form in JSON."""
        try:
            with self._transaction():
                self._keep(batch)
        except TypeError as error:  # what orjson says to a value that JSON does not know
            if not (unfit := _unfit(batch)):
                raise
            raise Rejected(unfit, f"the value cannot be kept: {error}") from error
        self._shrink()
        before = (self._compaction.tail,) if self._compaction else ()
        self.tails = (*before, self._tail)

    def close(self) -> None:
        """Close; an unfinished transaction is rolled back."""
        self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with transaction(self._connection):
                yield
        except BaseException:
            self._ids = np.zeros(0, np.int32)
            raise

    def _keep(self, batch: Batch) -> None:
        unknown = [p for column in batch.columns for p in self._unknown(column)]
        if unknown:
            raise Rejected(unknown, "the tag is not in the catalogue")
        self._put_events(batch.events)
        self._put_gaps(batch.gaps)
        self._stage(batch.columns)
        self._compact()
        self._expire()

    def _load_tail(self) -> tuple[Tail, int]:
        staged: list[Staged] = []
        row = 0
        for row, body in self._connection.execute("SELECT id, body FROM staged ORDER BY id"):  # noqa: B007 - the last
            try:
                staged += unpack(body)
            except ValueError:
                log.exception("staged values of the history are damaged and lost")
        return Tail().plus(staged), row

    def _unknown(self, column: Column) -> list[int]:
        """Positions of tags that nobody knows. Learns the series of those that are new here."""
        if not len(column):
            return []
        known = int(column.tag.min()) > 0 and int(column.tag.max()) < len(self._ids)
        if known and self._ids[column.tag].all():
            return []
        strange = [tag for tag in np.unique(column.tag).tolist() if not self._learn(tag)]
        return [int(p) for p in column.position[np.isin(column.tag, strange)]]

    def _learn(self, tag_id: int) -> bool:
        """Give the tag its series. Returns whether it exists."""
        if 0 < tag_id < len(self._ids) and self._ids[tag_id]:
            return True
        try:
            tag = self._tags.tag(tag_id)
        except KeyError:
            return False
        if tag_id >= len(self._ids):
            self._ids = np.concatenate([self._ids, np.zeros(tag_id + 1024 - len(self._ids), np.int32)])
        key = (tag.source, tag.node)
        self._connection.execute("INSERT OR IGNORE INTO series (source, node) VALUES (?, ?)", key)
        row = self._connection.execute("SELECT id FROM series WHERE source = ? AND node = ?", key).fetchone()
        self._ids[tag_id] = row[0]
        return True

    def _stage(self, columns: Sequence[Column]) -> None:
        staged = [Staged(self._ids[c.tag], c.time, _kept(c), c.status) for c in columns if len(c)]
        if staged:
            row = self._connection.execute("INSERT INTO staged (body) VALUES (?)", (pack(staged),)).lastrowid
            self._last_row = row or self._last_row
            self._tail = self._tail.plus(staged)

    def _put_events(self, events: Sequence[Event]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    e.position,
                    e.source,
                    e.type,
                    e.source_name,
                    e.time,
                    e.severity,
                    e.message,
                    orjson.dumps(dict(e.fields)),
                )
                for e in events
            ),
        )

    def _put_gaps(self, gaps: Sequence[Gap]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO gap VALUES (?, ?, ?, ?, ?, ?)",
            ((g.position, g.source, orjson.dumps(g.tags), g.start, g.end, g.reason) for g in gaps),
        )

    def _compact(self) -> None:
        """A slice of moving what is staged into blocks, so large that it is done before as much is staged anew."""
        if self._compaction is None and self._tail.bytes >= _STAGED_BYTES:
            self._compaction = Compaction(self._tail, self._last_row)
            self._tail = Tail()
        if self._compaction is None:
            return
        least = _HASTE * self._tail.bytes / _STAGED_BYTES
        self._compaction.run(self._connection, monotonic() + _SLICE_S, least)
        if self._compaction.done:
            self._compaction = None

    def _expire(self) -> None:
        """Remove what is too old or too much, a little at a time."""
        if monotonic() < self._next_expiry:
            return
        limit = time_ns() - self._retention_ns
        blocks = self._connection.execute(
            "DELETE FROM block WHERE id IN (SELECT id FROM block WHERE last < ? OR ? ORDER BY last LIMIT ?)",
            (limit, self._used() > self._max_bytes, _EXPIRE_BLOCKS),
        ).rowcount
        self._connection.execute("DELETE FROM event WHERE time < ?", (limit,))
        self._connection.execute("DELETE FROM gap WHERE last < ?", (limit,))
        self._next_expiry = 0.0 if blocks == _EXPIRE_BLOCKS else monotonic() + _EXPIRE_EVERY_S

    def _shrink(self) -> None:
        """Give free pages back to the disk, a few at a time; some are kept, the next values need them."""
        if self._pragma("freelist_count") > _SLACK_PAGES + self._pragma("page_count") // 4:
            self._connection.executescript(
                f"PRAGMA incremental_vacuum({_VACUUM_PAGES})"
            )  # execute() would free one page

    def _used(self) -> int:
        return self._pragma("page_size") * (self._pragma("page_count") - self._pragma("freelist_count"))

    def _pragma(self, name: str) -> int:
        return int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])


def _kept(column: Column) -> NDArray[Any]:
    """The values as they will come back from the disk."""
    return from_json(as_json(column.value), len(column)) if column.value.dtype.hasobject else column.value


def _unfit(batch: Batch) -> list[int]:
    """Positions of values and events that JSON does not know."""
    objects = [column for column in batch.columns if column.value.dtype.hasobject]
    values = ((int(p), v) for column in objects for p, v in zip(column.position, column.value, strict=True))
    events = ((event.position, dict(event.fields)) for event in batch.events)
    return [position for position, value in chain(values, events) if not _fits(value)]


def _fits(value: object) -> bool:
    try:
        as_json(np.fromiter([value], object, 1))
    except TypeError:
        return False
    return True
