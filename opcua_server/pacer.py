"""Paces the plant against real time: every 100 ms the plant is run forward, what is due is sampled, shown and kept.

One thing at a time: whoever changes the plant or its pace holds the lock, and has caught up with the clock before.
Whoever cancels gets whole steps: a plant that stands at `done`, and a history up to there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from opcua_server.clock import SECOND, TICK, Clock, tick_at, to_datetime
from opcua_server.display import STATUSES, Display
from opcua_server.history.events import Occurrence
from opcua_server.history.historian import Historian
from opcua_server.history.samples import Samples
from opcua_server.history.store import FIRST, LAST
from opcua_server.sampler import Sampler
from opcua_server.simulation import HEARTBEAT, PLANT_TIME, RUNNING, SPEED
from opcua_server.twin import Twin
from plant_model.signals import Quality, Signal

_LATE = 10 * SECOND
"""Further behind than this (the machine slept), the past is made up coarsely like that before a start."""
_FILL_SAMPLES = 1440
"""At most as many samples of a signal for a past that is made up: one a minute for a day."""
_BEATS_AT_ONCE = 360_000


def fill_step(span: int) -> int:
    """Time between the samples of a past of this length: a second, or more for a long one; whole ticks."""
    return max(SECOND, -(-span // _FILL_SAMPLES // TICK) * TICK)


@dataclass(slots=True)
class _Past:
    """What was sampled of a past that is made up, by place."""

    known: int  # what history has up to here it keeps: after a crash it may know more than the saved plant
    rows: dict[int, list[tuple[int, Any, int]]] = field(default_factory=dict)
    latest: dict[int, tuple[int, Any, Quality]] = field(default_factory=dict)

    def add(self, wall: int, place: int, value: object, quality: Quality) -> None:
        self.latest[place] = (wall, value, quality)
        if wall > self.known:
            self.rows.setdefault(place, []).append((wall, *kept(value, quality)))


class Pacer:
    """From the twin to display and history. `signals`: the plant's, then those of the simulation."""

    def __init__(
        self, clock: Clock, twin: Twin, display: Display, historian: Historian, signals: Sequence[Signal]
    ) -> None:
        self.clock, self.twin = clock, twin
        self._display, self._historian = display, historian
        self._sampler = Sampler([signal.period_s for signal in signals])
        self._of_simulation = [signals.index(signal) for signal in (SPEED, PLANT_TIME, RUNNING)]
        self._heartbeat = signals.index(HEARTBEAT)
        self._lock = asyncio.Lock()
        self._is_fresh = True  # nothing was sampled yet
        self.done = tick_at(twin.pace.wall)  # the tick up to which everything is sampled
        self._born: int | None = None  # when the heartbeat was 0

    async def run(self) -> None:
        """Keep up with the clock until cancelled."""
        while True:
            now = self.clock.now()
            async with self._lock:
                await self._catch_up(now)
            await asyncio.sleep((TICK - now % TICK) / SECOND)

    async def make_up(self) -> None:
        """Before clients are served: run from where the plant stands to now, and show where that leads."""
        beats = await self._historian.read(HEARTBEAT.node, FIRST, LAST, 1, newest_first=True)
        if len(beats):
            self._born = int(beats.time[0]) - int(beats.value[0]) * TICK
        await self._fill(tick_at(self.clock.now()))
        await self._display.show_server_time(to_datetime(self.clock.now()))

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Twin]:
        """Change the plant or its pace, at `done`; afterwards the simulation's signals are shown anew."""
        async with self._lock:
            await self._catch_up(self.clock.now())
            yield self.twin
            await self._sample(self._of_simulation, self.clock.now())

    async def _catch_up(self, now: int) -> None:
        if now - self.done > _LATE:
            await self._fill(tick_at(now))
        while self.done + TICK <= now:
            await _whole(self._tick(self.done + TICK))

    async def _tick(self, wall: int) -> None:
        await self._advance(wall)
        await self._beat(wall)
        due = [place for place in self._sampler.due(self.done, wall) if place != self._heartbeat]
        self.done = wall
        if due:
            await self._sample(due, wall)
        if wall % SECOND == 0:
            await self._display.show_server_time(to_datetime(wall))

    async def _advance(self, wall: int) -> None:
        for moment, event in await self.twin.advance(wall):
            occurrence = Occurrence.of(event, moment, self.clock.now())
            self._historian.tell(occurrence)
            await self._display.tell(occurrence)

    async def _beat(self, wall: int) -> None:
        beats = (wall - (self._born or 0)) // TICK
        await self._display.show(self._heartbeat, beats, Quality.GOOD, to_datetime(wall))
        self._historian.record(self._heartbeat, wall, beats, 0)

    async def _sample(self, places: Sequence[int], wall: int) -> None:
        """Read, show and keep what changed, at a time to the microsecond, as OPC UA clients get it."""
        wall -= wall % 1000
        for place, value, quality in self._changes(places):
            await self._display.show(place, value, quality, to_datetime(wall))
            self._historian.record(place, wall, *kept(value, quality))

    def _changes(self, places: Sequence[int]) -> list[tuple[int, Any, Quality]]:
        values, qualities = self.twin.read()
        values += [self.twin.pace.speed, self.twin.time, self.twin.pace.running]
        qualities += [Quality.GOOD] * 3
        return [(place, values[place], qualities[place]) for place in self._sampler.changed(places, values, qualities)]

    async def _fill(self, now: int) -> None:
        """Make up the past from `done` to `now`, sampled coarsely; when cancelled, up to where it has come."""
        start, past = self.done, _Past(self._historian.newest or 0)
        step = fill_step(now - start)
        try:
            for wall in (*range(start + step, now, step), now):
                await _whole(self._leap(wall, past, look=wall > past.known or wall == now))
                await asyncio.sleep(0)
        finally:
            await _whole(self._keep(past, start))

    async def _leap(self, wall: int, past: _Past, *, look: bool) -> None:
        await self._advance(wall)
        if look:
            for place, value, quality in self._changes(self._due(wall)):
                past.add(wall, place, value, quality)
        self.done = wall

    async def _keep(self, past: _Past, start: int) -> None:
        """Write a past that was made up since `start`, and show where it leads."""
        rows = past.rows.items()
        await self._historian.fill({column: self._historian.samples(column, samples) for column, samples in rows})
        await self._fill_heartbeat(max(past.known, start), self.done)
        for place, (wall, value, quality) in past.latest.items():
            await self._display.show(place, value, quality, to_datetime(wall))

    def _due(self, wall: int) -> list[int]:
        if self._is_fresh:
            self._is_fresh = False
            places = self._sampler.all()
        else:
            places = self._sampler.due(self.done, wall)
        return [place for place in places if place != self._heartbeat]

    async def _fill_heartbeat(self, after: int, now: int) -> None:
        """Every beat after a time; the first start has none, its heartbeat begins now."""
        self._born = now if self._born is None else self._born
        after = max(after, now - self._historian.keep, self._born)
        for first in range(tick_at(after) + TICK, now + 1, _BEATS_AT_ONCE * TICK):
            times = np.arange(first, min(first + _BEATS_AT_ONCE * TICK, now + 1), TICK, dtype=np.int64)
            beats = Samples(times, (times - self._born) // TICK, np.zeros(len(times), np.uint32))
            await self._historian.fill({self._heartbeat: beats})
        await self._display.show(self._heartbeat, (now - self._born) // TICK, Quality.GOOD, to_datetime(now))


def kept(value: object, quality: Quality) -> tuple[object, int]:
    """What history keeps: the value, none where it is bad, and its status code."""
    status = STATUSES[quality]
    return (None if status.is_bad() else value), status.value


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do work to its end, also when cancelled meanwhile."""
    doing = asyncio.ensure_future(work)
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await doing
        raise
