"""Mixing: the kneader doses a batch by its recipe, the refiner grinds it fine and fills a conche."""

from __future__ import annotations

from collections.abc import Mapping

from plant_model.activity import Activity
from plant_model.capacity import refining_seconds
from plant_model.equipment import MixingSpec
from plant_model.layout import conche_names, rework
from plant_model.machine import Verdict
from plant_model.planning import next_batch
from plant_model.randomness import triangular
from plant_model.sensing import Sensor, View, process
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import Buffer, Job, Lot, Unit
from plant_model.stations.base import Workplace
from plant_model.stations.dosing import (
    cocoa_percent,
    composition,
    fat_percent,
    legal_margin,
    material,
    wanted,
    weighed,
)


class Mixing(Workplace):
    """Batch; it follows the campaigns and decides what the line makes."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Set up for the product of the campaign, or dose a batch of it."""
        product = next_batch(self.floor)
        if not product:
            return self.idle("Warehouse")
        if product != unit.product:
            self.change_over(unit, self.spec.stations.Mixing.changeover_min, product)
            return None
        needs = self._needs(product)
        for name, mass in needs.items():
            if self.floor.buffer(name).level < mass:
                return Activity.Starved, "Grinding" if name == "LiquorTank" else f"Warehouse.{name}"
        self._dose(unit, product, needs)
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Changeover, (cleaning,) batch: mixing, refining into a conche."""
        if job.activity is not Activity.Running:
            self._renew_rolls(unit, job)
            return None
        assert job.lot is not None  # a batch is one
        if job.phase == "Mixing":
            return self._refine(unit, job.lot)
        unit.ledger.made += job.lot.mass
        job.lot.fineness = refined_um(self.spec.stations.Mixing, unit.tool_age / 3600.0)
        self.finish(unit, job.lot.mass)
        self.floor.send(job.lot, job.target, self.spec.flow[self.name].transport_min)
        return None

    def _needs(self, product: str) -> dict[str, float]:
        """Mass in kg by buffer for a batch: rework up to its limit, the rest by recipe."""
        mixing = self.spec.stations.Mixing
        returned = min(self.floor.buffer(rework(product)).level, mixing.rework_share_max * mixing.batch_kg)
        return wanted(self.spec.products[product].recipe, product, mixing.batch_kg, returned)

    def _dose(self, unit: Unit, product: str, needs: dict[str, float]) -> None:
        stream, sd = self.floor.stream(f"{unit.name}.dosing"), self.spec.stations.Mixing.dosing_sd
        errors = {name: sd * float(stream.standard_normal()) for name in needs}
        doses = weighed(needs, {name: self.floor.buffer(name).level for name in needs}, errors)
        pieces = [piece for name, mass in doses.items() for piece in self.floor.withdraw(name, mass)]
        lot = self.floor.join(pieces, self.name, product)
        lot.mix = composition(doses, self.spec.products[product].recipe, product)
        unit.ledger.taken += lot.mass
        for name, mass in doses.items():
            dosed = material(name, product)
            unit.ledger.doses[dosed] = unit.ledger.doses.get(dosed, 0.0) + mass
        self.floor.state.campaign.batches_left -= 1
        shape = self.spec.stations.Mixing.mix_min
        seconds = triangular(self.floor.stream(f"{unit.name}.mixing"), shape) * 60.0
        unit.lot = lot.id
        unit.job = Job("Mixing", Activity.Running, product, seconds, seconds, shape.mode * 60.0, lot)

    def _refine(self, unit: Unit, lot: Lot) -> Verdict | None:
        vessel = self._vessel(lot)
        if vessel is None:
            return Activity.Blocked, "Conching"
        assert unit.job is not None
        unit.ledger.earned += unit.job.planned
        vessel.reserved[lot.id] = lot.mass
        seconds = refining_seconds(self.spec)
        self.start(unit, "Refining", seconds, lot, seconds).target = vessel.name
        self.floor.touch(vessel)
        return None

    def _vessel(self, lot: Lot) -> Buffer | None:
        """A conche that is being filled with this product, else an empty one."""
        vessels = [self.floor.buffer(name) for name in conche_names(self.spec)]
        begun = [vessel for vessel in vessels if vessel.product == lot.material]
        empty = [vessel for vessel in vessels if not vessel.product and not vessel.reserved]
        return next((vessel for vessel in begun + empty if vessel.fits(lot.mass)), None)

    def _renew_rolls(self, unit: Unit, job: Job) -> None:
        """Exchange worn rolls within a changeover; then end the setup."""
        mixing = self.spec.stations.Mixing
        if unit.tool_age > mixing.roll_life_h * 3600.0:
            unit.tool_age = 0.0
            self.set_up(unit, Activity.Changeover, mixing.roll_exchange_h * 3600.0, job.product)
        else:
            self.end_setup(unit, job)


ROLLS_CELSIUS = (30.0, 35.0, 40.0, 45.0, 40.0)
"""[15]."""
INGREDIENTS = (LIQUOR, "CocoaButter", "Sugar", "MilkPowder")
"""Those with a scale of their own."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of mixing; plant.md (a), sensors."""
    mixing = spec.stations.Mixing
    rolls = (_roll(number, celsius) for number, celsius in enumerate(ROLLS_CELSIUS, 1))
    return (
        process("MixTemperature", "CEL", 15, 70, lambda v: v.warmed(46.0), "Mass in the kneader", noise=0.3),
        *map(_scale, INGREDIENTS),
        *rolls,
        process(
            "RollPressure",
            "BAR",
            0,
            80,
            lambda v: 45.0 * v.on * (v.phase == "Refining"),
            "Pressure of the rolls",
            noise=0.5,
        ),
        process(
            "FinenessD90",
            "4H",
            10,
            60,
            lambda v: refined_um(mixing, v.tool_hours),
            "D90 behind the refiner; rises as the rolls wear",
            period_s=60,
            noise=0.25,
        ),
        process("FatContent", "P1", 20, 40, lambda v: fat_percent(mix(v)), "Fat in the batch", period_s=60, noise=0.1),
        process(
            "CocoaSolids", "P1", 0, 100, lambda v: cocoa_percent(mix(v)), "Cocoa in the batch as dosed", period_s=60
        ),
        process(
            "LegalMargin",
            "P1",
            -50,
            50,
            lambda v: legal_margin(v.spec.products[v.recipe_product].kind, mix(v)),
            "Nearest minimum of Directive 2000/36/EC is so far below the batch",
            period_s=60,
        ),
        process("ReworkDosed", "KGM", 0, 1200, lambda v: v.once(rework_dosed), "Rework in the batch", period_s=5),
        process("ReworkLevel", "KGM", 0, spec.buffers.Rework.capacity_kg, rework_level, "Rework of the product"),
        process(
            "RollHours",
            "HUR",
            0,
            5000,
            lambda v: v.tool_hours,
            "Hours of operation since the rolls were exchanged",
            period_s=60,
        ),
    )


