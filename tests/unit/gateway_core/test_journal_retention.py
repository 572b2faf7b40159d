"""The journal forgets by age and by size: what is owed stays, and what had to go is told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support_journal import ALL, everything, gaps, numbers
from support_records import draft

from gateway.journal import Draft, JournalSettings, Kind
from gateway.status import JournalStatus, SinkStatus
from gateway.store.file import JournalFile
from gateway.store.retention import Expired, expire


class Steps:
    """What the journal's thread removed, step by step; it looks again and again without a pause."""

    def __init__(self) -> None:
        self.done: list[Expired] = []

    def expire(self, file: JournalFile, settings: JournalSettings, now: int, owed_from: int) -> Expired:
        step = expire(file, settings, now, owed_from)
        self.done.append(step)
        return step

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.005)

    async def settled(self) -> None:
        """Wait until it looked and found nothing more to remove, twice: the first look may have begun before."""
        before = len(self.done)
        await self.until(lambda: sum(step == Expired() for step in self.done[before:]) >= 2)


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    monkeypatch.setattr("gateway.store.writer.expire", steps.expire)
    monkeypatch.setattr("gateway.store.writer._EXPIRE_S", 0.0)
    monkeypatch.setattr("gateway.store.writer._TICK_S", 0.02)
    return steps


async def test_delivered_records_go_by_age_and_owed_ones_stay(open_journal, steps: Steps) -> None:
    journal = await open_journal(retention_s=3600.0)
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    old = time.time_ns() - 7200 * 10**9
    await journal.append([draft(i, received=old) for i in range(10)])
    await journal.append([draft(i) for i in range(10, 20)])
    cursor.settle(1, 6, 6)
    await steps.until(lambda: journal._writer.removed == 6)
    await journal.close()
    journal = await open_journal(retention_s=3600.0)
    assert journal._writer.removed == 6
    assert numbers(await journal.read(1, 20, ALL)) == list(range(6, 20))
    assert (await journal.cursor("sink", SinkStatus("sink"))).owed == ((7, 20),)


async def test_a_journal_without_sinks_still_shrinks(open_journal, steps: Steps) -> None:
    journal = await open_journal(retention_s=3600.0)
    old = time.time_ns() - 7200 * 10**9
    await journal.append([draft(i, received=old) for i in range(1000)])
    await steps.until(lambda: journal._writer.removed == 999)
    await journal.close()
    journal = await open_journal()
    assert journal.head == 1000, "numbers are never used twice"
    assert await journal.append([draft(1)]) == 1001


async def test_a_sink_that_is_gone_for_good_holds_nothing_back(open_journal, steps: Steps) -> None:
    journal = await open_journal(retention_s=3600.0)
    await journal.cursor("gone", SinkStatus("gone"))
    await journal.append([draft(1, received=1), draft(2, received=1)])
    await journal.close()
    journal = await open_journal(retention_s=3600.0)
    await steps.settled()
    assert journal._writer.removed == 0
    await journal.retain(["sink"])
    await steps.until(lambda: journal._writer.removed == 1)


async def test_beyond_its_size_the_oldest_go_and_each_sink_that_missed_them_is_told(
    open_journal, journal_path: Path, steps: Steps
) -> None:
    status, sink = JournalStatus(), SinkStatus("sink")
    journal = await open_journal(status, max_bytes=1 << 20, recent_bytes=0)
    cursor = await journal.cursor("sink", sink)
    sent = 0
    for i in range(300):
        source = ("plant", "second")[i % 2]
        sent += 1
        await journal.append([Draft(Kind.DATA, source, bytes(20_000), 10, received=1000 + i)])
    await steps.settled()
    records = await everything(journal)
    kept = [r for r in records if r.kind is Kind.DATA]
    told = gaps(records)
    assert {gap.source for gap in told} == {"plant", "second"}
    assert min(gap.start for gap in told) == 1000
    assert max(gap.end for gap in told) == kept[0].received - 1
    assert status.lost == (sent - len(kept)) * 10
    assert sink.behind == len(kept) * 10
    assert cursor.owed == ((1, 300),)
    assert journal_path.stat().st_size < 3 << 20
    assert sum(len(record.body) for record in kept) > 800_000, "no more goes than has to"
    assert status.damaged == 0, "what was dropped on purpose is not damage"


async def test_what_was_freed_is_given_back_to_the_disk_but_what_the_next_records_need(
    open_journal, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.retention._SLACK_PAGES", 16)
    monkeypatch.setattr("gateway.store.retention._VACUUM_PAGES", 64)
    journal = await open_journal(retention_s=3600.0)
    old, new = ([Draft(Kind.DATA, "plant", bytes(50_000), 1, received=at)] for at in (1, time.time_ns()))
    await journal.append(old * 200 + new * 20)
    await steps.until(lambda: journal._writer._file.pragma("page_count") <= 400)
    for _ in range(5):
        await steps.settled()
    assert journal._writer._file.pragma("freelist_count") > 0
