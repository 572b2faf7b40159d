"""Time: the wall clock that never goes back, the grid of samples, and plant time against wall time.

Wall times are Unix nanoseconds (int); plant times are seconds since the plant's start (float).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from time import time_ns

import structlog

SECOND = 1_000_000_000
TICK = SECOND // 10
"""Everything is sampled at whole multiples of 100 ms; the heartbeat counts them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_log = structlog.get_logger(__name__)


def to_datetime(wall: int) -> datetime:
    """UTC, to the microsecond."""
    return _EPOCH + timedelta(microseconds=wall // 1000)


def from_datetime(moment: datetime) -> int:
    """Unix nanoseconds; a naive datetime is taken as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def tick_at(wall: int) -> int:
    """The last moment of the grid that is not after `wall`."""
    return wall - wall % TICK


class Clock:
    """The machine's clock, but it never goes back: where the machine's does, it runs ahead and says so."""

    def __init__(self, not_before: int = 0, read: Callable[[], int] = time_ns) -> None:
        self._read, self._ahead, self._last = read, 0, not_before

    def now(self) -> int:
        """Unix nanoseconds, never less than the last answer."""
        wall = self._read() + self._ahead
        if wall < self._last:
            self._ahead += self._last - wall
            _log.warning("the clock went back: times of values run ahead of it", ahead_s=self._ahead / SECOND)
            wall = self._last
        self._last = wall
        return wall


@dataclass(frozen=True, slots=True)
class Pace:
    """Plant time as a straight line over wall time, through one point known of both."""

    wall: int
    plant: float
    speed: float  # plant seconds per second
    running: bool = True

    def plant_at(self, wall: int) -> float:
        """Plant time at a wall time."""
        return self.plant + (wall - self.wall) / SECOND * self.speed if self.running else self.plant

    def wall_at(self, plant: float) -> int:
        """Wall time at a plant time; while paused that of the pause."""
        return self.wall + round((plant - self.plant) / self.speed * SECOND) if self.running else self.wall

    def changed(self, wall: int, *, speed: float | None = None, running: bool | None = None) -> Pace:
        """The same plant time at `wall`, and from there another slope."""
        return replace(
            self,
            wall=wall,
            plant=self.plant_at(wall),
            speed=self.speed if speed is None else speed,
            running=self.running if running is None else running,
        )
