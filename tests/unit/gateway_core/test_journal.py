"""The journal: what append returned for stays; what is damaged or dropped is said."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import ValidationError
from support_records import draft, tag, values

from gateway.journal import INDEX_BITS, Draft, Journal, JournalError, JournalSettings, Kind, Record
from gateway.records import to_batch
from gateway.status import JournalStatus, SinkStatus
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


def edit(path: Path, sql: str, *arguments: object) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql, arguments)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


def overwrite(path: Path, *places: bytes) -> None:
    """Make a page of garbage of every page of the file that holds one of these texts."""
    data = bytearray(path.read_bytes())
    for place in places:
        at = data.index(place) // 4096 * 4096
        data[at : at + 4096] = b"\xa5" * 4096
    path.write_bytes(data)


async def test_those_who_wait_together_are_committed_together(journal: Journal) -> None:
    commits = []
    transaction = journal._writer._file.transaction
    journal._writer._file.transaction = lambda: commits.append(1) or transaction()
    await asyncio.gather(*(journal.append([draft(i)]) for i in range(200)))
    assert journal.head == 200
    assert len(commits) < 20
    assert numbers(await journal.read(1, 200, ALL)) == list(range(200))


async def test_an_append_that_nobody_waits_for_any_more_is_still_in_order(journal: Journal) -> None:
    task = asyncio.create_task(journal.append([draft(1)]))
    await asyncio.sleep(0)
    task.cancel()
    assert await journal.append([draft(2)]) == 2
    assert journal.head == 2
    assert numbers(await journal.read(1, 2, ALL)) == [1, 2]


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


async def test_a_damaged_byte_becomes_a_gap_and_the_rest_is_given(open_journal, journal_path: Path) -> None:
    journal = await open_journal()
    await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(i, received=1000 + i) for i in range(10)])
    await journal.close()
    edit(journal_path, "UPDATE record SET body = zeroblob(length(body)) WHERE sequence = 4")
    status = JournalStatus()
    journal = await open_journal(status)
    records = await journal.read(1, 10, ALL)
    assert numbers(records) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    assert gaps(records) == [Gap(4 << INDEX_BITS, "plant", (), 1003, 1003, "damaged in the journal")]
    assert [r.sequence for r in records] == list(range(1, 11))
    assert status.damaged == 1


async def test_records_that_are_missing_become_one_gap(open_journal, journal_path: Path) -> None:
    journal = await open_journal()
    await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(i, received=1000 + i) for i in range(10)])
    await journal.close()
    edit(journal_path, "DELETE FROM record WHERE sequence IN (1, 4, 5, 6)")
    journal = await open_journal()
    records = await journal.read(1, 10, ALL)
    assert numbers(records) == [1, 2, 6, 7, 8, 9]
    assert [(g.position >> INDEX_BITS, g.start, g.end) for g in gaps(records)] == [(1, 1001, 1001), (6, 1002, 1006)]
    assert await journal.read(4, 5, ALL) != [], "nobody takes a damaged stretch for an empty one"


async def test_garbage_in_the_file_costs_only_what_it_hit(open_journal, journal_path: Path) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A")])
    await journal.append([Draft(Kind.DATA, "plant", b"%06d" % i * 500, 500) for i in range(100)])
    await journal.close()
    overwrite(journal_path, b"%06d" % 50 * 10)
    journal = await open_journal()
    found = {r.sequence for r in await journal.read(1, 100, ALL) if r.kind is Kind.DATA}
    assert len(found) >= 85
    assert [t.id for t in journal.catalogue] == [1]
    assert await journal.append([draft(1)]) > 100


@pytest.mark.parametrize("place", [b"CREATE TABLE", b"SQLite format"])
async def test_a_file_that_cannot_be_read_is_moved_aside_and_a_new_one_started(
    open_journal, journal_path: Path, place: bytes
) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A")])
    await journal.append([draft(i) for i in range(10)])
    await journal.close()
    overwrite(journal_path, place)
    journal = await open_journal()
    assert len(list(journal_path.parent.glob("journal.sqlite.damaged-*"))) == 1
    await journal.append([draft(99)])
    records = await everything(journal)
    assert numbers(records) == [99]
    assert any("damaged" in gap.reason for gap in gaps(records))


@pytest.mark.parametrize("table", ["removed", "tag", "cursor"])
async def test_a_damaged_table_leaves_the_others(open_journal, journal_path: Path, table: str) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(i, tag=2) for i in range(100)])
    cursor.settle(1, 40, 40)
    await journal.close()
    connection = sqlite3.connect(journal_path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    connection.close()
    data = bytearray(journal_path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xa5" * 4096
    journal_path.write_bytes(data)
    journal = await open_journal()
    assert [t.path[-1] for t in journal.catalogue] == ([] if table == "tag" else ["A", "B"])
    (adopted,) = await journal.adopt("plant", [tag(name="C")])
    assert adopted.id == 3, "no other tag gets the values in the journal"
    owed = (await journal.cursor("sink", SinkStatus("sink"))).owed
    assert owed == (((1, 101),) if table == "cursor" else ((41, 101),))
    records = await journal.read(1, 101, ALL)
    assert numbers(records) == list(range(100))
    assert "damaged" in gaps(records)[0].reason


async def test_damaged_rows_of_tags_and_sinks_do_not_keep_the_gateway_from_starting(
    open_journal, journal_path: Path
) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A"), tag(name="B")])
    await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(1)])
    await journal.close()
    edit(journal_path, "UPDATE tag SET body = x'a5a5' WHERE id = 1")
    edit(journal_path, "UPDATE cursor SET owed = x'a5a5'")
    journal = await open_journal()
    assert [t.id for t in journal.catalogue] == [1, 2]
    assert (await journal.cursor("sink", SinkStatus("sink"))).owed == ((1, 1),)
    assert [t.id for t in await journal.adopt("plant", [tag(name="B"), tag(name="A")])] == [2, 1]
    assert journal.catalogue.tag(1).path[-1] == "A"


async def test_a_file_that_disappears_while_it_runs_is_made_anew_and_numbers_go_on(
    open_journal, journal_path: Path
) -> None:
    journal = await open_journal()
    await journal.adopt("plant", [tag(name="A")])
    await journal.append([draft(i) for i in range(10)])
    for file in journal_path.parent.glob("journal.sqlite*"):
        if file.suffix != ".lock":
            file.unlink()
    journal._writer.distrust()
    assert await journal.append([draft(11)]) == 11
    await journal.close()
    journal = await open_journal()
    assert [t.id for t in journal.catalogue] == [1]
    assert numbers(await journal.read(11, 11, ALL)) == [11]


async def test_damage_met_while_writing_replaces_the_file_and_saves_both_sides_of_it(
    open_journal, journal_path: Path
) -> None:
    journal = await open_journal(recent_bytes=0)
    await journal.cursor("sink", SinkStatus("sink"))
    for i in range(400):
        await journal.append([draft(*[i] * 20)])
    await journal.close()
    data = bytearray(journal_path.read_bytes())
    pages = [at for at in range(0, len(data), 4096) if data[at] == 13]  # leaves of tables, SQLite file format 1.6
    for page in (pages[len(pages) // 2], pages[-1]):
        data[page : page + 4096] = b"\xa5" * 4096
    journal_path.write_bytes(data)
    journal = await open_journal(recent_bytes=0)
    appended: list[float] = []
    for i in range(1000, 1400):
        try:
            await journal.append([draft(i)])
            appended.append(i)
        except JournalError:
            continue
    assert len(appended) >= 398
    records = await everything(journal)
    found = numbers(records)
    assert set(appended) <= set(found)
    assert len({v for v in found if v < 400}) > 300
    assert gaps(records)
    assert [r.sequence for r in records][-1] == journal.head


async def test_a_journal_of_another_kind_is_left_alone(open_journal, journal_path: Path) -> None:
    connection = sqlite3.connect(journal_path)
    connection.execute("PRAGMA user_version=77")
    connection.execute("CREATE TABLE precious (x)")
    connection.close()
    with pytest.raises(JournalError, match="move it away"):
        await open_journal()
    assert journal_path.exists()


async def test_two_gateways_never_share_a_journal(open_journal) -> None:
    await open_journal()
    with pytest.raises(JournalError, match="another gateway"):
        await open_journal()


async def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="folder"):
        await Journal.open(tmp_path / "file" / "journal.sqlite", JournalSettings(), JournalStatus())


async def test_delivered_records_go_by_age_and_owed_ones_stay(open_journal) -> None:
    journal = await open_journal(retention_s=3600.0)
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    old = time.time_ns() - 7200 * 10**9
    await journal.append([draft(i, received=old) for i in range(10)])
    await journal.append([draft(i) for i in range(10, 20)])
    cursor.settle(1, 6, 6)
    async with asyncio.timeout(5):
        while journal._writer.removed < 6:
            await asyncio.sleep(0.02)
    await journal.close()
    journal = await open_journal(retention_s=3600.0)
    assert journal._writer.removed == 6
    assert numbers(await journal.read(1, 20, ALL)) == list(range(6, 20))
    assert (await journal.cursor("sink", SinkStatus("sink"))).owed == ((7, 20),)


async def test_a_journal_without_sinks_still_shrinks(open_journal) -> None:
    journal = await open_journal(retention_s=3600.0)
    old = time.time_ns() - 7200 * 10**9
    await journal.append([draft(i, received=old) for i in range(1000)])
    async with asyncio.timeout(5):
        while journal._writer.removed < 999:
            await asyncio.sleep(0.02)
    await journal.close()
    journal = await open_journal()
    assert journal.head == 1000, "numbers are never used twice"
    assert await journal.append([draft(1)]) == 1001


async def test_a_sink_that_is_gone_for_good_holds_nothing_back(open_journal) -> None:
    journal = await open_journal(retention_s=3600.0)
    await journal.cursor("gone", SinkStatus("gone"))
    await journal.append([draft(1, received=1), draft(2, received=1)])
    await journal.close()
    journal = await open_journal(retention_s=3600.0)
    await asyncio.sleep(0.6)
    assert journal._writer.removed == 0
    await journal.retain(["sink"])
    async with asyncio.timeout(5):
        while journal._writer.removed < 1:
            await asyncio.sleep(0.02)


async def test_beyond_its_size_the_oldest_go_and_each_sink_that_missed_them_is_told(
    open_journal, journal_path: Path
) -> None:
    status, sink = JournalStatus(), SinkStatus("sink")
    journal = await open_journal(status, max_bytes=1 << 20, recent_bytes=0)
    cursor = await journal.cursor("sink", sink)
    sent = 0
    for i in range(300):
        source = ("plant", "second")[i % 2]
        sent += 1
        await journal.append([Draft(Kind.DATA, source, bytes(20_000), 10, received=1000 + i)])
    async with asyncio.timeout(5):
        while not status.lost:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
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
    assert status.damaged == 0, "what was dropped on purpose is not damage"


async def test_what_was_freed_is_given_back_to_the_disk(open_journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.retention._SLACK_PAGES", 16)
    monkeypatch.setattr("gateway.store.writer._EXPIRE_S", 0.0)
    journal = await open_journal(retention_s=3600.0)
    await journal.append([Draft(Kind.DATA, "plant", bytes(50_000), 1, received=1) for _ in range(200)])
    await journal.append([draft(1)])
    async with asyncio.timeout(10):
        while journal._writer._file.pragma("page_count") > 300:
            await asyncio.sleep(0.02)


async def test_progress_is_on_disk_soon_without_anyone_asking(open_journal, journal_path: Path) -> None:
    journal = await open_journal()
    cursor = await journal.cursor("sink", SinkStatus("sink"))
    await journal.append([draft(1), draft(2)])
    cursor.settle(1, 1, 1)
    async with asyncio.timeout(3):
        while cursor.saved is not cursor.progress:
            await asyncio.sleep(0.02)
    connection = sqlite3.connect(journal_path)
    assert connection.execute("SELECT seen, owed FROM cursor").fetchall() == [(2, b"[[2,2]]")]
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


CRASHING = """
import asyncio, sys
from pathlib import Path
from gateway.journal import Journal, JournalSettings
from gateway.status import JournalStatus
from support_records import draft

