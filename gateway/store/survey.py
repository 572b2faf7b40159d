"""A journal looked at from outside: what is in it, whether it is sound, and what a sink is to get once more."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gateway import ranges
from gateway.ranges import Ranges
from gateway.sqlite import connect_reader
from gateway.store.file import JournalFile, read_cursors
from gateway.store.lock import lock, unlock
from gateway.store.reader import JournalReader
from gateway.store.record import JournalError

T = TypeVar("T")

_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class SinkProgress:
    """How far a sink is."""

    sink: str
    owed: Ranges
    behind: int  # values and events that it has not yet


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a journal. Times are Unix ns, 0 where there is no record."""

    first: int  # sequence numbers; first > last: no record is kept
    last: int
    oldest: int
    newest: int
    values: int  # values and events that are kept
    bytes: int  # on disk
    tags: int  # that servers have now
    retired: int  # that they had
    sinks: tuple[SinkProgress, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of all records found. Ranges are sequence numbers."""

    records: int
    damaged: Ranges  # wrong checksum, or missing


@dataclass(frozen=True, slots=True)
class Replay:
    """What a sink gets once more."""

    first: int
    last: int
    values: int


def survey(path: Path) -> Survey:
    """Look at a journal, also one in use. JournalError where it cannot be read."""
    return _reading(path, _survey)


def verify(path: Path) -> Verdict:
    """Check checksum and number of every record, also of a journal in use. JournalError where it cannot be read."""
    return _reading(path, _verify)


def number_at(path: Path, received: int) -> int:
    """The first record that came at this time (Unix ns) or later; one beyond the last if none did. JournalError."""
    return _reading(path, lambda path: _number_at(path, received))


def replay(path: Path, sink: str, first: int, last: int) -> Replay:
    """Make a sink owe these records again, as far as they are kept. JournalError: unknown, none kept, in use."""
    return _reading(path, lambda path: _locked(path, lambda: _replay(path, sink, first, last)))


def _reading(path: Path, look: Callable[[Path], T]) -> T:
    if not path.exists():
        raise JournalError(f"there is no journal at {path}: the gateway makes it when it first starts")
    try:
        return look(path)
    except sqlite3.Error as error:
        raise JournalError(f"{path} cannot be read: {error}; the gateway saves what it can when it starts") from error


def _locked(path: Path, change: Callable[[], T]) -> T:
    handle = lock(path)
    try:
        return change()
    finally:
        unlock(handle)


def _survey(path: Path) -> Survey:
    with closing(JournalReader(path)) as reader, closing(connect_reader(path)) as connection:
        first, last = _bounds(connection)
        times = connection.execute("SELECT min(received), max(received) FROM record").fetchone()
        active, tags = connection.execute("SELECT total(active), count(*) FROM tag").fetchone()
        sinks = tuple(SinkProgress(sink, owed, reader.count(owed)) for sink, owed in sorted(_owed(path, last).items()))
        values = reader.count(((first, last),)) if first <= last else 0
    on_disk = sum(part.stat().st_size for part in (path, path.with_name(f"{path.name}-wal")) if part.exists())
    return Survey(first, last, times[0] or 0, times[1] or 0, values, on_disk, int(active), int(tags - active), sinks)


def _bounds(connection: sqlite3.Connection) -> tuple[int, int]:
    """The numbers of the first and the last record that should be there."""
    (removed,) = connection.execute("SELECT sequence FROM removed").fetchone()
    (last,) = connection.execute("SELECT max(sequence) FROM record").fetchone()
    return removed + 1, max(last or 0, removed)


def _owed(path: Path, last: int) -> dict[str, Ranges]:
    with closing(connect_reader(path)) as connection:
        return {sink: ranges.add(owed, seen + 1, last) for sink, (seen, owed) in read_cursors(connection).items()}


def _verify(path: Path) -> Verdict:
    with closing(connect_reader(path)) as connection:
        first, last = _bounds(connection)
    records, following = last - first + 1, first
    with closing(JournalReader(path)) as reader:
        while following <= last and (found := reader.read(following, last, _BYTES)):
            following = found[-1].sequence + 1
        return Verdict(records, ranges.runs(sorted(reader.damaged)))


def _number_at(path: Path, received: int) -> int:
    with closing(connect_reader(path)) as connection:
        (number,) = connection.execute("SELECT min(sequence) FROM record WHERE received >= ?", (received,)).fetchone()
        return int(number or _bounds(connection)[1] + 1)


def _replay(path: Path, sink: str, first: int, last: int) -> Replay:
    with closing(JournalFile(path)) as file, closing(JournalReader(path)) as reader:
        cursors = file.load_cursors()
        if sink not in cursors:
            raise JournalError(f"no sink {sink!r} has read this journal, but {', '.join(sorted(cursors)) or 'none'}")
        first, last = max(first, file.removed + 1), min(last, file.head)
        if first > last:
            raise JournalError(f"none of these is kept: the journal has numbers {file.removed + 1} to {file.head}")
        seen, owed = cursors[sink]
        owed = ranges.add(ranges.add(owed, seen + 1, file.head), first, last)
        with file.transaction():
            file.put_cursor(sink, file.head, owed)
        return Replay(first, last, reader.count(((first, last),)))
