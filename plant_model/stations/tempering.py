"""Tempering: mass from the tanks is cooled and reheated to the right crystals, product after product."""

from __future__ import annotations

import math

from plant_model.activity import Activity
from plant_model.equipment import TemperingSpec
from plant_model.layout import tank
from plant_model.machine import Verdict
from plant_model.sensing import AMBIENT, Sensor, View, ahead, level, process
from plant_model.spec import PlantSpec
from plant_model.state import Job, Unit
from plant_model.stations.base import Workplace


class Tempering(Workplace):
    """Continuous; it stays with a product until its tank is empty and another one holds a run."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Take a lot from a tank."""
        tempering = self.spec.stations.Tempering
        product = self._product(unit)
        lot = self.take_in(unit, tank(product), tempering.lot_kg, product) if product else None
        if lot is None:
            return self.idle("Conching")
        unit.product = product
        seconds = lot.mass / tempering.rate_kg_h * 3600.0
        self.start(unit, "Tempering", seconds, lot, lot.mass * self.planned(product))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Pump to the depositor's hopper."""
        assert job.lot is not None  # every job here has one
        drift = unit.failures.get("TemperDrift")
        job.lot.temper = temper_index(self.spec.stations.Tempering, ahead(drift.remaining, DRIFT_S) if drift else 0.0)
        return None if self.pass_on(unit, job.lot, "Hopper", {}) else (Activity.Blocked, "Moulding")

    def _product(self, unit: Unit) -> str:
        """The present product while its tank lasts, else the one that waits with most."""
        tempering = self.spec.stations.Tempering
        levels = {product: self.floor.buffer(tank(product)).level for product in self.spec.products}
        if unit.product and levels[unit.product] >= tempering.lot_kg:
            return unit.product
        fullest = max(levels, key=lambda product: levels[product])
        return fullest if levels[fullest] >= tempering.run_min_kg else ""


DRIFT_S = 7200.0
"""Operating seconds in which the temper index drifts away before the line must reheat [32], EST."""
MELTING_S = 900.0
"""Time constant of the mass when all zones heat, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of tempering; plant.md (a), sensors."""
    rate, capacity = spec.stations.Tempering.rate_kg_h, spec.buffers.MassTank.capacity_kg
    low, high = spec.stations.Tempering.temper_index
    return (
        *(_zone(number, what) for number, what in enumerate(("melted", "cooled", "reheated"))),
        process(
            "TemperIndex",
            "",
            0,
            9,
            lambda v: temper_index(spec.stations.Tempering, v.omen("TemperDrift", DRIFT_S)),
            f"Temper index, {low:g} to {high:g} is good; it can drift with every temperature right",
            period_s=30,
            noise=0.08,
        ),
        process("FlowRate", "E93", 0, 1000, lambda v: rate * v.on, "Mass flow to the depositor", noise=4),
        process(
            "CoolingWaterTemperature",
            "CEL",
            4,
            25,
            lambda v: AMBIENT - 10.0 * v.warmth,
            "Cooling water at the inlet",
            period_s=2,
            noise=0.1,
        ),
        process("ScrewTorque", "P1", 0, 120, lambda v: 55.0 * v.on, "Torque of the screw", noise=0.8),
        *(_tank(product, capacity) for product in spec.products),
    )


def _zone(number: int, what: str) -> Sensor[View]:
    name, words = f"Zone{number + 1}Temperature", f"Mass behind zone {number + 1}: {what}"
    return process(name, "CEL", 15, 60, lambda v: zone_temperature(v, number), words, noise=0.08)


def _tank(product: str, capacity: float) -> Sensor[View]:
    name, words = f"{product}TankLevel", f"{product} mass in its tank"
    return level(name, tank(product), capacity, words)


def temper_index(tempering: TemperingSpec, omen: float) -> float:
    """The middle of the window, less what it has drifted away by, though every temperature is right."""
    low, high = tempering.temper_index
    return (low + high) / 2.0 - (high - low) * omen


def zone_temperature(view: View, zone: int) -> float:
    """°C behind a zone for the product in work, the first product's while there is none; all melt in a reheat."""
    zones = view.spec.stations.Tempering.zones_celsius[view.recipe_product]
    usual, repair = view.warmed(zones[zone]), view.unit.repair
    if repair is None or repair.fault != "TemperDrift":
        return usual
    melted = 1.0 - math.exp((view.unit.control.entered - view.now) / MELTING_S)
    return usual + (zones[0] - usual) * melted
