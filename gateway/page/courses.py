"""The courses of tags from the historian, asked once for all browsers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from gateway.page.view import Query, Series

POINTS = 300
"""Points of a trend: more than this no wall screen resolves beside two neighbours."""

SPARK_POINTS, SPARK_WINDOW_S = 60, 3600
"""The small course beside a figure: a point a minute over an hour."""

_SECOND = 1_000_000_000
_BAD = 2  # the two top bits of a StatusCode: 0 good, 1 uncertain, 2 and 3 bad
_LEAD_S = 300  # the hour's first moment shows a value up to this much older
_LEAST_STEP_S, _MOST_STEP_S = 1, 30


def step_s(window_s: int, points: int = POINTS) -> int:
    """Seconds after which a trend has moved by one point and is worth a new query."""
    return min(max(window_s // points, _LEAST_STEP_S), _MOST_STEP_S)


def last_numbers(series: Series) -> NDArray[np.float64]:
    """The last value of each stretch; NaN where it is bad or no number."""
    if series.last.dtype == np.object_:
        return np.full(len(series.time), np.nan)
    return np.where(series.status >> 30 >= _BAD, np.nan, series.last.astype(np.float64))


def evenly(series: Series, now: int) -> NDArray[np.float64]:
    """What a tag showed at regular moments of the last hour: a value holds until the next one."""
    moments = np.linspace(now - SPARK_WINDOW_S * _SECOND, now, SPARK_POINTS).astype(np.int64)
    places = np.searchsorted(series.time, moments, "right")
    return np.concatenate([[np.nan], last_numbers(series)])[places]


class Courses:
    """Series by tag and window; a query is made once a step, whoever asks and however often."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._known: dict[tuple[int, int, int], tuple[int, Series]] = {}  # (tag, window, points) -> step, series

    async def get(self, tag_id: int, window_s: int, points: int, now: int) -> Series:
        """The course of a tag up to `now` (Unix nanoseconds). Raises what the historian raises: GatewayError."""
        key = (tag_id, window_s, points)
        step = now // (step_s(window_s, points) * _SECOND)
        if key not in self._known or self._known[key][0] != step:
            self._forget(now)
            series = await self._query(tag_id, now - window_s * _SECOND, now, points)
            self._known[key] = (step, series)
        return self._known[key][1]

    async def sparks(self, tag_ids: Iterable[int], now: int) -> dict[int, tuple[float, ...]]:
        """The last hour of each tag, a number a minute, the oldest first; NaN before its first value."""
        found = {}
        for tag_id in tag_ids:
            series = await self.get(tag_id, SPARK_WINDOW_S + _LEAD_S, SPARK_POINTS, now)
            found[tag_id] = tuple(evenly(series, now).tolist())
        return found

    def _forget(self, now: int) -> None:
        """Drop what nobody has asked for during its last two steps."""
        self._known = {
            key: (step, series)
            for key, (step, series) in self._known.items()
            if step >= now // (step_s(key[1], key[2]) * _SECOND) - 2
        }
