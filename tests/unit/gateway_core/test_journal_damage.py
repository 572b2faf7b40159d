"""What is damaged in the journal's file costs only what it hit, and is said."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from support_journal import ALL, everything, gaps, numbers
from support_records import draft, tag

from gateway.journal import INDEX_BITS, Draft, JournalError, Kind
from gateway.status import JournalStatus, SinkStatus
from gateway.values import Gap


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
    overwrite(journal_path, b"%06d" % 77 * 10)
    journal = await open_journal()
    found = {r.sequence for r in await journal.read(1, 100, ALL) if r.kind is Kind.DATA}
    assert len(found) >= 85
    assert found >= {*range(1, 67), *range(87, 101)}, "what is far from it is whole"
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
