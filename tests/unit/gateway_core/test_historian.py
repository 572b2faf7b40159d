"""The historian: what was written is found again, small, soon, in order."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from support_records import tag

import gateway.history.file as history_file
from gateway.catalogue import TagCatalogue
from gateway.contract import NotConnected, Rejected
from gateway.history.samples import Samples, joined, thinned
from gateway.history.staging import Staged, Tail
from gateway.sinks.historian import Historian, HistorianSettings
from gateway.values import Batch, Column, Event, Gap

SECOND = 1_000_000_000
NOON = (time.time_ns() // SECOND - 2 * 86_400) * SECOND
EVER = 1 << 62
TAGS = TagCatalogue([tag(i) for i in range(1, 101)])


def column(tags: Any, values: Any, times: Any, status: Any = 0, dtype: Any = np.float64, first: int = 0) -> Column:
    n = len(tags)
    return Column(
        np.arange(first, first + n),
        np.asarray(tags, np.int32),
        np.fromiter(values, object, n) if dtype is object else np.asarray(values, dtype),
        np.broadcast_to(np.asarray(status, np.uint32), n),
        np.asarray(times, np.int64),
    )


def batch(*columns: Column, events: tuple[Event, ...] = (), gaps: tuple[Gap, ...] = ()) -> Batch:
    return Batch(columns, events, gaps, 1)


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    one = Historian("historian", HistorianSettings(), tmp_path / "state" / "historian.sqlite")
    await one.open(TAGS)
    yield one
    await one.close()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compacts after a few values instead of half a million."""
    monkeypatch.setattr(history_file, "_STAGED_BYTES", 1000)


async def test_values_come_back_by_tag_and_time(historian: Historian) -> None:
    times = NOON + np.arange(100) * SECOND
    await historian.write(batch(column([1] * 100, range(100), times), column([2] * 100, range(100), times, dtype="i4")))
    found = await historian.query(1, NOON + 10 * SECOND, NOON + 19 * SECOND, 1000)
    assert found.last.tolist() == list(range(10, 20))
    assert found.time.tolist() == times[10:20].tolist()
    assert (await historian.query(2, 0, EVER, 1000)).last.dtype == np.int32
    assert len(await historian.query(3, 0, EVER, 1000)) == 0


@pytest.mark.usefixtures("eager")
async def test_it_makes_no_difference_where_values_lie(historian: Historian) -> None:
    for i in range(200):
        await historian.write(batch(column([1, 2], [i, -i], [NOON + i * SECOND] * 2)))
    found = await historian.query(1, 0, EVER, 1000)
    assert found.last.tolist() == list(range(200))
    assert (np.diff(found.time) > 0).all()


@pytest.mark.usefixtures("eager")
async def test_what_comes_late_or_twice_is_put_in_place_once(historian: Historian) -> None:
    order = [*range(50, 100), *range(50), *range(20, 70)]
    for i in order:
        await historian.write(batch(column([1], [i], [NOON + i * SECOND])))
    found = await historian.query(1, 0, EVER, 1000)
    assert found.last.tolist() == list(range(100))


@pytest.mark.usefixtures("eager")
async def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    for round_ in range(5):
        one = Historian("historian", HistorianSettings(), path)
        await one.open(TAGS)
        for i in range(round_ * 30, round_ * 30 + 30):
            await one.write(batch(column([1], [i], [NOON + i * SECOND])))
        assert (await one.query(1, 0, EVER, 1000)).last.tolist() == list(range(round_ * 30 + 30))
        await one.close()


@pytest.mark.usefixtures("eager")
async def test_small_blocks_grow_together(historian: Historian) -> None:
    for i in range(1000):
        await historian.write(batch(column([1] * 5, [i] * 5, NOON + (np.arange(5) + i * 5) * SECOND)))
    with sqlite3.connect(historian._path) as file:
        blocks = file.execute("SELECT count(*), sum(count) FROM block").fetchone()
    file.close()
    assert blocks[0] < 50
    assert len(await historian.query(1, 0, EVER, 100_000)) == 5000


async def test_a_day_of_one_value_a_second_is_drawn_in_a_thousand_steps(historian: Historian) -> None:
    day, random = 86_400, np.random.default_rng(1)
    times = NOON + np.arange(day) * SECOND + random.integers(-20_000, 20_000, day) * 100
    values = np.round(80 + np.cumsum(random.normal(0, 0.05, day)), 2)
    for tag_id in range(1, 9):
        await historian.write(batch(column([tag_id] * day, values, times)))
    found = await historian.query(1, NOON, NOON + day * SECOND, 1000)
    assert 900 <= len(found) <= 1000
    assert np.nanmin(found.low) == values.min()
    assert np.nanmax(found.high) == values.max()
    with sqlite3.connect(historian._path) as file:
        size, count = file.execute("SELECT sum(length(body)), sum(count) FROM block").fetchone()
    file.close()
    assert count >= day
    assert size < 4 * count


