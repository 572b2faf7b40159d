"""Ranges behave like the sets they stand for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway import ranges
from gateway.ranges import Ranges

NUMBER = st.integers(1, 60)
SETS = st.sets(NUMBER)


def as_set(held: Ranges) -> set[int]:
    return {number for first, last in held for number in range(first, last + 1)}


def is_proper(held: Ranges) -> bool:
    return all(a <= b for a, b in held) and all(b + 1 < c for (_, b), (c, _) in pairwise(held))


@given(SETS)
def test_runs_hold_exactly_the_numbers(numbers: set[int]) -> None:
    held = ranges.runs(sorted(numbers))
    assert is_proper(held)
    assert as_set(held) == numbers


@given(SETS, NUMBER, NUMBER)
def test_adding(numbers: set[int], first: int, last: int) -> None:
    held = ranges.add(ranges.runs(sorted(numbers)), first, last)
    assert is_proper(held)
    assert as_set(held) == numbers | set(range(first, last + 1))


@given(SETS, NUMBER, NUMBER)
def test_removing(numbers: set[int], first: int, last: int) -> None:
    held = ranges.remove(ranges.runs(sorted(numbers)), first, last)
    assert is_proper(held)
    assert as_set(held) == numbers - set(range(first, last + 1))


@given(SETS, NUMBER)
def test_containing_and_below(numbers: set[int], number: int) -> None:
    held = ranges.runs(sorted(numbers))
    assert ranges.contains(held, number) == (number in numbers)
    assert as_set(ranges.below(held, number)) == {n for n in numbers if n < number}


@given(SETS, st.integers(1, 10))
def test_fewer_ranges_hold_at_least_the_same(numbers: set[int], limit: int) -> None:
    held = ranges.runs(sorted(numbers))
    coarse = ranges.coarse(held, limit)
    assert is_proper(coarse)
    assert len(coarse) <= limit
    assert as_set(coarse) >= numbers
    if len(held) <= limit:
        assert coarse == held


def test_the_narrowest_spaces_are_filled_first() -> None:
    assert ranges.coarse(((1, 1), (3, 3), (10, 10), (20, 20)), 3) == ((1, 3), (10, 10), (20, 20))
