"""What is counted of the whole plant, of its people and of measured qualities. Part of the plant's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(slots=True)
class Labour:
    """Person-seconds of a role since the epoch, up to `since`."""

    attended: float = 0.0  # breaks left out
    worked: float = 0.0
    since: float = 0.0
    stations: float = 0.0  # seconds that its stations had worked then, together


class Spread(NamedTuple):
    """Sums over the values of a measured quality; never changed, so that a copy of it is a mark."""

    number: int = 0
    total: float = 0.0
    squares: float = 0.0
    moved: float = 0.0  # from one value to the next, either way
    last: float = 0.0

    def add(self, value: float) -> Spread:
        """With one more value."""
        moved = abs(value - self.last) if self.number else 0.0
        return Spread(self.number + 1, self.total + value, self.squares + value * value, self.moved + moved, value)


UNMEASURED = Spread()
"""Of a quality of which there is no value yet."""


class Turnover(NamedTuple):
    """Counters of the plant as a whole since the epoch, or in a window. Masses in kg."""

    earned: float  # ideal seconds of the constraint for what came to the end of the line
    lost: float  # … and for what was defective there
    good: float
    consumed: float  # raw materials that were used
    wasted: float  # at the machines, water and shell included
    spoiled: float  # written off in the stores
    shipped: float
    stocked: float  # kg h of finished goods
    attended: float  # person-seconds
    worked: float

    def since(self, before: Turnover) -> Turnover:
        """What was counted since."""
        return Turnover._make(now - then for now, then in zip(self, before, strict=True))
