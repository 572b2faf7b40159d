"""Sets of sequence numbers as sorted, disjoint, inclusive ranges: pure functions, cheap while the ranges are few."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from heapq import nsmallest
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Ranges: TypeAlias = tuple[Range, ...]
"""Rising; first <= last in each; at least one number missing between two of them."""


def add(ranges: Ranges, first: int, last: int) -> Ranges:
    """With first … last; nothing changes when first > last."""
    if first > last:
        return ranges
    before = tuple(r for r in ranges if r[1] < first - 1)
    after = tuple(r for r in ranges if r[0] > last + 1)
    touched = ranges[len(before) : len(ranges) - len(after)]
    if touched:
        first, last = min(first, touched[0][0]), max(last, touched[-1][1])
    return (*before, (first, last), *after)


def remove(ranges: Ranges, first: int, last: int) -> Ranges:
    """Without first … last; nothing changes when first > last."""
    if first > last:
        return ranges
    kept: list[Range] = []
    for low, high in ranges:
        if high < first or low > last:
            kept.append((low, high))
            continue
        if low < first:
            kept.append((low, first - 1))
        if high > last:
            kept.append((last + 1, high))
    return tuple(kept)


def contains(ranges: Ranges, number: int) -> bool:
    """Whether the number is in one of them."""
    at = bisect_right(ranges, number, key=lambda r: r[0]) - 1
    return at >= 0 and number <= ranges[at][1]


def below(ranges: Ranges, limit: int) -> Ranges:
    """What is smaller than the limit."""
    return tuple((low, min(high, limit - 1)) for low, high in ranges if low < limit)


def runs(numbers: Iterable[int]) -> Ranges:
    """Rising numbers as ranges."""
    found: list[Range] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def coarse(ranges: Ranges, limit: int) -> Ranges:
    """At most `limit` ranges that hold all of these: the narrowest spaces between them are filled."""
    surplus = len(ranges) - limit
    if surplus <= 0:
        return ranges
    filled = set(nsmallest(surplus, range(1, len(ranges)), key=lambda i: ranges[i][0] - ranges[i - 1][1]))
    joined: list[Range] = []
    for i, (low, high) in enumerate(ranges):
        joined.append((joined.pop()[0], high) if i in filled else (low, high))
    return tuple(joined)
