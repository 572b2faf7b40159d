"""Planned maintenance: due by the calendar, done when the machine is empty and a technician is free."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.floor import Floor
from plant_model.handling import MaintenancePlan
from plant_model.randomness import time_to_failure
from plant_model.state import Failure, Repair, Unit
from plant_model.workers import Workers

PLANNED = "PlannedMaintenance"
HOUR = 3600.0


class Maintenance:
    """Keeps the plan. Maintained machines are as good as new."""

    def __init__(self, floor: Floor, workers: Workers) -> None:
        self._floor = floor
        self._workers = workers
        floor.handlers["maintenance"] = self._due
        floor.before_work = self.begin

    def open(self) -> None:
        """Plan the first maintenance of each machine: spread over the interval, so that they do not meet."""
        units = self._floor.state.units
        for place, unit in enumerate(units.values(), 1):
            plan = self._plan(unit)
            if plan is not None:
                self._floor.clock.schedule(plan.every_h * HOUR * place / len(units), "maintenance", unit.name)

    def begin(self, unit: Unit) -> tuple[Activity, str] | None:
        """Begin what is due on a machine between two jobs, if it is empty and somebody can do it."""
        if not unit.due:
            return None
        plan, vessel = self._plan(unit), self._floor.state.buffers.get(unit.name)
        if plan is None or (vessel is not None and (vessel.product or vessel.reserved)):
            return None
        technician = self._workers.take(plan.skill)
        if not technician:
            return None
        unit.due = False
        unit.repair = Repair(PLANNED, Activity.Maintenance, plan.hours * HOUR, plan.skill, technician)
        return Activity.Maintenance, PLANNED

    def end(self, unit: Unit) -> None:
        """Renew the machine and plan the next time."""
        floor, plan = self._floor, self._plan(unit)
        assert plan is not None  # it was done by one
        for fault, failure in unit.failures.items():
            mode = floor.spec.stations[unit.section].failures[fault]
            life = time_to_failure(floor.stream(f"{unit.name}.{fault}.life"), mode)
            unit.failures[fault] = Failure(life, count=failure.count, calendar=failure.calendar)
        floor.clock.schedule(plan.every_h * HOUR, "maintenance", unit.name)

    def _due(self, name: str) -> None:
        self._floor.state.units[name].due = True
        self._floor.stir(name)

    def _plan(self, unit: Unit) -> MaintenancePlan | None:
        return self._floor.spec.stations[unit.section].maintenance
