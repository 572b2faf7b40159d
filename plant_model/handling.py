"""How machines are handled, from the plant file: acting states, people with their skills, planned maintenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from plant_model.packml import State
from plant_model.schema import Bounds, NotNegative, Positive, Problem, Share

Number = Annotated[int, Bounds(low=0)]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenancePlan:
    """Planned maintenance by the calendar; it begins when the machine is empty and a technician is free."""

    every_h: Positive  # from the end of one to the next
    hours: Positive
    skill: str = "Mechanics"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workforce:
    """By role the stations it can run and the repairs it can do; breaks one after another, absences by shift."""

    skills: Mapping[str, tuple[str, ...]]
    break_min: NotNegative
    absence: Share  # probability that somebody does not come to a shift

    def able(self, skill: str) -> tuple[str, ...]:
        """The roles that have a skill, in the order of the file."""
        return tuple(role for role, skills in self.skills.items() if skill in skills)

    def problems(self) -> Iterator[Problem]:
        """Say whether somebody could ever come."""
        if self.absence == 1.0:
            yield Problem(("absence",), "must be below 1, or nobody ever comes")
