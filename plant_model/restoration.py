"""How long machines are down: from a breakdown to the end of its repair, waiting for a technician included."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from plant_model.activity import Activity
from plant_model.plant import Plant

HOUR = 3600.0
EVERY_S = 300.0
"""How often to look: times are right to five minutes."""
FEWEST = 9
"""With fewer values nobody knows a P90."""


class Restorations:
    """Watches the machines of a plant; `hours` has the times to restore of all repairs that have ended."""

    def __init__(self) -> None:
        self.hours: list[float] = []
        self._down: dict[str, float] = {}

    def look(self, plant: Plant) -> None:
        """Note who has broken down and who is mended since the last look."""
        now = plant.now
        for unit in plant.state.units.values():
            broken = unit.repair is not None and unit.repair.activity is Activity.Breakdown
            if broken and unit.name not in self._down:
                self._down[unit.name] = now
            elif not broken and unit.name in self._down:
                self.hours.append((now - self._down.pop(unit.name)) / HOUR)


def p90(hours: Sequence[float]) -> float:
    """The time that nine of ten are shorter than, NaN for too few."""
    return float(np.quantile(hours, 0.9)) if len(hours) >= FEWEST else float("nan")
