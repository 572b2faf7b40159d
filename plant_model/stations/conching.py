"""Conching: a conche is filled by the refiner, works for hours, a damp load for longer, and discharges into a tank."""

from __future__ import annotations

import math

from plant_model import flow
from plant_model.activity import Activity
from plant_model.capacity import filling_seconds
from plant_model.floor import Floor
from plant_model.layout import tank
from plant_model.machine import Verdict
from plant_model.sensing import Sensor, SignalType, View, process
from plant_model.spec import PlantSpec
from plant_model.state import ROUNDING_KG, Buffer, Job, Lot, Unit
from plant_model.stations.base import Workplace
from plant_model.stations.rheology import Usual


class Conching(Workplace):
    """Batch, several machines. The mass stays in the vessel, the buffer of the machine's name, until discharged."""

    def __init__(self, floor: Floor, name: str) -> None:
        super().__init__(floor, name)
        self._usual = Usual(self.spec)

    def begin(self, unit: Unit) -> Verdict | None:
        """Conche when full, turn while the refiner fills, else wait."""
        vessel, conching = self.floor.buffer(unit.name), self.spec.stations.Conching
        if vessel.level < conching.load_kg - ROUNDING_KG:
            return (Activity.Running, "") if vessel.reserved else self.idle("Mixing")
        hours = self._usual.hours(vessel.product, vessel.lots)
        unit.ledger.earned += filling_seconds(self.spec)
        self._work(unit, "Conching", hours * 3600.0, conching.hours[vessel.product] * 3600.0, vessel)
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
            self._work(unit, "Discharging", seconds, seconds, vessel)
        else:
            self._empty(unit, vessel, target)
        return None

    def _work(self, unit: Unit, phase: str, seconds: float, planned: float, vessel: Buffer) -> None:
        self.start(unit, phase, seconds, vessel.lots[-1], planned).lot = None  # the mass is in the vessel
        unit.product = vessel.product

    def _empty(self, unit: Unit, vessel: Buffer, target: Buffer) -> None:
        water = self._usual.final_moisture(unit.product, vessel.lots)
        thick = self._usual.thickness(unit.product, vessel.lots)
        lot = self.floor.join(flow.take_all(vessel), self.name, unit.product)
        self.floor.make_room(vessel)
        del target.reserved[unit.name]
        unit.ledger.taken += lot.mass
        self.pass_on(unit, lot, target.name, {"Water": lot.mass * (1.0 - self.spec.stations.Conching.keep)})
        lot.moisture, lot.thickness = water, thick
        unit.lot = lot.id


FILLING_CELSIUS = 40.0
"""Refined mass as it comes, EST."""
WARMING_S = 4300.0
"""Time constant of the mass in the conche, EST."""
DRY, PASTY = 0.35, 0.75
"""Shares of the conching time at which the dry and the pasty phase end, EST."""
PHASES = ("Empty", "Filling", "Dry", "Pasty", "Liquid", "Discharging")
VISCOSITY = {"dark": 6.056, "milk": 1.863, "white": 1.7}
"""Plastic viscosity of the finished mass in Pa.s [36]; white EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of a conche; plant.md (a), sensors."""
    load, usual = spec.stations.Conching.load_kg, Usual(spec)
    return (
        process("MassTemperature", "CEL", 15, 95, mass_temperature, "Mass in the conche", period_s=2, noise=0.2),
        process(
            "JacketTemperature",
            "CEL",
            10,
            95,
            lambda v: mass_temperature(v) - 6.0 * v.on,
            "Water in the jacket; it cools, as friction heats",
            period_s=2,
            noise=0.3,
        ),
        process("Torque", "P1", 0, 120, torque, "Torque of the drive, share of the rated one", noise=0.8),
        process(
            "Moisture",
            "P1",
            0,
            3,
            lambda v: moisture(v, usual),
            "Water in the mass, computed from the drying curve",
            period_s=60,
            noise=0.01,
        ),
        process(
            "Viscosity", "C65", 0, 20, lambda v: viscosity(v, usual), "Viscosity at 40 1/s", period_s=60, noise=0.03
        ),
        process(
            "RemainingTime",
            "HUR",
            0,
            72,
            lambda v: v.left / 3600.0 if v.phase == "Conching" else 0.0,
            "Conching time left",
            period_s=60,
        ),
        Sensor(
            group="Process",
            name="FillLevel",
            value=lambda v: v.state.buffers[v.unit.name].level,
            description="Mass in the conche",
            unit="KGM",
            low=0.0,
            high=1.05 * load,
            period_s=5.0,
            still=True,
        ),
        Sensor(
            group="Process",
            name="Phase",
            type=SignalType.ENUM,
            enum=PHASES,
            value=phase,
            description="Phase of conching",
        ),
    )


def phase(view: View) -> int:
    """Place in PHASES."""
    if view.phase == "Conching":
        return 2 if view.done < DRY else 3 if view.done < PASTY else 4
    if view.phase == "Discharging":
        return 5
    return 1 if view.state.buffers[view.unit.name].product else 0


def worked(view: View) -> float:
    """Share of the conching that is done."""
    return {"Conching": view.done, "Discharging": 1.0}.get(view.phase, 0.0)


def mass_temperature(view: View) -> float:
    """°C: towards the product's temperature while conching."""
    if view.phase not in ("Conching", "Discharging"):
        return view.warmed(FILLING_CELSIUS)
    goal = view.spec.stations.Conching.celsius[view.recipe_product]
    seconds = view.elapsed if view.phase == "Conching" else math.inf
    return view.warmed(goal - (goal - FILLING_CELSIUS) * math.exp(-seconds / WARMING_S))


def torque(view: View) -> float:
    """%: highest when the mass turns pasty, low when it is liquid."""
    if view.phase != "Conching":
        return 30.0 * view.on
    return (42.0 + 48.0 * math.exp(-(((view.done - DRY) / 0.22) ** 2))) * view.on


def moisture(view: View, usual: Usual) -> float:
    """%: falls to equilibrium with the product's time constant."""
    product, batches = content(view)
    return usual.moisture(product, batches, worked(view) * usual.hours(product, batches))


def viscosity(view: View, usual: Usual) -> float:
    """Pa.s: three times the final one at the beginning, EST."""
    product, batches = content(view)
    final = VISCOSITY[view.spec.products[product].kind] * usual.thickness(product, batches)
    return final * (1.0 + 2.0 * math.exp(-4.0 * worked(view)))


def content(view: View) -> tuple[str, list[Lot]]:
    """The product in the conche, the one it had last when it is empty, and its batches."""
    vessel = view.state.buffers[view.unit.name]
    return vessel.product or view.recipe_product, vessel.lots
