"""Cleaning: sieve, destoner and magnet take foreign matter out of the beans, lot by lot."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.equipment import CleaningSpec
from plant_model.machine import Verdict
from plant_model.sensing import Sensor, SignalType, View, conveyor, counter, process
from plant_model.spec import PlantSpec
from plant_model.state import Job, Lot, Unit
from plant_model.stations.base import Workplace


class Cleaning(Workplace):
    """Continuous; a lot beyond the limits of ISO 2451 is rejected as a whole."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Take a lot of beans."""
        cleaning = self.spec.stations.Cleaning
        lot = self.take_in(unit, "Beans", cleaning.lot_kg, "Beans")
        if lot is None:
            return Activity.Starved, "Warehouse.Beans"
        stream = self.floor.stream("Cleaning.metal")
        found, place = stream.random() < cleaning.metal_share, float(stream.random())
        lot.metal = place if found else 0.0
        self.start(unit, "Cleaning", lot.mass / cleaning.rate_kg_h * 3600.0, lot, lot.mass * self.planned(""))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Send the clean beans to the bin, or throw the lot away."""
        lot, cleaning = job.lot, self.spec.stations.Cleaning
        assert lot is not None  # every job here has one
        if lot.moisture > cleaning.moisture_limit_percent or lot.foreign > cleaning.foreign_limit_percent:
            self.finish(unit, lot.mass)
            self.discard(unit, "Rejected", lot.mass)
            self.reject(unit, lot.mass, "")
            count(unit, "Lot")
            return None
        waste = removed(cleaning, lot)
        if not self.pass_on(unit, lot, "CleanBeans", waste):
            return Activity.Blocked, "Roasting"
        if lot.metal:
            count(unit, "Metal")
        lot.foreign, lot.metal = 0.0, 0.0
        return None


def removed(cleaning: CleaningSpec, lot: Lot) -> dict[str, float]:
    """Mass in kg by kind that leaves a lot: its own foreign matter, sievings as always, beans diverted with metal."""
    sievings = 1.0 - cleaning.keep - cleaning.foreign_percent / 100.0
    waste = {"Foreign": lot.mass * lot.foreign / 100.0, "Sievings": lot.mass * sievings}
    return {**waste, "Metal": cleaning.metal_kg} if lot.metal else waste


def count(unit: Unit, cause: str) -> None:
    """Count a find."""
    unit.ledger.rejects[cause] = unit.ledger.rejects.get(cause, 0) + 1


METAL_S = 180.0
"""Seconds that the metal detector's lamp stays lit, EST."""
SCREEN_KG = 5000.0
"""Mass in kg after which the screens are brushed, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of cleaning; plant.md (a), sensors."""
    rate = spec.stations.Cleaning.rate_kg_h
    return (
        process(
            "FeedRate", "E93", 0, 600, lambda v: rate * v.on, "Mass flow of beans into the cleaner", noise=4, still=True
        ),
        process(
            "BeanMoisture",
            "P1",
            4,
            10,
            lambda v: next_beans(v).moisture,
            "Water in the beans at the inlet",
            period_s=30,
            noise=0.04,
            still=True,
        ),
        process(
            "ForeignMatter",
            "P1",
            0,
            3,
            lambda v: next_beans(v).foreign,
            "Foreign matter in the lot at the inlet",
            period_s=30,
            noise=0.01,
            still=True,
        ),
        process(
            "ScreenDifferentialPressure",
            "MBR",
            0,
            50,
            screen_pressure,
            "Pressure loss over the screens; rises as they clog",
            noise=0.3,
            still=True,
        ),
        Sensor(
            group="Process",
            name="MetalDetected",
            type=SignalType.BOOLEAN,
            value=metal_detected,
            description="The metal detector has just diverted beans",
        ),
        counter("MetalFinds", lambda v: v.unit.ledger.rejects.get("Metal", 0), "Times that metal was found"),
        *conveyor("CleanBeans", spec.buffers.CleanBeans),
        counter("LotsRejected", lambda v: v.unit.ledger.rejects.get("Lot", 0), "Lots beyond the limits of ISO 2451"),
    )


def metal_detected(view: View) -> bool:
    """Whether metal was found within the last minutes."""
    if view.lot is None or not view.lot.metal or view.job is None:
        return False
    return 0.0 <= (view.done - view.lot.metal) * view.job.duration < METAL_S


def next_beans(view: View) -> Lot:
    """The lot in work, else the one that stands at the inlet; a lot without anything when there is none."""
    waiting = view.state.buffers["Beans"].lots
    return view.lot or (waiting[0] if waiting else Lot("", "Beans", 0.0, 0.0))


def screen_pressure(view: View) -> float:
    """Pressure in mbar over the screens, EST: 12 when clean, 26 before brushing, none while nothing runs."""
    clogged = view.unit.ledger.processed % SCREEN_KG / SCREEN_KG
    return (12.0 + 14.0 * clogged) * view.on
