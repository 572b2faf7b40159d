"""Who is there: crews with absences and breaks, stations without operator, technicians and who waits for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from plant_model import labour
from plant_model.activity import Activity
from plant_model.equipment import STATIONS
from plant_model.floor import Floor
from plant_model.state import Crew, PlantState, Unit

FIRST_BREAK, LAST_BREAK = 0.25, 0.85
"""Shares of a shift between which the breaks begin, EST."""


class Workers:
    """Keeps the crews; `changed` is called for each machine that must decide anew."""

    def __init__(self, floor: Floor, changed: Callable[[Unit], None]) -> None:
        self._floor = floor
        self._changed = changed
        self._force = floor.spec.workforce
        self._unmanned: dict[str, Activity] = unmanned(floor)
        floor.handlers["rest"] = self._rest
        floor.handlers["return"] = self._return

    def lacking(self, station: str) -> Activity | None:
        """What a station does without its operator; None when somebody attends it, or nobody has to."""
        return self._unmanned.get(station)

    def begin_shift(self, seconds: float) -> None:
        """Send the crews of the last shift home and let those of a shift of this length come, some of them absent."""
        floor, spec = self._floor, self._floor.spec
        stream = floor.stream("workers.absence")
        for role, number in spec.workers_per_shift.items():
            absent = int(stream.binomial(number, self._force.absence))
            came = number - absent if floor.state.open else 0
            self._relieve(role, Crew(came))
        people = [role for role in self._force.skills for _ in range(floor.state.crews[role].here)]
        self._plan_breaks(people, seconds)
        self._review()

    def call(self, unit: Unit) -> None:
        """Let a machine wait for a technician; one who is free comes at once."""
        self._floor.state.queue.append(unit.name)
        self._assign()

    def take(self, skill: str) -> str:
        """The role of a free technician, who is busy from now on; "" when there is none."""
        role = free_role(self._floor, skill)
        if role:
            self._book(role)
            self._floor.state.crews[role].busy += 1
        return role

    def release(self, role: str) -> None:
        """A technician is done; the machine that waits longest gets him."""
        self._book(role)
        self._floor.state.crews[role].busy -= 1
        for unit in self._assign():
            self._changed(unit)

    def _assign(self) -> list[Unit]:
        """Give the free technicians to the machines that wait, in their order."""
        state, served = self._floor.state, list[Unit]()
        for name in list(state.queue):
            unit = state.units[name]
            assert unit.repair is not None  # it waits for its repair
            unit.repair.technician = self.take(unit.repair.skill)
            if unit.repair.technician:
                state.queue.remove(name)
                served.append(unit)
        return served

    def _relieve(self, role: str, crew: Crew) -> None:
        """The new crew goes on with the repairs of the old one, as far as it has people."""
        self._book(role)
        state = self._floor.state
        at_work = [u for u in state.units.values() if u.repair is not None and u.repair.technician == role]
        for unit in at_work[crew.here :]:
            assert unit.repair is not None  # it is at work
            unit.repair.technician = ""
            state.queue.insert(0, unit.name)
        crew.busy = min(len(at_work), crew.here)
        state.crews[role] = crew

    def _plan_breaks(self, people: list[str], seconds: float) -> None:
        clock, pause = self._floor.clock, self._force.break_min * 60.0
        if pause == 0.0:
            return
        for place, role in enumerate(people):
            share = FIRST_BREAK + (LAST_BREAK - FIRST_BREAK) * place / len(people)
            clock.schedule(share * seconds, "rest", role)
            clock.schedule(share * seconds + pause, "return", role)

    def _rest(self, role: str) -> None:
        self._book(role)
        self._floor.state.crews[role].resting += 1
        self._review()

    def _return(self, role: str) -> None:
        self._book(role)
        crew = self._floor.state.crews[role]
        crew.resting = max(crew.resting - 1, 0)  # a shift may end before its last break does
        self._review()

    def _book(self, role: str) -> None:
        labour.book(self._floor.spec, self._floor.state, role)

    def _review(self) -> None:
        """Let the machines decide anew that got or lost their operator or technician."""
        before, self._unmanned = self._unmanned, unmanned(self._floor)
        served = self._assign()
        if before == self._unmanned and not served:
            return
        for unit in self._floor.state.units.values():
            station = unit.station
            if before.get(station) is not self._unmanned.get(station) or unit in served:
                self._changed(unit)


def unmanned(floor: Floor) -> dict[str, Activity]:
    """The stations that nobody attends though somebody must, and why: all are on break, or nobody came."""
    crews, spec = floor.state.crews, floor.spec
    skills = spec.workforce.skills
    present = {skill for role, crew in crews.items() if crew.here > crew.resting for skill in skills.get(role, ())}
    resting = {skill for role, crew in crews.items() if crew.resting for skill in skills.get(role, ())}
    lacking = [station for station in STATIONS if station not in present and station not in spec.calendar.unattended]
    return {station: Activity.Break if station in resting else Activity.NoOperator for station in lacking}


def free_role(floor: Floor, skill: str) -> str:
    """A role with this skill that has somebody free; "" when there is none."""
    crews = floor.state.crews
    able: Iterable[str] = floor.spec.workforce.able(skill)
    return next((role for role in able if role in crews and crews[role].free > 0), "")


def waiting(state: PlantState) -> int:
    """How many machines wait for a technician."""
    return len(state.queue)
