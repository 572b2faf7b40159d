"""Reading the journal's database: checksums verified, and damage told as a gap instead of passed over."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import time_ns
from typing import Any

import structlog

from gateway.ranges import Range, Ranges
from gateway.sqlite import Reader, is_damage
from gateway.store.bodies import gap_body
from gateway.store.record import Kind, Record
from gateway.values import Gap

log = structlog.get_logger(__name__)

_SELECT = "SELECT sequence, kind, source, received, historical, count, body, crc FROM record WHERE sequence"
_ONE_BY_ONE = 4096


class JournalReader(Reader):
    """Reads the journal's file in one thread at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.damaged: set[int] = set()  # sequence numbers that could not be given as they were stored

    def read(self, first: int, last: int, max_bytes: int) -> list[Record]:
        """Records from `first` on, at least one, then up to max_bytes; [] if retention removed them all."""
        connection = self.connection
        (removed,) = connection.execute("SELECT sequence FROM removed").fetchone()
        try:
            rows, complete = _take(scan(connection, first, last), max_bytes)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            last = min(last, first + _ONE_BY_ONE - 1)
            rows, complete = _take(_probe(connection, first, last), max_bytes)
        records = [record if sound else self._damaged(record) for record, sound in rows]
        expected = max(first, removed + 1), last if complete else records[-1].sequence
        return self._filled(records, expected)

    def count(self, owed: Ranges) -> int:
        """Values and events in these ranges."""
        connection = self.connection
        removed, base = connection.execute("SELECT sequence, total FROM removed").fetchone()

        def total(sequence: int) -> int:
            query = "SELECT total FROM record WHERE sequence <= ? ORDER BY sequence DESC LIMIT 1"
            row = connection.execute(query, (sequence,)).fetchone() if sequence > removed else None
            return int(row[0]) if row else int(base)

        return sum(total(high) - total(low - 1) for low, high in owed)

    def _damaged(self, record: Record) -> Record:
        """A record with a wrong checksum: only its number is sure, and its source if the column still reads as one."""
        self._report(record.sequence, record.sequence)
        return lost(record.sequence, record.source, record.received, record.received, record.count)

    def _filled(self, records: list[Record], expected: Range) -> list[Record]:
        """With a gap record in the place of the last number of every hole."""
        filled: list[Record] = []
        following, before = expected[0], 0
        for record in records:
            if record.sequence > following:
                filled.append(self._hole(following, record.sequence - 1, before or record.received, record.received))
            filled.append(record)
            following, before = max(following, record.sequence + 1), record.received
        if following <= expected[1]:
            filled.append(self._hole(following, expected[1], before, time_ns()))
        return filled

    def _hole(self, first: int, last: int, start: int, end: int) -> Record:
        self._report(first, last)
        return lost(last, "", start, end)

    def _report(self, first: int, last: int) -> None:
        if first not in self.damaged:
            log.error("journal records damaged, told as a gap", first=first, last=last, path=str(self.path))
        self.damaged.update(range(first, last + 1))


def lost(sequence: int, source: str, start: int, end: int, count: int = 0) -> Record:
    """The gap record for what cannot be read; source "" = every source."""
    gap = Gap(0, source, (), start, end, "damaged in the journal")
    return Record(sequence, Kind.GAP, source, end, False, count, gap_body(gap))


def scan(connection: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[Record, bool]]:
    """Rows by rising number, each with whether its checksum is right. sqlite3.DatabaseError at a damaged page."""
    return map(verify, connection.execute(f"{_SELECT} BETWEEN ? AND ? ORDER BY sequence", (first, last)))


def _probe(connection: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[Record, bool]]:
    """The same around damaged pages: one query a number."""
    for sequence in range(first, last + 1):
        try:
            yield from scan(connection, sequence, sequence)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise


def verify(row: tuple[Any, ...]) -> tuple[Record, bool]:
    """A row as a record, and whether it is what was stored. Damage may have changed types: nothing is trusted."""
    sequence, kind, source, received, historical, count, body, crc = row
    try:
        record = Record(sequence, Kind(kind), source, received, bool(historical), count, body)
        sound = record.checksum() == crc
    except (ValueError, TypeError, AttributeError, struct.error):
        return Record(sequence, Kind.GAP, "", time_ns(), False, 0, b""), False
    return record, sound


def _take(rows: Iterable[tuple[Record, bool]], max_bytes: int) -> tuple[list[tuple[Record, bool]], bool]:
    """Rows up to max_bytes, at least one; and whether these are all."""
    taken: list[tuple[Record, bool]] = []
    size = 0
    for record, sound in rows:
        size += len(record.body)
        if taken and size > max_bytes:
            return taken, False
        taken.append((record, sound))
    return taken, True