async def main():
    journal = await Journal.open(Path(sys.argv[1]), JournalSettings(), JournalStatus())
    async def feed(offset):
        for i in range(offset, 10**6, 4):
            sequence = await journal.append([draft(i)])
            print(sequence, i, flush=True)
    await asyncio.gather(*(feed(k) for k in range(4)))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_append_returned_for(open_journal, journal_path: Path) -> None:
    confirmed: dict[int, float] = {}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", CRASHING, str(journal_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ".:tests"},
        )
        assert process.stdout
        told = [process.stdout.readline() for _ in range(150)]
        process.kill()
        told += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        whole = [line.split() for line in told if line.endswith("\n")]
        assert not confirmed.keys() & {int(s) for s, _ in whole}, "numbers are never used twice"
        confirmed |= {int(s): float(v) for s, v in whole}
    journal = await open_journal()
    found = {r.sequence: numbers([r])[0] for r in await journal.read(1, journal.head, ALL)}
    assert confirmed.items() <= found.items()
    assert sorted(found) == list(range(1, journal.head + 1))


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from gateway.journal import Draft, Journal, JournalError, JournalSettings, Kind, Record
from gateway.status import JournalStatus

async def main():
    status = JournalStatus()
    journal = await Journal.open(Path(sys.argv[1]), JournalSettings(), status)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    stored, failed = [], 0
    while failed < 5:
        try:
            stored.append(await journal.append([Draft(Kind.DATA, "plant", bytes(100_000))]))
        except JournalError as error:
            failed += 1
            assert status.failure and status.failures == failed, status
            assert journal.head == len(stored)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    stored.append(await journal.append([Draft(Kind.DATA, "plant", b"again")]))
    assert status.failure == "", status
    assert stored == list(range(1, len(stored) + 1)), stored
    found = []
    while len(found) < len(stored):
        found += await journal.read(len(found) + 1, journal.head, 1 << 20)
    assert found[-1].body == b"again"
    await journal.close()
    print(len(stored))

asyncio.run(main())
"""


async def test_a_full_disk_stops_appends_and_they_recover_by_themselves(open_journal, journal_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(journal_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": ".:tests"},
    )
    assert done.returncode == 0, done.stderr
    journal = await open_journal()
    assert journal.head == int(done.stdout.split()[-1])
    records = await everything(journal)
    assert [r.sequence for r in records] == list(range(1, journal.head + 1))
    assert all(r.kind is Kind.DATA for r in records)


async def test_a_locked_file_fails_the_append_and_the_next_one_works(
    open_journal, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.schema._BUSY_S", 0.05)
    status = JournalStatus()
    journal = await open_journal(status)
    other = sqlite3.connect(journal_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="another process"):
        await journal.append([draft(1)])
    assert "another process" in status.failure
    other.execute("ROLLBACK")
    other.close()
    assert await journal.append([draft(1)]) == 1
    assert status.failure == ""
    assert status.failures >= 1


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
