"""How machines are handled, from the plant file: how long the acting states of PackML take."""

from __future__ import annotations

from dataclasses import dataclass

from plant_model.packml import State
from plant_model.schema import NotNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingTimes:
    """Seconds that an acting state takes; 0 passes at once."""

    Resetting: NotNegative
    Starting: NotNegative
    Completing: NotNegative
    Suspending: NotNegative
    Unsuspending: NotNegative
    Holding: NotNegative
    Unholding: NotNegative
    Stopping: NotNegative
    Aborting: NotNegative
    Clearing: NotNegative

    @property
    def by_state(self) -> tuple[float, ...]:
        """The seconds by number of the state; waiting states and Execute take none."""
        return tuple(getattr(self, state.name, 0.0) for state in State)
