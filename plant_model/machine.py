"""What all machines do alike: work, wait, fail and be repaired, with every second booked to one activity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from plant_model.activity import MEANINGS, REPAIRING, WORKING, Activity
from plant_model.floor import Floor
from plant_model.packml import ALLOWED, FINISHES, State, route
from plant_model.randomness import lognormal, time_to_failure
from plant_model.state import Failure, Repair, Unit, Wake

Verdict = tuple[Activity, str]
"""What a machine does now, and who is to blame (or which fault it is)."""
COLD = frozenset({Activity.Stopped, Activity.Breakdown})
"""Activities in which a machine cools down."""


class Station(Protocol):
    """What the engine asks of a station."""

    def proceed(self, unit: Unit) -> Verdict:
        """End what is done, begin what can begin, and say what the machine does now."""
        ...


class Machines:
    """Runs the units of all stations."""

    def __init__(self, floor: Floor, stations: Mapping[str, Station]) -> None:
        self._floor = floor
        self._stations = stations
        floor.handlers["wake"] = self._wake
        floor.watchers.update({name: partial(self._look, unit) for name, unit in floor.state.units.items()})

    def decide_all(self) -> None:
        """Let every machine decide anew, the last of the line first: at the epoch and when the calendar changes."""
        for unit in reversed(self._floor.state.units.values()):
            self._decide(unit)

    def redraw(self) -> None:
        """Draw the time to the next failure anew for machines of their present age."""
        floor = self._floor
        for unit in floor.state.units.values():
            book(unit, floor.now)
            for fault, failure in unit.failures.items():
                mode = floor.spec.stations[unit.station].failures[fault]
                failure.remaining = time_to_failure(floor.stream(f"{unit.name}.{fault}.life"), mode, failure.age)
            self._decide(unit)

    def fail(self, unit: Unit, fault: str) -> None:
        """Stop a machine by a fault and begin the repair."""
        floor, mode = self._floor, self._floor.spec.stations[unit.station].failures[fault]
        seconds = lognormal(floor.stream(f"{unit.name}.{fault}.repair"), mode.mttr_h * 3600.0, mode.cv)
        life = time_to_failure(floor.stream(f"{unit.name}.{fault}.life"), mode)
        unit.failures[fault] = Failure(life, count=unit.failures[fault].count + 1)
        minor = seconds < floor.spec.minor_stop_max_s
        unit.repair = Repair(fault, Activity.MinorStop if minor else Activity.Breakdown, seconds)
        if minor:
            unit.ledger.minor_stops += 1
        else:
            unit.ledger.breakdowns += 1
            message = f"{unit.name} stopped: {fault}"
            fields = {"Station": unit.station, "Unit": unit.name, "Fault": fault}
            floor.tell("machine_failure", floor.path(unit), message, 700, **fields)
        self._decide(unit)

    def _look(self, unit: Unit) -> None:
        """Decide again, unless the machine is in the middle of something."""
        working = unit.job is not None and unit.job.remaining > 0.0
        if not working and unit.activity not in (Activity.Stopped, *REPAIRING):
            self._decide(unit)

    def _decide(self, unit: Unit) -> None:
        book(unit, self._floor.now)
        if unit.wake is not None:
            self._floor.clock.cancel(unit.wake.entry)
        activity, culprit = self._verdict(unit)
        if activity != unit.activity:
            unit.state = drive(unit.state, MEANINGS[activity].state)
            unit.warmth.turn(self._floor.now, 0.0 if activity in COLD else 1.0)
        unit.activity, unit.culprit = activity, culprit
        unit.wake = self._arm(unit)

    def _verdict(self, unit: Unit) -> Verdict:
        if not self._floor.state.open and unit.station not in self._floor.spec.calendar.unattended:
            return Activity.Stopped, ""
        if unit.repair is not None:
            return unit.repair.activity, unit.repair.fault
        return self._stations[unit.station].proceed(unit)

    def _arm(self, unit: Unit) -> Wake | None:
        end = next_end(unit)
        if end is None:
            return None
        delay, reason = end
        return Wake(self._floor.clock.schedule(max(delay, 0.0), "wake", unit.name), reason)

    def _wake(self, name: str) -> None:
        unit = self._floor.state.units[name]
        assert unit.wake is not None  # the agenda entry is the wake
        reason, unit.wake = unit.wake.reason, None
        book(unit, self._floor.now)
        if reason == "repair":
            unit.repair = None
        elif reason == "job" and unit.job is not None:
            unit.job.remaining = 0.0
        else:
            self.fail(unit, reason)
            return
        self._decide(unit)


def book(unit: Unit, now: float) -> None:
    """Book the time since the last booking to the present activity, and let work, repair and wear go on by it."""
    elapsed = now - unit.since
    unit.since = now
    unit.times[unit.activity] += elapsed
    if unit.activity in WORKING and unit.job is not None:
        unit.job.remaining = max(unit.job.remaining - elapsed, 0.0)
    elif unit.activity in REPAIRING and unit.repair is not None:
        unit.repair.remaining = max(unit.repair.remaining - elapsed, 0.0)
    if unit.activity == Activity.Running:
        unit.tool_age += elapsed
        for failure in unit.failures.values():
            failure.remaining -= elapsed
            failure.age += elapsed


def next_end(unit: Unit) -> tuple[float, str] | None:
    """When the present activity ends by itself, and by what; None when it waits for others."""
    if unit.activity in REPAIRING and unit.repair is not None:
        return unit.repair.remaining, "repair"
    ends: list[tuple[float, str]] = []
    if unit.activity in WORKING and unit.job is not None:
        ends.append((unit.job.remaining, "job"))
    if unit.activity == Activity.Running:
        ends += [(failure.remaining, fault) for fault, failure in unit.failures.items()]
    return min(ends, default=None)


def drive(state: State, goal: State) -> State:
    """Command a machine to a state by the legal way; acting states take no time."""
    for command in route(state, goal):
        state = FINISHES[ALLOWED[command][1]]
    return state
