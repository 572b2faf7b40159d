"""The last value of every tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from gateway.sinks.latest import Latest, Value
from gateway.values import Batch, Column


def batch(rows: Sequence[tuple[int, Any, int]], kind: type = np.float64, *, historical: bool = False) -> Batch:
    """Rows of (tag, value, time)."""
    tags, values, times = zip(*rows, strict=True)
    column = Column(
        np.arange(len(rows), dtype=np.int64),
        np.array(tags, np.int32),
        np.array(values, kind),
        np.zeros(len(rows), np.uint32),
        np.array(times, np.int64),
    )
    return Batch((column,), (), (), 1, historical)


async def test_it_knows_nothing_at_first() -> None:
    assert Latest().get(1) is None
    assert Latest().get(-1) is None


async def test_it_shows_the_last_of_several_values_in_a_batch() -> None:
    latest = Latest()
    await latest.write(batch([(3, 1.0, 10), (5, 7.0, 10), (3, 2.0, 11), (3, 3.0, 12)]))
    assert latest.get(3) == Value(3.0, 0, 12)
    assert latest.get(5) == Value(7.0, 0, 10)
    assert latest.get(4) is None


async def test_an_older_value_that_comes_late_changes_nothing() -> None:
    latest = Latest()
    await latest.write(batch([(1, 2.0, 20)]))
    await latest.write(batch([(1, 1.0, 10), (2, 9.0, 10)], historical=True))
    assert latest.get(1) == Value(2.0, 0, 20)
    assert latest.get(2) == Value(9.0, 0, 10)


async def test_the_same_value_again_changes_nothing() -> None:
    latest = Latest()
    for _ in range(2):
        await latest.write(batch([(1, 2.0, 20)]))
    assert latest.get(1) == Value(2.0, 0, 20)


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [(True, np.bool_, 1.0), (-5, np.int8, -5.0), (2**40, np.uint64, float(2**40)), ("Milk", np.object_, "Milk")],
)
async def test_numbers_are_floats_and_the_rest_stays_as_it_came(value: object, kind: type, shown: object) -> None:
    latest = Latest()
    await latest.write(batch([(1, value, 1)], kind))
    found = latest.get(1)
    assert found is not None
    assert found.value == shown


async def test_a_bad_status_without_a_value_replaces_a_text() -> None:
    latest = Latest()
    await latest.write(batch([(1, "Milk", 1)], np.object_))
    column = Column(
        *(
            np.array([x], t)
            for x, t in ((9, np.int64), (1, np.int32), (0.0, float), (0x80000000, np.uint32), (2, np.int64))
        )
    )
    await latest.write(Batch((column,), (), (), 2))
    assert latest.get(1) == Value(0.0, 0x80000000, 2)


async def test_ids_may_grow_far_apart() -> None:
    latest = Latest()
    for tag in (1, 1_000, 100_000, 7):
        await latest.write(batch([(tag, float(tag), 1)]))
    assert [latest.get(tag) for tag in (1, 7, 100_000)] == [Value(1.0, 0, 1), Value(7.0, 0, 1), Value(100_000.0, 0, 1)]


async def test_an_empty_column_does_no_harm() -> None:
    empty = Column(*(np.zeros(0, kind) for kind in (np.int64, np.int32, np.float64, np.uint32, np.int64)))
    latest = Latest()
    await latest.write(batch([(1, 5.0, 1)]))
    await latest.write(Batch((empty,), (), (), 2))
    assert latest.get(0) is None
    assert latest.get(1) == Value(5.0, 0, 1)
