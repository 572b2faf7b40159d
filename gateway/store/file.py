"""The journal's database as the writing thread sees it: insert, tags, cursors. No threads, no asyncio in here."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import structlog

from gateway.catalogue import Adoption, Era, TagCatalogue, pack, unpack
from gateway.opcua.datatypes import packed, unpacked
from gateway.ranges import Ranges
from gateway.sqlite import transaction
from gateway.store.record import Draft, Kind, Record
from gateway.store.schema import connect
from gateway.values import DataType, Tag

log = structlog.get_logger(__name__)

_INSERT = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


class JournalFile:
    """One open database. Every change happens inside transaction(); after an error in one, drop the object."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection = connect(path)
        try:
            ((self.removed, self._removed_total),) = self._rows("SELECT sequence, total FROM removed")
            newest = self._rows("SELECT sequence, total FROM record ORDER BY sequence DESC LIMIT 1")
        except BaseException:
            self.connection.close()
            raise
        self.head, self.total = newest[0] if newest else (self.removed, self._removed_total)

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and on disk at the end."""
        return transaction(self.connection)

    def insert(self, drafts: Sequence[Draft]) -> list[Record]:
        """Give numbers and store."""
        records = [_number(draft, self.head + i) for i, draft in enumerate(drafts, 1)]
        self.put(records)
        return records

    def put(self, records: Iterable[Record]) -> None:
        """Store records that have their numbers, rising and beyond the head."""
        for record in records:
            self.head, self.total = record.sequence, self.total + record.count
            self.store(record, self.total)

    def store(self, record: Record, total: int) -> None:
        """Write one row; `total` counts all values up to and including the record."""
        self.connection.execute(_INSERT, _columns(record, total))

    def load_tags(self) -> TagCatalogue:
        """The catalogue as it was committed, data types included."""
        rows = self.connection.execute("SELECT active, id, source, node, body FROM tag ORDER BY id").fetchall()
        tags = [(active, _read_tag(*row)) for active, *row in rows]
        eras = self.connection.execute("SELECT source, since, types FROM era").fetchall()
        known = [era for row in eras if (era := _read_era(*row)) is not None]
        return TagCatalogue((t for active, t in tags if active), (t for active, t in tags if not active), known)

    def put_tags(self, adoption: Adoption) -> Adoption:
        """Store what a plan changes."""
        self.connection.executemany(
            "INSERT INTO tag VALUES (?, ?, ?, 1, ?) ON CONFLICT (id) DO UPDATE SET active = 1, body = excluded.body",
            ((tag.id, tag.source, tag.node, pack(tag)) for tag in adoption.changed),
        )
        self.connection.executemany("UPDATE tag SET active = 0 WHERE id = ?", ((i,) for i in adoption.retired))
        return adoption

    def put_eras(self, eras: Iterable[Era]) -> None:
        """Store these, each in the place of one that began at the same record."""
        self.connection.executemany(
            "INSERT OR REPLACE INTO era VALUES (?, ?, ?)", ((one.source, one.since, packed(one.types)) for one in eras)
        )

    def hear(self, source: str, numbers: Mapping[str, int]) -> None:
        """Store the numbers of the last messages of subscriptions, by token."""
        rows = [(token, source, number) for token, number in numbers.items()]
        self.connection.executemany("INSERT OR REPLACE INTO heard VALUES (?, ?, ?)", rows)

    def hear_only(self, source: str, tokens: Collection[str]) -> None:
        """Begin with number 0 for subscriptions that are new, and forget all others of the source."""
        known = self.heard(source)
        forgotten = [(token,) for token in known if token not in tokens]
        self.connection.executemany("DELETE FROM heard WHERE token = ?", forgotten)
        self.hear(source, {token: 0 for token in tokens if token not in known})

    def heard(self, source: str) -> dict[str, int]:
        """The number of the last stored message of each subscription of a source, by token."""
        return dict(self.connection.execute("SELECT token, number FROM heard WHERE source = ?", (source,)).fetchall())

    def load_cursors(self) -> dict[str, tuple[int, Ranges]]:
        """By sink: everything up to this number is settled, but for these ranges."""
        return read_cursors(self.connection)

    def put_cursor(self, sink: str, seen: int, owed: Ranges) -> None:
        """Store how far a sink is."""
        self.connection.execute("INSERT OR REPLACE INTO cursor VALUES (?, ?, ?)", (sink, seen, orjson.dumps(owed)))

    def drop_cursors(self, sinks: Sequence[str]) -> None:
        """Forget sinks."""
        self.connection.executemany("DELETE FROM cursor WHERE sink = ?", ((sink,) for sink in sinks))

    def set_removed(self, sequence: int, total: int) -> None:
        """Retention took everything up to here."""
        self.connection.execute("UPDATE removed SET sequence = ?, total = ?", (sequence, total))
        self.removed, self._removed_total = sequence, total

    def skip_to(self, sequence: int) -> None:
        """Go on numbering beyond this, where the file knows less."""
        if self.head < sequence:
            self.head = sequence
            self.set_removed(sequence, self.total)

    def used(self) -> int:
        """Bytes in use inside the file."""
        page, pages, free = (self.pragma(name) for name in ("page_size", "page_count", "freelist_count"))
        return page * (pages - free)

    def size(self) -> int:
        """Bytes on disk, write-ahead log included."""
        log_file = self.path.with_name(f"{self.path.name}-wal")
        return sum(file.stat().st_size for file in (self.path, log_file) if file.exists())

    def pragma(self, name: str) -> int:
        """A number that SQLite knows."""
        return int(self.connection.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Close without raising: what is committed is on disk already."""
        try:
            self.connection.close()
        except sqlite3.Error as error:
            log.warning("journal file not closed cleanly", path=str(self.path), reason=str(error))

    def _rows(self, query: str) -> list[tuple[int, int]]:
        return self.connection.execute(query).fetchall()


