"""What happens to a plant at given times: faults, and what operators command."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from plant_model.commands import MODES, SLOWEST, names
from plant_model.packml import Command
from plant_model.plant import Plant, PlantError, new_state
from plant_model.schema import Bounds, NotNegative, Path, Positive, Problem
from plant_model.spec import PlantSpec

HOUR = 3600.0
AGAIN_S = 60.0
"""What a machine does not take is tried again after a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAt:
    """A machine is stopped by a fault `at_h` hours after the warm-up; if it stands then, as soon as it is repaired."""

    at_h: NotNegative
    machine: str
    fault: str
    repair_h: Positive | None = None  # work that the repair takes; drawn if not given

    def __str__(self) -> str:
        return f"{self.machine}: {self.fault} at {self.at_h:g} h"

    def happen(self, plant: Plant) -> None:
        """Stop the machine. PlantError when it is stopped by a fault already."""
        plant.inject_fault(self.machine, self.fault, self.repair_h)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAt:
    """An operator commands a machine `at_h` hours after the warm-up; if its state does not take it, as soon as it does.

    One of a PackML command, a mode, or a speed as a share of the design speed.
    """

    at_h: NotNegative
    machine: str
    command: str | None = None
    mode: str | None = None
    speed: Annotated[float, Bounds(low=SLOWEST, high=1.0)] | None = None

    def __str__(self) -> str:
        what = self.command or (f"mode {self.mode}" if self.mode else f"speed {self.speed:g}")
        return f"{self.machine}: {what} at {self.at_h:g} h"

    def problems(self) -> Iterator[Problem]:
        """Say whether it is clear what is commanded."""
        given = [name for name in ("command", "mode", "speed") if getattr(self, name) is not None]
        if len(given) != 1:
            yield Problem((), f"must have one of command, mode and speed; has {' and '.join(given) or 'none'}")
        if self.command and self.command not in Command.__members__:
            yield Problem(("command",), f"is no command; there are {', '.join(Command.__members__)}")
        if self.mode and self.mode not in (mode.name for mode in MODES):
            yield Problem(("mode",), f"is no mode; there are {names(MODES)}")

    def happen(self, plant: Plant) -> None:
        """Give the command. PlantError when the machine does not take it."""
        if self.command is not None:
            plant.command(self.machine, self.command)
        elif self.mode is not None:
            plant.set_mode(self.machine, self.mode)
        elif self.speed is not None:
            plant.set_speed(self.machine, self.speed)


Incident = FaultAt | CommandAt


def strange(spec: PlantSpec, incidents: Sequence[Incident], place: Path) -> Iterator[Problem]:
    """Say which incidents concern machines or faults that the plant does not have."""
    faults = {name: tuple(unit.failures) for name, unit in new_state(spec, seed=1).units.items()}
    for i, one in enumerate(incidents):
        known = faults.get(one.machine)
        if known is None:
            text = f"there is no machine {one.machine!r}; there are {', '.join(faults)}"
            yield Problem((*place, i, "machine"), text)
        elif isinstance(one, FaultAt) and one.fault not in known:
            text = f"{one.machine} has no fault {one.fault!r}; it has {', '.join(known)}"
            yield Problem((*place, i, "fault"), text)


@dataclass(slots=True)
class _Waiting:
    """An incident that is still to come: when it is tried next, and why it was refused."""

    time: float
    incident: Incident
    reason: str = ""


class Script:
    """Runs a plant and lets incidents happen to it, in the order of their times."""

    def __init__(self, plant: Plant, incidents: Sequence[Incident]) -> None:
        self.plant = plant
        begin = plant.now
        in_order = sorted(incidents, key=lambda one: one.at_h)
        self._waiting = [_Waiting(begin + one.at_h * HOUR, one) for one in in_order]

    def advance(self, until: float) -> None:
        """Run to a time (s), with all that happens up to it."""
        while (moment := min((one.time for one in self._waiting), default=math.inf)) <= until:
            self.plant.advance(moment)
            self._happen()
        self.plant.advance(until)

    @property
    def refused(self) -> dict[str, str]:
        """What has not happened yet though it was tried, with the last reason."""
        return {str(one.incident): one.reason for one in self._waiting if one.reason}

    def _happen(self) -> None:
        """Let happen what is due; a command to a machine waits for those before it, and so does a fault."""
        now, held = self.plant.now, set[tuple[type[Incident], str]]()
        for one in list(self._waiting):
            key = type(one.incident), one.incident.machine
            if one.time <= now and key not in held:
                one.reason = self._attempt(one.incident)
                if not one.reason:
                    self._waiting.remove(one)
                    continue
            one.time = one.time if one.time > now else now + AGAIN_S
            held.add(key)

    def _attempt(self, incident: Incident) -> str:
        """Why an incident cannot happen now; "" when it has happened."""
        try:
            incident.happen(self.plant)
        except PlantError as error:
            return str(error)
        return ""
