"""Samples of one tag or many, and how they are put together, sorted and thinned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BAD = 2  # the two top bits of a StatusCode: 0 good, 1 uncertain, 2 and 3 bad


@dataclass(frozen=True, slots=True)
class Samples:
    """Values of one tag, all arrays of the same length; `value` is of any type that a Column may have."""

    time: NDArray[np.int64]
    value: NDArray[Any]
    status: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Series:
    """One tag over a stretch of time, by rising time; all arrays have the same length.

    Each place stands for one value, or for the values since the place before where there were too many to give all.
    """

    time: NDArray[np.int64]  # Unix ns, of the last value
    low: NDArray[np.float64]  # least and greatest of the values that are not bad; NaN where there is none
    high: NDArray[np.float64]
    last: NDArray[Any]  # in the type of the tag
    status: NDArray[np.uint32]  # of the last value

    def __len__(self) -> int:
        return len(self.time)


def joined(parts: Sequence[Samples]) -> Samples:
    """All samples by rising time; of those with the same time the one that comes last in `parts`."""
    if not parts:
        return Samples(np.empty(0, np.int64), np.empty(0, np.float64), np.empty(0, np.uint32))
    value = _common([part.value for part in parts])
    time = np.concatenate([part.time for part in parts])
    status = np.concatenate([part.status for part in parts])
    order = np.argsort(time, kind="stable")
    order = order[_last_of_run(time[order])]
    return Samples(time[order], value[order], status[order])


def between(samples: Samples, start: int, end: int) -> Samples:
    """Those with start <= time <= end, of samples sorted by time."""
    first, last = np.searchsorted(samples.time, start, "left"), np.searchsorted(samples.time, end, "right")
    return Samples(samples.time[first:last], samples.value[first:last], samples.status[first:last])


def thinned(samples: Samples, points: int) -> Series:
    """At most `points` places of equal width in time with least, greatest and last value; all if they are fewer."""
    numbers = _numbers(samples)
    if len(samples) <= points:
        return Series(samples.time, numbers, numbers, samples.value, samples.status)
    span = int(samples.time[-1]) - int(samples.time[0])
    place = (samples.time - samples.time[0]) // (span // points + 1)
    last = np.flatnonzero(_last_of_run(place))
    first = np.concatenate([[0], last[:-1] + 1])
    low, high = np.fmin.reduceat(numbers, first), np.fmax.reduceat(numbers, first)
    return Series(samples.time[last], low, high, samples.value[last], samples.status[last])


def _numbers(samples: Samples) -> NDArray[np.float64]:
    """Values as floats; NaN where they are bad or no numbers."""
    if samples.value.dtype == object:
        return np.full(len(samples), np.nan)
    return np.where(samples.status >> 30 >= _BAD, np.nan, samples.value.astype(np.float64))


def _last_of_run(rising: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the next one is different."""
    return np.append(rising[1:] != rising[:-1], np.ones(min(len(rising), 1), np.bool_))


def _common(values: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One array; in the type of the values if they have one, in float64 if all are numbers, else objects.

    A value that the server did not send (None, with a bad status) is NaN among numbers.
    """
    if len({value.dtype for value in values}) > 1:
        values = [_nan_for_none(value) for value in values]
        common = object if any(value.dtype.hasobject for value in values) else np.float64
        values = [value.astype(common) for value in values]
    return np.concatenate(values)


def _nan_for_none(value: NDArray[Any]) -> NDArray[Any]:
    if value.dtype.hasobject and all(one is None for one in value):
        return np.full(len(value), np.nan)
    return value