def _number(draft: Draft, sequence: int) -> Record:
    count = 0 if draft.kind is Kind.GAP else draft.count
    return Record(sequence, draft.kind, draft.source, draft.received, draft.historical, count, draft.body)


def _columns(record: Record, total: int) -> tuple[int | str | bytes, ...]:
    numbers = (record.sequence, int(record.kind), int(record.historical), record.count, total, record.received)
    return (*numbers, record.checksum(), record.source, record.body)


def read_cursors(connection: sqlite3.Connection) -> dict[str, tuple[int, Ranges]]:
    """By sink: everything up to this number is settled, but for these ranges."""
    rows = connection.execute("SELECT sink, seen, owed FROM cursor").fetchall()
    return {sink: found for sink, seen, owed in rows if (found := _read_cursor(sink, seen, owed))}


def _read_cursor(sink: str, seen: int, owed: bytes) -> tuple[int, Ranges] | None:
    """The progress of a row; None where it is damaged: the sink then gets everything that is kept."""
    try:
        return int(seen), tuple((int(low), int(high)) for low, high in orjson.loads(owed))
    except (ValueError, TypeError) as error:
        log.warning("progress of a sink is damaged in the journal", sink=sink, reason=str(error))
        return None


def _read_era(source: str, since: int, body: bytes) -> Era | None:
    """The era of a row; None where it is damaged: its server will tell again."""
    try:
        return Era(source, int(since), unpacked(body))
    except ValueError as error:
        log.warning("data types damaged in the journal, their server will tell again", source=source, reason=str(error))
        return None


def _read_tag(tag_id: int, source: str, node: str, body: bytes) -> Tag:
    """The tag of a row; where its body is damaged, what is left, so that the id stays taken."""
    try:
        return unpack(body)
    except ValueError as error:
        log.warning("tag damaged in the journal, its server will describe it anew", node=node, reason=str(error))
        return Tag(tag_id, source, node, (node,), DataType.NULL)