async def test_texts_and_structures_are_kept(historian: Historian) -> None:
    values = ["Running", None, ["a", 1], {"x": 1.5}, b"\x00\xff"]
    await historian.write(batch(column([5] * 5, values, NOON + np.arange(5), dtype=object)))
    found = await historian.query(5, 0, EVER, 100)
    assert found.last.tolist() == [*values[:4], "AP8="]
    assert np.isnan(found.low).all()


async def test_bad_values_are_shown_as_bad_and_do_not_count(historian: Historian) -> None:
    bad, uncertain = 0x8000_0000, 0x4000_0000
    await historian.write(batch(column([1] * 3, [5.0, 0.0, 7.0], NOON + np.arange(3), [0, bad, uncertain])))
    found = await historian.query(1, 0, EVER, 100)
    assert found.status.tolist() == [0, bad, uncertain]
    assert np.nan_to_num(found.low, nan=-1).tolist() == [5.0, -1, 7.0]


async def test_a_value_that_the_server_did_not_send_leaves_the_numbers_beside_it(historian: Historian) -> None:
    times = [NOON + i * SECOND for i in range(4)]
    await historian.write(batch(column([7, 7], [None, None], times[:2], 0x80310000, object)))
    await historian.write(batch(column([7, 7], [1.5, 2.5], times[2:])))
    found = await historian.query(7, 0, EVER, 100)
    np.testing.assert_array_equal(found.low, [np.nan, np.nan, 1.5, 2.5])
    np.testing.assert_array_equal(found.last, [np.nan, np.nan, 1.5, 2.5])


async def test_a_tag_that_changed_its_type_is_still_one_series(historian: Historian) -> None:
    await historian.write(batch(column([1], [1], [NOON], dtype="i4")))
    await historian.write(batch(column([1], [2.5], [NOON + 1])))
    assert (await historian.query(1, 0, EVER, 10)).last.tolist() == [1.0, 2.5]
    await historian.write(batch(column([1], ["three"], [NOON + 2], dtype=object)))
    assert (await historian.query(1, 0, EVER, 10)).last.tolist() == [1, 2.5, "three"]


async def test_values_of_nobodys_tag_are_refused_by_position_and_the_rest_is_taken(historian: Historian) -> None:
    with pytest.raises(Rejected) as refusal:
        await historian.write(batch(column([1, 999, -5, 2], [1, 2, 3, 4], [NOON] * 4, first=40)))
    assert refusal.value.positions == (41, 42)
    await historian.write(batch(column([1, 2], [1, 4], [NOON] * 2)))
    assert (await historian.query(2, 0, EVER, 10)).last.tolist() == [4]


async def test_values_that_cannot_be_kept_are_refused_by_position(historian: Historian) -> None:
    given_ = batch(column([1] * 3, ["fine", 1 << 80, object()], NOON + np.arange(3), dtype=object, first=7))
    with pytest.raises(Rejected) as refusal:
        await historian.write(given_)
    assert refusal.value.positions == (8, 9)
    await historian.write(batch(column([1], ["fine"], [NOON], dtype=object)))
    assert (await historian.query(1, 0, EVER, 10)).last.tolist() == ["fine"]


async def test_events_and_gaps_are_found_again_once(historian: Historian) -> None:
    event = Event(
        9, "plant", "BulkOrderEventType", "Line1", NOON, 500, "60 units", {"Quantity": 60, "Customer": "Käte"}
    )
    gap = Gap(10, "plant", (1, 2), NOON, NOON + 5, "no history")
    for _ in range(2):
        await historian.write(batch(events=(event,), gaps=(gap,)))
    await historian.write(batch(events=(replace(event, time=NOON + 1), replace(event, time=NOON + 2))))
    assert (await historian.events(0, EVER, 10))[0] == event
    assert [e.time for e in await historian.events(0, EVER, 2)] == [NOON + 1, NOON + 2]
    assert await historian.gaps(NOON + 5, EVER, 10) == [gap]
    assert await historian.gaps(NOON + 6, EVER, 10) == []


@pytest.mark.usefixtures("eager")
async def test_old_values_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_EXPIRE_EVERY_S", 0.0)
    one = Historian("historian", HistorianSettings(retention_s=3600), tmp_path / "h.sqlite")
    await one.open(TAGS)
    now = time.time_ns()
    for start in (now - 7200 * SECOND, now - 60 * SECOND):
        for i in range(5):
            times = start + (np.arange(100) + 100 * i) * 1_000_000
            await one.write(batch(column([1] * 100, range(100), times)))
    found = await one.query(1, 0, EVER, 10_000)
    assert found.time.min() > now - 3600 * SECOND
    assert len(found) == 500
    await one.close()