def _roll(number: int, celsius: float) -> Sensor[View]:
    words = f"Surface of roll {number}"
    return process(f"RollTemperature{number}", "CEL", 15, 60, lambda v: v.warmed(celsius), words, period_s=2, noise=0.3)


def _scale(name: str) -> Sensor[View]:
    words = f"{name} dosed into the batch"
    return process(f"Dosed{name}", "KGM", 0, 1200, lambda v: dosed_mass(v, name), words)


def dosed_mass(view: View, name: str) -> float:
    """Mass in kg: the scales fill in the first half of mixing."""
    if view.lot is None:
        return 0.0
    share = min(2.0 * view.done, 1.0) if view.phase == "Mixing" else 1.0
    recipe = view.spec.products[view.recipe_product].recipe
    fresh = mix(view).get(name, 0.0) * view.lot.mass - recipe.get(name, 0.0) * view.once(rework_dosed)
    return max(fresh, 0.0) * share


def mix(view: View) -> Mapping[str, float]:
    """Share by ingredient of the batch as dosed; by recipe while there is none."""
    return view.lot.mix if view.lot else view.spec.products[view.recipe_product].recipe


def rework_dosed(view: View) -> float:
    """Mass in kg of the rework in the batch."""
    if view.lot is None:
        return 0.0
    return sum(mass for name, mass in view.lot.sources if name.startswith("Rework"))


def rework_level(view: View) -> float:
    """Mass in kg of the rework of the product in work."""
    return view.state.buffers[rework(view.recipe_product)].level


def refined_um(mixing: MixingSpec, hours: float) -> float:
    """D90 behind rolls that have run so many hours."""
    return mixing.d90_fresh_um + mixing.d90_wear_um_per_h * hours
