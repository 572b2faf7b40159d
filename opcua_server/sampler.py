"""Which signals are due at a moment, and which of them changed. No clock, no server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from opcua_server.clock import SECOND, TICK


class Sampler:
    """Signals by their place in one fixed order."""

    def __init__(self, periods_s: Sequence[float]) -> None:
        self._groups: dict[int, list[int]] = {}
        for place, period in enumerate(periods_s):
            self._groups.setdefault(max(round(period * SECOND / TICK), 1), []).append(place)
        self._last: list[Any] = [None] * len(periods_s)

    def due(self, previous: int, wall: int) -> list[int]:
        """Places whose period ended after `previous` and not after `wall` (Unix nanoseconds)."""
        before, now = previous // TICK, wall // TICK
        return [
            place for period, places in self._groups.items() if now // period != before // period for place in places
        ]

    def all(self) -> list[int]:
        """Every place."""
        return sorted(place for places in self._groups.values() for place in places)

    def changed(self, places: Iterable[int], values: Sequence[Any], qualities: Sequence[Any]) -> list[int]:
        """Of these places those whose value or quality is another than the last time; remembers both."""
        changed = []
        for place in places:
            sample = (values[place], qualities[place])
            if sample != self._last[place]:
                self._last[place] = sample
                changed.append(place)
        return changed