@pytest.mark.usefixtures("eager")
async def test_the_file_stays_below_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "_EXPIRE_EVERY_S", 0.0)
    monkeypatch.setattr(history_file, "_SLACK_PAGES", 0)
    one = Historian("historian", HistorianSettings(max_bytes=1 << 20), tmp_path / "h.sqlite")
    await one.open(TAGS)
    random, n = np.random.default_rng(1), 20_000
    for i in range(30):
        await one.write(batch(column([1] * n, random.random(n), NOON + (np.arange(n) + i * n) * SECOND)))
    found = await one.query(1, 0, EVER, 1 << 30)
    assert found.time[-1] == NOON + (30 * n - 1) * SECOND
    assert 10_000 < len(found) < 200_000
    await one.close()
    assert one._path.stat().st_size < 3 << 20


async def test_a_file_that_cannot_be_written_is_a_peer_that_is_away(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("a file where the folder should be")
    one = Historian("historian", HistorianSettings(), folder / "h.sqlite")
    with pytest.raises(NotConnected):
        await one.open(TAGS)
    with pytest.raises(NotConnected):
        await one.write(batch())
    with pytest.raises(NotConnected):
        await one.query(1, 0, 1, 1)
    with pytest.raises(NotConnected):
        await one.events(0, 1, 1)
    folder.unlink()
    await one.open(TAGS)
    await one.write(batch(column([1], [1.0], [NOON])))
    await one.close()


async def test_a_full_disk_is_a_peer_that_is_away_and_nothing_is_lost(historian: Historian) -> None:
    assert historian._file is not None
    historian._file._connection.execute("PRAGMA max_page_count=1")
    large = batch(column([1] * 50_000, range(50_000), NOON + np.arange(50_000)))
    with pytest.raises(NotConnected, match="full"):
        await historian.write(large)
    await historian.open(TAGS)
    await historian.write(batch(column([1], [1.0], [NOON - 1])))
    assert (await historian.query(1, NOON - 1, NOON - 1, 10)).last.tolist() == [1.0]


async def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    path.write_bytes(os.urandom(10_000))
    one = Historian("historian", HistorianSettings(), path)
    await one.open(TAGS)
    await one.write(batch(column([1], [1.0], [NOON])))
    await one.close()
    assert len(list(tmp_path.glob("h.sqlite.damaged-*"))) == 1


@pytest.mark.usefixtures("eager")
async def test_a_damaged_block_costs_its_values_only(historian: Historian) -> None:
    for i in range(4):
        await historian.write(batch(column([1] * 100, range(100), NOON + (np.arange(100) + 100 * i) * SECOND)))
    with sqlite3.connect(historian._path) as file:
        file.execute("UPDATE block SET body = zeroblob(50) WHERE id = (SELECT min(id) FROM block)")
    file.close()
    assert len(await historian.query(1, 0, EVER, 1000)) == 300


def test_unknown_settings_are_errors() -> None:
    with pytest.raises(ValidationError):
        HistorianSettings(retention=5)  # type: ignore[call-arg]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 1000), st.floats(-1e9, 1e9), st.booleans()), min_size=1, max_size=200),
    st.integers(1, 50),
)
def test_thinning_keeps_least_greatest_and_last(raw: list[tuple[int, float, bool]], points: int) -> None:
    times, values, bad = (np.array(part) for part in zip(*raw, strict=True))
    samples = joined([Samples(times, values, np.where(bad, 0x8000_0000, 0).astype(np.uint32))])
    found = thinned(samples, points)
    good = samples.value[samples.status == 0]
    assert len(found) <= points or len(found) == len(samples) <= points
    assert found.time[-1] == samples.time[-1]
    assert found.last[-1] == samples.value[-1]
    assert (np.diff(found.time) > 0).all()
    if len(good):
        assert np.nanmin(found.low) == good.min()
        assert np.nanmax(found.high) == good.max()
    else:
        assert np.isnan(found.low).all()


@given(st.lists(st.integers(1, 40), max_size=60))
def test_what_is_staged_lies_in_few_pieces_and_keeps_its_order(sizes: list[int]) -> None:
    tail, count = Tail(), 0
    for size in sizes:
        values = np.arange(count, count + size, dtype=np.float64)
        piece = Staged(np.ones(size, np.int32), np.full(size, 5), values, np.zeros(size, np.uint32))
        tail, count = tail.plus([piece]), count + size
    assert len(tail.chunks) <= 2 + np.log2(max(count, 1))
    assert [v for samples in tail.of(1) for v in samples.value] == list(range(count))
    if count:
        assert tail.sorted()[0].value.tolist() == [count - 1], "the value that came last wins"
