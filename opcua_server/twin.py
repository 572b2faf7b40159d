"""The plant on the wall clock: run forward in short slices, read, saved."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any

from opcua_server.clock import Pace
from plant_model.events import PlantEvent
from plant_model.plant import Plant
from plant_model.signals import Quality, Reader
from plant_model.spec import PlantSpec

SLICE_S = 0.008
"""How long a slice should take, so that clients are served in between."""
_SHORTEST, _LONGEST = 1.0, 86400.0


class Twin:
    """A plant and the pace at which its time passes."""

    def __init__(self, spec: PlantSpec, plant: Plant, pace: Pace) -> None:
        self.spec, self.plant, self.pace = spec, plant, pace
        self._start = spec.start if spec.start.tzinfo else spec.start.replace(tzinfo=UTC)
        self._reader = Reader(spec)
        self._slice = 60.0  # plant seconds

    async def advance(self, wall: int) -> list[tuple[int, PlantEvent]]:
        """Run the plant to a wall time. What happened, each with its wall time."""
        until = self.pace.plant_at(wall)
        events: list[tuple[int, PlantEvent]] = []
        rested = perf_counter()
        while self.plant.now < until:
            began = perf_counter()
            happened = self.plant.advance(min(self.plant.now + self._slice, until))
            events += ((self.pace.wall_at(event.time), event) for event in happened)
            now = perf_counter()
            self._slice = next_slice(self._slice, now - began)
            if now - rested > SLICE_S:
                await asyncio.sleep(0)
                rested = perf_counter()
        return events

    def read(self) -> tuple[list[Any], list[Quality]]:
        """What the sensors show now: value and quality by the place of the signal."""
        return self._reader.read(self.plant)

    @property
    def time(self) -> datetime:
        """Date and time in the plant, UTC."""
        return self._start + timedelta(seconds=self.plant.now)

    def restart(self, seed: int, wall: int) -> None:
        """A new plant from the beginning of its time, at the same speed, running."""
        self.plant = Plant(self.spec, seed)
        self.pace = Pace(wall, self.plant.now, self.pace.speed)


def next_slice(slice_: float, took_s: float) -> float:
    """A longer or shorter slice after one that took too little or too long."""
    if took_s > SLICE_S:
        return max(slice_ / 2, _SHORTEST)
    return min(slice_ * 2, _LONGEST) if took_s < SLICE_S / 4 else slice_
