"""The journal: appends that wait together share a commit, recent records are read from memory, progress is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest
from pydantic import ValidationError
from support_journal import ALL, numbers
from support_records import draft

from gateway.journal import INDEX_BITS, Draft, Journal, JournalError, JournalSettings, Kind
from gateway.status import JournalStatus, SinkStatus


async def test_those_who_wait_together_are_committed_together(journal: Journal) -> None:
    commits = []
    transaction = journal._writer._file.transaction
    journal._writer._file.transaction = lambda: commits.append(1) or transaction()
    await asyncio.gather(*(journal.append([draft(i)]) for i in range(200)))
    assert journal.head == 200
    assert len(commits) < 20
    assert numbers(await journal.read(1, 200, ALL)) == list(range(200))


async def test_an_append_that_nobody_waits_for_any_more_is_still_in_order(journal: Journal) -> None:
    journal.append([draft(1)]).cancel()
    assert await journal.append([draft(2)]) == 2
    assert journal.head == 2
    assert numbers(await journal.read(1, 2, ALL)) == [1, 2]


@pytest.mark.parametrize("recent_bytes", [0, 1 << 20], ids=["from disk", "from memory"])
async def test_a_read_gives_as_many_bytes_as_were_asked_for_and_one_record_at_least(
    open_journal, recent_bytes: int
) -> None:
    journal = await open_journal(recent_bytes=recent_bytes)
    await journal.append([Draft(Kind.DATA, "plant", bytes(100)) for _ in range(4)])
    for most, count in ((200, 2), (199, 1), (201, 2), (1, 1), (1000, 4)):
        assert [record.sequence for record in await journal.read(1, 4, most)] == list(range(1, count + 1))


async def test_a_record_of_too_many_values_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="cut it"):
        Draft(Kind.DATA, "plant", b"", (1 << INDEX_BITS) + 1)


async def test_recent_records_are_read_without_the_disk_and_memory_is_bounded(open_journal) -> None:
    journal = await open_journal(recent_bytes=50_000)
    for i in range(20):
        await journal.append([draft(*range(i * 300, i * 300 + 300))])
    assert journal._recent._bytes <= 50_000
    held = journal._recent.first()
    journal._reader.read = None  # type: ignore[assignment] # whoever reads the disk fails
    assert len(await journal.read(held, 20, ALL)) == 20 - held + 1
    del journal._reader.read
    assert len(numbers(await journal.read(1, 20, ALL))) == (held - 1) * 300, "the older part first"


async def test_two_gateways_never_share_a_journal(open_journal) -> None:
    await open_journal()
    with pytest.raises(JournalError, match="another gateway"):
        await open_journal()


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="folder"):
        await Journal.open(tmp_path / "file" / "journal.sqlite", JournalSettings(), JournalStatus())


async def test_progress_is_on_disk_soon_without_anyone_asking(open_journal, journal_path: Path) -> None:
    journal = await open_journal()
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(1), draft(2)])
    cursor.settle(1, 1, 1)
    async with asyncio.timeout(3):
        while cursor.saved is not cursor.progress:
            await asyncio.sleep(0.02)
    connection = sqlite3.connect(journal_path)
    assert connection.execute("SELECT seen, owed FROM cursor").fetchall() == [(1, b"[]")]
    connection.close()


async def test_behind_counts_values_also_after_a_restart(open_journal) -> None:
    journal = await open_journal()
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(*range(i)) for i in range(1, 11)])
    cursor.settle(3, 5, 12)
    assert cursor.status.behind == 55 - 12
    await journal.close()
    journal = await open_journal()
    again = await journal.cursor("sink", SinkStatus("sink"))
    assert again.owed == ((1, 2), (6, 10))
    assert again.status.behind == 43


async def test_after_close_nothing_is_taken(journal: Journal) -> None:
    await journal.append([draft(1)])
    await journal.close()
    await journal.close()
    with pytest.raises(JournalError, match="closed"):
        await journal.append([draft(2)])
    with pytest.raises(JournalError, match="closed"):
        await journal.cursor("sink", SinkStatus("sink"))


@pytest.mark.parametrize("wrong", [{"retention": 5}, {"retention_s": 0}, {"max_bytes": 5}])
def test_wrong_settings_are_errors(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        JournalSettings(**wrong)  # type: ignore[arg-type]
