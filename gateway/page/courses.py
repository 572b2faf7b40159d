"""The courses of tags from the historian, asked once for all browsers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gateway.page.view import Query, Series

POINTS = 300
"""Points of a trend: more than this no wall screen resolves beside two neighbours."""

SPARK_POINTS = 60
SPARK_WINDOW_S = 3600
_SECOND = 1_000_000_000
_LEAST_STEP_S, _MOST_STEP_S = 1, 30


def step_s(window_s: int, points: int = POINTS) -> int:
    """Seconds after which a trend has moved by one point and is worth a new query."""
    return min(max(window_s // points, _LEAST_STEP_S), _MOST_STEP_S)


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
        """The last hour of each tag as plain numbers."""
        found = {}
        for tag_id in tag_ids:
            series = await self.get(tag_id, SPARK_WINDOW_S, SPARK_POINTS, now)
            found[tag_id] = tuple(np.asarray(series.last, np.float64).tolist())
        return found

    def _forget(self, now: int) -> None:
        """Drop what nobody has asked for during its last two steps."""
        self._known = {
            key: (step, series)
            for key, (step, series) in self._known.items()
            if step >= now // (step_s(key[1], key[2]) * _SECOND) - 2
        }
