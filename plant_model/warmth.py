"""How warm a machine is: it warms up and cools down exponentially."""

from __future__ import annotations

import math
from dataclasses import dataclass

HEATING_S = 1200.0
"""Time constant of a machine that warms up, EST."""
COOLING_S = 7200.0
"""Time constant of a machine that cools down, EST."""


@dataclass(slots=True)
class Warmth:
    """How warm a machine is: 1 at operating temperature, 0 cold; it goes to its target exponentially."""

    value: float = 1.0  # at `since`
    since: float = 0.0
    target: float = 1.0

    def at(self, now: float) -> float:
        """The warmth at a time not before `since`."""
        lag = HEATING_S if self.target > self.value else COOLING_S
        return self.target + (self.value - self.target) * math.exp((self.since - now) / lag)

    def turn(self, now: float, target: float) -> None:
        """Go to another target from now on."""
        if target != self.target:
            self.value, self.since, self.target = self.at(now), now, target
