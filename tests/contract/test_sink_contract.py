"""What every sink owes delivery (gateway/contract.py), and through it the people who rely on the values."""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import Any

import numpy as np
import pytest
from support_contract import Bench, Case
from support_records import Seen, tag

from gateway.catalogue import TagCatalogue
from gateway.contract import NotConnected
from gateway.journal import INDEX_BITS
from gateway.values import Batch, Column, DataType, Event, Gap

MILLISECOND = 1_000_000
NOW = time_ns() // MILLISECOND * MILLISECOND
BAD = 0x8000_0000


def column(tags: list[int], values: list[Any], step: int, dtype: Any = np.float64, status: int = 0) -> Column:
    """One value a tag; `step` makes time and position."""
    n = len(tags)
    return Column(
        (step << INDEX_BITS) + np.arange(n),
        np.array(tags, np.int32),
        np.fromiter(values, dtype, n),
        np.full(n, status, np.uint32),
        np.full(n, NOW + step * MILLISECOND),
    )


def batch(*columns: Column, step: int = 0, historical: bool = False, **other: Any) -> Batch:
    return Batch(columns, other.get("events", ()), other.get("gaps", ()), step, historical)


def numbers(case: Case, *columns: Column) -> set[Seen]:
    unit = case.time_unit_ns
    return {
        (int(t), int(at) // unit * unit, float(v))
        for c in columns
        for t, at, v in zip(c.tag, c.time, c.value, strict=True)
    }


async def has(bench: Bench, expected: set[Seen]) -> set[Seen]:
    """What the peer has, as soon as it has at least the expected."""
    found: set[Seen] = set()
    for _ in range(200):
        found = await bench.numbers()
        if found >= expected:
            break
        await asyncio.sleep(0.02)
    assert found >= expected, f"missing: {sorted(expected - found)[:5]} of {len(expected)}"
    return found


async def reopen(bench: Bench, catalogue: TagCatalogue) -> None:
    """As delivery does: again and again, until it works."""
    async with asyncio.timeout(20):
        while True:
            try:
                await bench.sink.open(catalogue)
            except NotConnected:
                await asyncio.sleep(0.05)
            else:
                return


async def test_the_peer_has_exactly_what_was_written(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    columns = [column(list(range(1, 21)), [i + n / 10 for n in range(20)], i) for i in range(1, 6)]
    for step, one in enumerate(columns, 1):
        await bench.sink.write(batch(one, step=step))
    assert await has(bench, numbers(case, *columns)) == numbers(case, *columns)


async def test_several_values_of_one_tag_in_one_batch_all_arrive(
    case: Case, bench: Bench, catalogue: TagCatalogue
) -> None:
    await bench.sink.open(catalogue)
    columns = [column([1, 2], [i, -i], i) for i in range(1, 8)]
    joined = Column(*(np.concatenate([getattr(c, f) for c in columns]) for f in Column.__slots__))
    await bench.sink.write(batch(joined, step=7))
    await has(bench, numbers(case, joined))


async def test_a_batch_that_comes_twice_does_no_harm(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    one = batch(column([1, 2], [1.5, 2.5], 1), step=1)
    await bench.sink.write(one)
    await bench.sink.write(one)
    assert await has(bench, numbers(case, *one.columns)) == numbers(case, *one.columns)


async def test_an_empty_batch_is_taken_and_the_next_one_too(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    await bench.sink.write(batch())
    one = column([1], [1.0], 1)
    await bench.sink.write(batch(one, step=1))
    assert await has(bench, numbers(case, one)) == numbers(case, one)


async def test_late_values_arrive_too(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    live, late = column([1], [2.0], 2), column([1, 2], [1.0, 1.0], 1)
    await bench.sink.write(batch(live, step=2))
    await bench.sink.write(batch(late, step=1, historical=True))
    await has(bench, numbers(case, live, late))


@pytest.mark.parametrize("dtype", ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"])
async def test_every_type_of_number_arrives(case: Case, bench: Bench, dtype: str) -> None:
    kinds = {"?": 1, "i1": 2, "u1": 3, "i2": 4, "u2": 5, "i4": 6, "u4": 7, "i8": 8, "u8": 9, "f4": 10, "f8": 11}
    await bench.sink.open(TagCatalogue([tag(i, data_type=DataType(kinds[dtype])) for i in (1, 2)]))
    one = column([1, 2], [0, 1], 1, dtype)
    await bench.sink.write(batch(one, step=1))
    await has(bench, numbers(case, one))


async def test_nothing_that_a_server_may_send_upsets_it(case: Case, bench: Bench) -> None:
    kinds = (DataType.DOUBLE, DataType.STRING, DataType.BYTESTRING, DataType.EXTENSIONOBJECT, DataType.INT32)
    await bench.sink.open(TagCatalogue([tag(i, data_type=kind) for i, kind in enumerate(kinds, 1)]))
    odd = [float("nan"), float("inf"), -float("inf"), -0.0, 5e-324, 1.7976931348623157e308]
    texts = ["", "Käse\n\t\"',\\ =", "\x00", None]
    for step, value in enumerate(odd, 1):
        await bench.sink.write(batch(column([1], [value], step), step=step))
    for step, text in enumerate(texts, 10):
        await bench.sink.write(batch(column([2], [text], step, object), step=step))
    await bench.sink.write(batch(column([3, 4], [b"\x00\xff", {"a": [1, None]}], 20, object), step=20))
    await bench.sink.write(batch(column([1], [float("nan")], 21, status=BAD), column([5], [0], 21, "i4", BAD), step=21))
    last = column([1], [42.0], 30)
    await bench.sink.write(batch(last, step=30))
    await has(bench, numbers(case, last))


async def test_events_and_gaps_are_taken_and_are_no_values(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    fields = {"Customer": "Käte", "Quantity": 60, "Paid": False, "Price": 1.5, "Note": None}
    event = Event(1 << INDEX_BITS, "plant", "BulkOrderEventType", "Line1", NOW, 500, "60 units", fields)
    gaps = (
        Gap(2 << INDEX_BITS, "plant", (1, 2), NOW, NOW + 5, "no history"),
        Gap(3 << INDEX_BITS, "plant", (), NOW, NOW + 5, "every tag"),
        Gap(4 << INDEX_BITS, "", (), NOW, NOW + 5, "every source"),
    )
    one = column([1], [1.0], 4)
    await bench.sink.write(batch(one, events=(event,), gaps=gaps, step=4))
    assert await has(bench, numbers(case, one)) == numbers(case, one)


async def test_a_tag_that_comes_later_is_delivered(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    await bench.sink.write(batch(column([1], [1.0], 1), step=1))
    catalogue.apply(catalogue.plan("plant", [*catalogue, tag(name="Late")], NOW))
    both = column([1, 21], [2.0, 21.0], 2)
    await bench.sink.write(batch(both, step=2))
    await has(bench, numbers(case, both))


async def test_values_of_a_tag_that_its_server_no_longer_has_are_delivered(
    case: Case, bench: Bench, catalogue: TagCatalogue
) -> None:
    catalogue.apply(catalogue.plan("plant", list(catalogue)[1:], NOW))
    await bench.sink.open(catalogue)
    both = column([1, 2], [1.0, 2.0], 1)
    await bench.sink.write(batch(both, step=1))
    await has(bench, numbers(case, both))


async def test_an_absent_peer_is_said_at_opening_and_found_when_it_is_back(
    case: Case, bench: Bench, catalogue: TagCatalogue
) -> None:
    await bench.cut()
    async with asyncio.timeout(20):
        with pytest.raises(NotConnected) as absence:
            await bench.sink.open(catalogue)
    assert str(absence.value), "the reason is shown to people"
    await bench.mend()
    await reopen(bench, catalogue)
    one = column([1], [1.0], 1)
    await bench.sink.write(batch(one, step=1))
    await has(bench, numbers(case, one))


async def test_a_peer_that_leaves_is_said_at_writing_and_loses_nothing(
    case: Case, bench: Bench, catalogue: TagCatalogue
) -> None:
    await bench.sink.open(catalogue)
    before, after = column([1, 2], [1.0, 1.0], 1), column([1, 2], [2.0, 2.0], 2)
    await bench.sink.write(batch(before, step=1))
    await has(bench, numbers(case, before))
    await bench.cut()
    async with asyncio.timeout(20):
        with pytest.raises(NotConnected):
            await bench.sink.write(batch(after, step=2))
    await bench.mend()
    await reopen(bench, catalogue)
    await bench.sink.write(batch(after, step=2))
    await has(bench, numbers(case, before, after))


async def test_a_write_that_is_cancelled_can_be_repeated(case: Case, bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    one = batch(column(list(range(1, 21)), list(range(20)), 1), step=1)
    for _ in range(3):
        task = asyncio.create_task(bench.sink.write(one))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    await reopen(bench, catalogue)
    await bench.sink.write(one)
    await has(bench, numbers(case, *one.columns))


async def test_a_sink_that_is_not_open_says_so(bench: Bench) -> None:
    with pytest.raises(NotConnected):
        await bench.sink.write(batch(column([1], [1.0], 1), step=1))


async def test_closing_is_possible_at_any_time_and_twice(bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.close()
    await bench.sink.open(catalogue)
    await bench.sink.close()
    await bench.sink.close()
    await bench.cut()
    with pytest.raises(NotConnected):
        await bench.sink.open(catalogue)
    await bench.sink.close()
    await bench.mend()
    await reopen(bench, catalogue)


async def test_a_large_batch_leaves_the_others_their_time(bench: Bench, catalogue: TagCatalogue) -> None:
    await bench.sink.open(catalogue)
    n, longest, running = 20_000, 0.0, True

    async def breathe() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while running:
            before = loop.time()
            await asyncio.sleep(0.001)
            longest = max(longest, loop.time() - before)

    breathing = asyncio.create_task(breathe())
    large = [column([i % 20 + 1 for i in range(n)], list(range(n)), step) for step in (1, 2)]
    for step, one in enumerate(large, 1):
        spread = Column(one.position, one.tag, one.value, one.status, one.time + np.arange(n) // 20 * MILLISECOND)
        await bench.sink.write(batch(spread, step=step))
    running = False
    await breathing
    assert longest < 0.2


async def test_its_name_is_fit_for_files_and_metrics(bench: Bench) -> None:
    assert bench.sink.name
    assert bench.sink.name.isprintable()
