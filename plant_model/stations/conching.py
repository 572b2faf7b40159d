"""Conching: a conche is filled by the refiner, works for hours, and discharges into the tank of its product."""

from __future__ import annotations

from plant_model import flow
from plant_model.activity import Activity
from plant_model.capacity import filling_seconds
from plant_model.layout import tank
from plant_model.machine import Verdict
from plant_model.state import ROUNDING_KG, Buffer, Job, Unit
from plant_model.stations.base import Workplace


class Conching(Workplace):
    """Batch, several machines. The mass stays in the vessel (the buffer of the machine's name) until it is discharged."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Conche when full, turn while the refiner fills, else wait."""
        vessel, conching = self.floor.buffer(unit.name), self.spec.stations.Conching
        if vessel.level < conching.load_kg - ROUNDING_KG:
            return (Activity.Running, "") if vessel.reserved else self.idle("Mixing")
        seconds = conching.hours[vessel.product] * 3600.0
        self._work(unit, "Conching", seconds, vessel, seconds + filling_seconds(self.spec))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """After conching discharge, when the tank has room."""
        vessel, conching = self.floor.buffer(unit.name), self.spec.stations.Conching
        target = self.floor.buffer(tank(job.product))
        if job.phase == "Conching":
            mass = vessel.level * conching.keep
            if not target.fits(mass):
                return Activity.Blocked, "Tempering"
            unit.ledger.earned += job.planned
            target.reserved[unit.name] = mass
            seconds = conching.discharge_min * 60.0
            self._work(unit, "Discharging", seconds, vessel, seconds)
        else:
            self._empty(unit, vessel, target)
        return None

    def _work(self, unit: Unit, phase: str, seconds: float, vessel: Buffer, planned: float) -> None:
        self.start(unit, phase, seconds, vessel.lots[-1], planned).lot = None  # the mass is in the vessel
        unit.product = vessel.product

    def _empty(self, unit: Unit, vessel: Buffer, target: Buffer) -> None:
        lot = flow.join(flow.take_all(vessel), self.floor.number(self.name), unit.product, self.floor.now)
        self.floor.touch(vessel)
        del target.reserved[unit.name]
        unit.ledger.taken += lot.mass
        self.pass_on(unit, lot, target.name, {"Water": lot.mass * (1.0 - self.spec.stations.Conching.keep)})
        unit.lot = lot.id
