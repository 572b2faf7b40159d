"""What a journal holds, as the tests look at it."""

from __future__ import annotations

from support_records import values

from gateway.journal import Journal, Record
from gateway.records import to_batch
from gateway.values import Gap

ALL = 1 << 30


def numbers(records) -> list[float]:
    return values([to_batch(records)]) if records else []


async def everything(journal: Journal) -> list[Record]:
    """All records, as a sink reads them."""
    found: list[Record] = []
    while records := await journal.read(found[-1].sequence + 1 if found else 1, journal.head, 1 << 20):
        found += records
    return found


def gaps(records) -> list[Gap]:
    return list(to_batch(records).gaps)
