"""After a restart: how far the journal is with each tag of a source, read off its newest records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.journal import Kind
from gateway.opcua.decode import decode_data
from gateway.opcua.marks import EVENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.journal import Journal, Record
    from gateway.opcua.events import EventReader
    from gateway.opcua.marks import Marks
    from gateway.values import Tag

_RECORDS = 5_000
_BYTES = 32 << 20
_BLOCK = 250
_BLOCK_BYTES = 8 << 20
_SKEW_NS = 10 * 1_000_000_000  # by which a server's clock may be behind ours before slow tags lose something


async def recall(journal: Journal, source: str, tags: Sequence[Tag], marks: Marks, events: EventReader) -> None:
    """Give Marks the newest times of these tags and of events, from the newest 5,000 records or 32 MB of the journal.

    What does not occur in them had no value since then: it counts as known up to the oldest of these records.
    """
    ids = np.fromiter((tag.id for tag in tags), np.int64)
    last, left, oldest = journal.head, _BYTES, 0
    lowest = max(1, last - _RECORDS + 1)
    while last >= lowest and left > 0 and len(ids) and not marks.last[ids].all():
        first = max(lowest, last - _BLOCK + 1)
        records = await _block(journal, first, last)
        for record in records:
            left -= len(record.body)
            if record.source == source and record.kind is Kind.DATA:
                _take(record, marks)
            elif record.source == source and record.kind is Kind.EVENT:
                marks.note_events([events.recall(record.body)])
        oldest = records[0].received if records else oldest
        last = first - 1
    if oldest:
        ids = np.append(ids, EVENTS)
        absent = ids[marks.last[ids] == 0]
        marks.last[absent] = oldest - _SKEW_NS


async def _block(journal: Journal, first: int, last: int) -> list[Record]:
    """All records from first to last that are still there."""
    records: list[Record] = []
    while first <= last:
        some = await journal.read(first, last, _BLOCK_BYTES)
        if not some:
            break
        records += some
        first = some[-1].sequence + 1
    return records


def _take(record: Record, marks: Marks) -> None:
    parts = decode_data(record.body, record.received)
    if marks.knows(parts):
        marks.recall(parts, 0 if record.historical else record.received)
