"""What leaves the journal: delivered records by age, the oldest by size; what a sink still owed becomes a gap."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.store.bodies import gap_body, read_gap
from gateway.store.file import JournalFile
from gateway.store.record import JournalSettings, Kind, Record
from gateway.values import Gap

_STEP_RECORDS = 256
_STEP_BYTES = 8 << 20
_SLACK_PAGES = 2048
_VACUUM_PAGES = 1024
_REASON = "the journal was full before every sink had these values"


class Row(NamedTuple):
    """What decides over a record, without its body."""

    sequence: int
    kind: int
    source: str
    received: int
    values: int
    total: int
    size: int


@dataclass(frozen=True, slots=True)
class Expired:
    """What one step removed."""

    lost: tuple[tuple[int, int], ...] = ()  # (sequence, count) of records that a sink still owed
    more: bool = False  # the step was cut short: come again soon


def expire(file: JournalFile, settings: JournalSettings, now: int, owed_from: int) -> Expired:
    """One small step in a transaction of its own. `owed_from`: the first sequence any sink still owes."""
    excess, limit = file.used() - settings.max_bytes, now - int(settings.retention_s * 1e9)
    with closing(_oldest(file)) as rows:
        leaving, more = choose(rows, excess, limit, owed_from)
    if not leaving:
        _shrink(file)
        return Expired()
    forced = [row for row in leaving if row.sequence >= owed_from]
    with file.transaction():
        remnants = _remnants(file, forced)
        file.connection.execute("DELETE FROM record WHERE sequence <= ?", (leaving[-1].sequence,))
        for record, total in remnants:
            file.store(record, total)
        file.set_removed(leaving[-1].sequence, leaving[-1].total)
    return Expired(tuple((row.sequence, row.values) for row in forced), more=more)


def choose(rows: Iterable[Row], excess: int, limit: int, owed_from: int) -> tuple[list[Row], bool]:
    """The oldest that go: what exceeds the size at any price, what is older than `limit` only if nobody owes it.

    And whether these are all of the rows.
    """
    leaving: list[Row] = []
    for row in rows:
        if excess <= 0 and (row.sequence >= owed_from or row.received >= limit):
            return leaving, False
        leaving.append(row)
        excess -= row.size
    return leaving, True


def _oldest(file: JournalFile) -> Generator[Row, None, None]:
    """As many as one step may take, read as they are asked for; never the newest, which carries the numbering on."""
    query = (
        "SELECT sequence, kind, source, received, count, total, length(body) FROM record"
        " WHERE sequence < ? ORDER BY sequence LIMIT ?"
    )
    size = 0
    with closing(file.connection.execute(query, (file.head, _STEP_RECORDS))) as found:
        for row in map(Row._make, found):
            yield row
            size += row.size
            if size > _STEP_BYTES:
                return


def _remnants(file: JournalFile, forced: Sequence[Row]) -> list[tuple[Record, int]]:
    """A gap record for each source, in the place of its last lost record, with that record's total."""
    latest: dict[str, tuple[Row, Gap]] = {}
    for row in forced:
        gap = _gap(file, row)
        if row.source in latest:
            earlier = latest.pop(row.source)[1]
            gap = replace(gap, start=min(gap.start, earlier.start), end=max(gap.end, earlier.end))
        latest[row.source] = row, gap
    return [
        (Record(row.sequence, Kind.GAP, row.source, row.received, False, 0, gap_body(gap)), row.total)
        for row, gap in latest.values()
    ]


def _gap(file: JournalFile, row: Row) -> Gap:
    """What is lost with one record; an older gap keeps its times."""
    start, end = row.received, row.received
    if row.kind == Kind.GAP:
        (body,) = file.connection.execute("SELECT body FROM record WHERE sequence = ?", (row.sequence,)).fetchone()
        older = read_gap(body, 0)
        start, end = older.start, older.end
    return Gap(0, row.source, (), start, end, _REASON)


def _shrink(file: JournalFile) -> None:
    """Give free pages back to the disk, a few at a time; some are kept, the next records need them."""
    if file.pragma("freelist_count") > _SLACK_PAGES + file.pragma("page_count") // 4:
        file.connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")  # execute() would free one page
