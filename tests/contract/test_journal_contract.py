"""What a journal owes sources and sinks, whether it answers from memory or from disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from time import time_ns

import pytest
from support_records import draft, tag, values

from gateway.journal import Draft, Heard, Journal, JournalSettings, Kind
from gateway.records import to_batch
from gateway.status import JournalStatus, SinkStatus

JOURNALS = {
    "from memory": JournalSettings(),
    "from disk": JournalSettings(recent_bytes=0),
    "from both": JournalSettings(recent_bytes=2000),
}
Reopen = Callable[[], Awaitable[Journal]]
MUCH = 1 << 30


@pytest.fixture(params=JOURNALS.values(), ids=JOURNALS.keys())
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Opens the journal; again: closes it and opens it anew."""
    opened: list[Journal] = []

    async def anew() -> Journal:
        for journal in opened:
            await journal.close()
        opened.append(await Journal.open(tmp_path / "journal.sqlite", request.param, JournalStatus()))
        return opened[-1]

    yield anew
    for journal in opened:
        await journal.close()


async def everything(journal: Journal, max_bytes: int = MUCH) -> list[float]:
    """All values, read as a sink reads."""
    found: list[float] = []
    at = 1
    while records := await journal.read(at, journal.head, max_bytes):
        found += values([to_batch(records)])
        at = records[-1].sequence + 1
    return found


async def test_records_come_back_as_they_were_given(reopen: Reopen) -> None:
    journal, now = await reopen(), time_ns()
    drafts = [
        Draft(Kind.DATA, "plant", b"", 0, received=now),
        Draft(Kind.EVENT, "Werk Süd", b"{}", historical=True, received=now + 1),
        Draft(Kind.GAP, "plant", bytes(range(256)), received=now + 2),
    ]
    assert await journal.append(drafts) == 3
    for again in (False, True):
        journal = await reopen() if again else journal
        found = [r for i in (1, 2, 3) for r in await journal.read(i, i, MUCH)]
        assert [(r.kind, r.source, r.body, r.historical, r.received) for r in found] == [
            (d.kind, d.source, d.body, d.historical, d.received) for d in drafts
        ]
        assert [(r.sequence, r.count) for r in found] == [(1, 0), (2, 1), (3, 0)], "a gap has no values"


async def test_numbers_rise_without_holes_over_restarts(reopen: Reopen) -> None:
    last = 0
    for _ in range(3):
        journal = await reopen()
        assert journal.head == last
        for _ in range(5):
            assert await journal.append([draft(1), draft(2)]) == last + 2
            last += 2
    assert await everything(journal) == [1, 2] * 15


async def test_many_may_append_at_once_and_each_keeps_its_order(reopen: Reopen) -> None:
    journal = await reopen()

    async def feed(start: int) -> None:
        for i in range(start, start + 30):
            await journal.append([draft(i)])

    await asyncio.gather(*(feed(1000 * k) for k in range(5)))
    found = await everything(journal)
    assert len(found) == 150
    for k in range(5):
        assert [v for v in found if v // 1000 == k] == list(range(1000 * k, 1000 * k + 30))


async def test_a_read_gives_at_least_one_record_and_stops_at_the_size(reopen: Reopen) -> None:
    journal = await reopen()
    await journal.append([draft(*range(10)) for _ in range(20)])
    size = len((await journal.read(1, 1, MUCH))[0].body)
    assert len(await journal.read(1, 20, 0)) == 1
    assert len(await journal.read(1, 5, 3 * size)) == 3
    assert await everything(journal, 3 * size) == list(range(10)) * 20


async def test_what_is_not_there_yet_is_not_given(reopen: Reopen) -> None:
    journal = await reopen()
    assert await journal.read(1, 10, MUCH) == []
    await journal.append([draft(1)])
    assert len(await journal.read(1, 10, MUCH)) == 1
    assert await journal.read(2, 10, MUCH) == []
    assert await journal.append([]) == 1


async def test_who_waits_is_woken_by_the_next_record(reopen: Reopen) -> None:
    journal = await reopen()
    await journal.append([draft(1)])
    assert await journal.wait(0) == 1
    waiting = [asyncio.create_task(journal.wait(beyond)) for beyond in (1, 1, 2)]
    await asyncio.sleep(0)
    await journal.append([draft(2)])
    assert [await task for task in waiting[:2]] == [2, 2]
    assert not waiting[2].done()
    await journal.append([draft(3)])
    assert await waiting[2] == 3


async def test_a_cursor_knows_what_is_owed_over_restarts(reopen: Reopen) -> None:
    journal = await reopen()
    status = SinkStatus("sink")
    cursor = await journal.cursor("sink", status)
    assert cursor.owed == ()
    await journal.append([draft(*range(3)) for _ in range(10)])
    assert cursor.owed == ((1, 10),)
    assert status.behind == 30
    cursor.settle(4, 6, 9)
    await journal.append([draft(1)])
    assert cursor.owed == ((1, 3), (7, 11))
    assert status.behind == 22
    journal = await reopen()
    await journal.append([draft(2)])
    again = SinkStatus("sink")
    cursor = await journal.cursor("sink", again)
    assert cursor.owed == ((1, 3), (7, 12))
    assert again.behind == 23


async def test_tags_have_their_ids_for_ever(reopen: Reopen) -> None:
    journal = await reopen()
    first = await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    journal = await reopen()
    again = await journal.adopt("plant", [tag(name="B"), tag(name="C")])
    assert [t.id for t in again] == [first[1].id, first[1].id + 1]
    assert journal.catalogue.tag(first[0].id).path[-1] == "A"


async def test_how_far_subscriptions_are_is_stored_with_their_records_or_not_at_all(reopen: Reopen) -> None:
    journal = await reopen()
    await journal.hear_only("plant", ["a", "b"])
    await journal.append([draft(1)], Heard("plant", {"a": 7}))
    await journal.append([], Heard("plant", {"b": 2}))
    await journal.append([draft(2)], Heard("press", {"c": 9}))
    journal = await reopen()
    assert await everything(journal) == [1, 2]
    assert await journal.heard("plant") == {"a": 7, "b": 2}
    await journal.hear_only("plant", ["b", "d"])
    assert await journal.heard("plant") == {"b": 2, "d": 0}
    assert await journal.heard("press") == {"c": 9}
