"""A damaged journal is moved aside; what can still be read of it goes into a new one, the rest is told as a gap."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from time import time_ns

import structlog

from gateway.catalogue import Adoption
from gateway.opcua.decode import decode_data
from gateway.sqlite import is_damage, move_aside, open_plain, remove
from gateway.store.bodies import gap_body
from gateway.store.file import JournalFile
from gateway.store.reader import verify
from gateway.store.record import Draft, Kind, Record
from gateway.values import DataType, Gap, Tag

log = structlog.get_logger(__name__)

_CHUNK = 256
_TABLES = (
    ("SELECT * FROM tag", "INSERT INTO tag VALUES (?, ?, ?, ?, ?)"),
    ("SELECT * FROM cursor", "INSERT INTO cursor VALUES (?, ?, ?)"),
    ("SELECT * FROM era", "INSERT INTO era VALUES (?, ?, ?)"),
    ("SELECT * FROM removed", "REPLACE INTO removed VALUES (?, ?, ?)"),
)
_RECORDS = (
    "SELECT sequence, kind, source, received, historical, count, body, crc, total FROM record"
    " WHERE sequence > ? ORDER BY sequence"
)
_FARTHEST = 1 << 40


def open_or_salvage(path: Path, at_least: int = 0, *, damaged: bool = False) -> tuple[JournalFile, bool]:
    """The journal at this path, and whether it had to be replaced; a new one then numbers on beyond `at_least`.

    `damaged`: it is known to be broken, though it may open.
    """
    try:
        if not damaged:
            return JournalFile(path), False
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
    log.error("journal damaged, saving what can be read", path=str(path))
    fresh = path.with_name(f"{path.name}.salvage")
    remove(fresh)
    _rebuild(path, fresh, at_least)
    aside = move_aside(path)
    fresh.rename(path)
    log.error("journal replaced; the damaged file may be deleted", damaged=str(aside))
    return JournalFile(path), True


def _rebuild(damaged: Path, fresh: Path, at_least: int) -> None:
    file = JournalFile(fresh)
    try:
        source = open_plain(damaged)
        try:
            copied = [_copy_table(source, file, read, write) for read, write in _TABLES]
            end = _copy_records(source, file)
        finally:
            source.close()
        if not all(copied):
            _reserve_ids(file)
        _conclude(file, at_least, end)
    finally:
        file.close()


def _copy_table(source: sqlite3.Connection, file: JournalFile, read: str, write: str) -> bool:
    """Rows of a small table, up to where it is damaged; returns whether these are all."""
    rows: list[tuple[object, ...]] = []
    complete = True
    try:
        rows.extend(source.execute(read))
    except sqlite3.DatabaseError as error:
        log.warning("part of the damaged journal cannot be read", query=read, reason=str(error))
        complete = False
    with file.transaction():
        file.connection.executemany(write, rows)
    return complete


def _reserve_ids(file: JournalFile) -> None:
    """Keep the ids in the saved records from being given to other tags, now that the tags are not known for sure."""
    bodies = file.connection.execute("SELECT body, received FROM record WHERE kind = ?", (int(Kind.DATA),))
    parts = (part for body, received in bodies for part in decode_data(body, received))
    highest = max((int(part.tag.max()) for part in parts if len(part.tag)), default=0)
    (known,) = file.connection.execute("SELECT max(id) FROM tag").fetchone()
    if highest > (known or 0):
        lost = Tag(highest, "", "lost", ("lost",), DataType.NULL)
        with file.transaction():
            file.put_tags(Adoption("", (), (lost,), (highest,)))


def _copy_records(source: sqlite3.Connection, file: JournalFile) -> int:
    """Sound records before, between and after the damage; returns when the last one before it was received."""
    beyond, before = 0, None
    while True:
        last, received, complete = _copy_run(source, file, beyond)
        before = received if before is None else before
        step = 1
        while not complete and step <= _FARTHEST and not _is_readable(source, last + step):
            step *= 2
        if complete or step > _FARTHEST:
            return before
        beyond = last + step


def _copy_run(source: sqlite3.Connection, file: JournalFile, beyond: int) -> tuple[int, int, bool]:
    """Copy up to the next damage; returns sequence and time of the last record copied, and whether this is the end."""
    last, received, complete = beyond, 0, True
    chunk: list[tuple[Record, int]] = []
    try:
        for *row, total in source.execute(_RECORDS, (beyond,)):
            record, sound = verify(tuple(row))
            if sound and isinstance(total, int):
                chunk.append((record, total))
                last, received = record.sequence, record.received
            if len(chunk) == _CHUNK:
                _store(file, chunk)
                chunk = []
    except sqlite3.DatabaseError as error:
        log.warning("part of the damaged journal cannot be read", beyond=last, reason=str(error))
        complete = False
    _store(file, chunk)
    return last, received, complete


def _is_readable(source: sqlite3.Connection, beyond: int) -> bool:
    try:
        source.execute(_RECORDS, (beyond,)).fetchone()
    except sqlite3.DatabaseError:
        return False
    return True


def _store(file: JournalFile, chunk: list[tuple[Record, int]]) -> None:
    with file.transaction():
        for record, total in chunk:
            file.store(record, total)


def _conclude(file: JournalFile, at_least: int, end: int) -> None:
    """Number on beyond everything that was ever seen, with a record that tells of the damage."""
    newest = file.connection.execute("SELECT max(sequence), max(total) FROM record").fetchone()
    seen = file.connection.execute("SELECT max(seen) FROM cursor").fetchone()
    removed = file.connection.execute("SELECT sequence, total FROM removed").fetchone()
    file.head = max(at_least, newest[0] or 0, seen[0] or 0, removed[0])
    file.total = max(newest[1] or 0, removed[1])
    now = time_ns()
    gap = Gap(0, "", (), end or now, now, "the journal was damaged; what could not be read of it is missing")
    with file.transaction():
        if newest[0] is None:
            file.set_removed(file.head, file.total)
        file.insert([Draft(Kind.GAP, "", gap_body(gap))])
