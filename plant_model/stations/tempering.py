"""Tempering: mass from the tanks is cooled and reheated to the right crystals, product after product."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

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
        drift = unit.failures.get(DRIFT)
        job.lot.temper = temper_index(self.spec.stations.Tempering, ahead(drift.remaining, DRIFT_S) if drift else 0.0)
        if not self.pass_on(unit, job.lot, "Hopper", {}):
            return Activity.Blocked, "Moulding"
        self._keep_chart(unit, job.lot.temper, drift.count if drift else 0)
        return None

    def _keep_chart(self, unit: Unit, temper: float, run: int) -> None:
        """Measure the lot, enter it in the chart, and tell when the chart begins to warn."""
        tempering, chart, now = self.spec.stations.Tempering, unit.chart, self.floor.now
        assert chart is not None  # this station keeps one
        target, (low, high) = tempering.temper_target, tempering.temper_index
        if run != chart.run:
            chart.begin(target, run)
        measured = temper + tempering.chart.sd * float(self.floor.stream("Tempering.sample").standard_normal())
        if chart.add(tempering.chart, target, measured, now):
            limit = target + math.copysign(tempering.chart.room, chart.mean - target)
            message = f"{unit.name}: the temper index drifts, its mean is {chart.mean:.2f}, beyond {limit:.2f}"
            fields = {"Station": unit.station, "Unit": unit.name, "Tag": "TemperIndex", "Value": chart.mean}
            self.floor.tell("process_warning", self.floor.path(unit), message, 500, **fields, Limit=limit)
        chart.judge(outside=not low <= temper <= high, now=now)

    def _product(self, unit: Unit) -> str:
        """The present product while its tank lasts, else the one that waits with most."""
        tempering = self.spec.stations.Tempering
        if unit.product and self.floor.buffer(tank(unit.product)).level >= tempering.lot_kg:
            return unit.product
        levels = {product: self.floor.buffer(tank(product)).level for product in self.spec.products}
        fullest = max(levels, key=lambda product: levels[product])
        return fullest if levels[fullest] >= tempering.run_min_kg else ""


DRIFT = "TemperDrift"
"""The fault in which the index has drifted so far away that all mass must be reheated."""
DRIFT_S = 7200.0
"""Operating seconds in which the temper index drifts away before the line must reheat [32], EST."""
MELTING_S = 900.0
"""Time constant of the mass when all zones heat, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of tempering; plant.md (a), sensors."""
    tempering, capacity = spec.stations.Tempering, spec.buffers.MassTank.capacity_kg
    low, high = tempering.temper_index
    return (
        *(_zone(number, what) for number, what in enumerate(("melted", "cooled", "reheated"))),
        process(
            "TemperIndex",
            "",
            0,
            9,
            lambda v: temper_index(tempering, v.omen(DRIFT, DRIFT_S)),
            f"Temper index, {low:g} to {high:g} is good; it can drift with every temperature right",
            period_s=30,
            noise=tempering.chart.sd,
        ),
        *_chart(tempering),
        process(
            "FlowRate",
            "E93",
            0,
            1000,
            lambda v: tempering.rate_kg_h * v.on,
            "Mass flow to the depositor",
            noise=4,
            still=True,
        ),
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
        process("ScrewTorque", "P1", 0, 120, lambda v: 55.0 * v.on, "Torque of the screw", noise=0.8, still=True),
        *(_tank(product, capacity) for product in spec.products),
    )


def _chart(tempering: TemperingSpec) -> tuple[Sensor[View], ...]:
    """The control chart: what the control system computes is no instrument that could fail."""
    target, room = tempering.temper_target, tempering.chart.room
    return (
        _charted("Mean", charted_mean, "EWMA of the temper index, a sample of each lot"),
        _charted("WarningLow", lambda _: target - room, "A lower mean warns of a drift"),
        _charted("WarningHigh", lambda _: target + room, "A higher mean warns of a drift"),
    )


def _charted(name: str, value: Callable[[View], float], words: str) -> Sensor[View]:
    facts: dict[str, Any] = {"low": 0.0, "high": 9.0, "period_s": 30.0, "digits": 3, "still": True}
    return Sensor(group="Quality", name=f"TemperIndex{name}", value=value, description=words, **facts)


def charted_mean(view: View) -> float:
    """The mean of the chart of the temper index."""
    assert view.unit.chart is not None  # this station keeps one
    return view.unit.chart.mean


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
    if repair is None or repair.fault != DRIFT:
        return usual
    melted = 1.0 - math.exp((view.unit.control.entered - view.now) / MELTING_S)
    return usual + (zones[0] - usual) * melted
