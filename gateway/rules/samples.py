"""The values of the watched tags, cut out of a batch column by column, without looking at any other value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.rules.conditions import Series
from gateway.rules.memory import Observation, to_scalar
from gateway.values import Column

_SEVERITY_SHIFT = 30
"""The two top bits of a StatusCode: 00 = good (OPC 10000-4, 7.39)."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Values of one tag in the order of the journal. All arrays have the same length, at least 1."""

    position: NDArray[np.int64]
    time: NDArray[np.int64]
    value: NDArray[Any]  # of the column's type
    good: NDArray[np.bool_]

    def take(self, rows: NDArray[Any]) -> Samples:
        """These rows."""
        return Samples(self.position[rows], self.time[rows], self.value[rows], self.good[rows])

    def last(self) -> Observation:
        """The newest of them."""
        return Observation(int(self.position[-1]), int(self.time[-1]), to_scalar(self.value[-1]), bool(self.good[-1]))


def gather(columns: Iterable[Column], watched: NDArray[np.bool_]) -> dict[int, Samples]:
    """Tag id -> its samples, for watched tags only. `watched` says it by tag id."""
    found: dict[int, Samples] = {}
    for column in columns:
        for tag, samples in _by_tag(column, watched):
            found[tag] = _joined(found[tag], samples) if tag in found else samples
    return found


def _by_tag(column: Column, watched: NDArray[np.bool_]) -> list[tuple[int, Samples]]:
    inside = column.tag < len(watched)
    rows = np.flatnonzero(inside & watched[np.where(inside, column.tag, 0)])
    if not len(rows):
        return []
    rows = rows[np.argsort(column.tag[rows], kind="stable")]
    tags, starts = np.unique(column.tag[rows], return_index=True)
    return [(int(tag), _samples(column, part)) for tag, part in zip(tags, np.split(rows, starts[1:]), strict=True)]


def _samples(column: Column, rows: NDArray[np.intp]) -> Samples:
    good = column.status[rows] >> _SEVERITY_SHIFT == 0
    return Samples(column.position[rows], column.time[rows], column.value[rows], good)


def _joined(one: Samples, other: Samples) -> Samples:
    """A tag's values came in columns of two types, as a value without a number does."""
    pairs = ((one.position, other.position), (one.time, other.time), (one.value, other.value), (one.good, other.good))
    whole = Samples(*map(np.concatenate, pairs))
    return whole.take(np.argsort(whole.position, kind="stable"))


def news(samples: Samples, seen: Observation | None, since: int, *, historical: bool) -> Samples | None:
    """What was not seen yet. Late values count only if newer than all that was seen, and than the tag itself."""
    if historical:
        fresh = samples.time >= max(since, seen.time + 1 if seen else since)
    elif seen is None:
        return samples
    else:  # the position tells repeated batches; the time tells a live value that was overtaken by history
        fresh = (samples.position > seen.position) | (samples.time > seen.time)
    return samples.take(np.flatnonzero(fresh)) if fresh.any() else None


def series(seen: Observation | None, fresh: Samples | None) -> Series:
    """What is known of a tag, oldest first. Time never runs backwards, also when the source's clock was set back."""
    past = [(seen.time, seen.number, seen.good)] if seen else []
    time, value, good = (np.array([row[i] for row in past]) for i in range(3))
    if fresh is not None:
        time, value = np.append(time, fresh.time), np.append(value, numbers(fresh.value))
        good = np.append(good, fresh.good)
    return Series(np.maximum.accumulate(time.astype(np.int64)), value.astype(np.float64), good.astype(np.bool_))


def numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """As float64 (integers beyond 2**53 are rounded); NaN for what is no number."""
    if values.dtype == object:
        values = np.array([one if isinstance(one, int | float) else np.nan for one in values])
    return values.astype(np.float64)
