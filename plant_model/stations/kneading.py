"""Kneading: the kneader doses a batch by its recipe and mixes it; it decides what the line makes."""

from __future__ import annotations

from collections.abc import Mapping

from plant_model.activity import Activity
from plant_model.layout import FEED, REFINER, rework
from plant_model.machine import Verdict
from plant_model.planning import next_batch
from plant_model.randomness import triangular
from plant_model.sensing import Sensor, View, process
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import Job, Unit
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


class Kneading(Workplace):
    """Batch; it follows the campaigns, a batch ahead of the refiner."""

    @property
    def transport_min(self) -> float:
        """It drops the batch into the refiner's feed."""
        return 0.0

    def begin(self, unit: Unit) -> Verdict | None:
        """Set up for the product of the campaign, or dose a batch of it."""
        product = next_batch(self.floor)
        if not product:
            return self.idle("Warehouse")
        if product != unit.product:
            self.change_over(unit, self.spec.stations.Mixing.kneader.changeover_min, product)
            self.floor.stir(REFINER)  # it may set up as well
            return None
        needs = self._needs(product)
        for name, mass in needs.items():
            if self.floor.buffer(name).level < mass:
                return Activity.Starved, "Grinding" if name == "LiquorTank" else f"Warehouse.{name}"
        self._dose(unit, product, needs)
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Drop the batch when the refiner's feed is empty."""
        if job.activity is not Activity.Running:
            self.end_setup(unit, job)
            return None
        assert job.lot is not None  # a batch is one
        return None if self.pass_on(unit, job.lot, FEED, {}) else (Activity.Blocked, REFINER)

    def _needs(self, product: str) -> dict[str, float]:
        """Mass in kg by buffer for a batch: rework up to its limit, the rest by recipe."""
        mixing = self.spec.stations.Mixing
        returned = min(self.floor.buffer(rework(product)).level, mixing.rework_share_max * mixing.batch_kg)
        return wanted(self.spec.products[product].recipe, product, mixing.batch_kg, returned)

    def _dose(self, unit: Unit, product: str, needs: dict[str, float]) -> None:
        stream, sd = self.floor.stream("Mixing.dosing"), self.spec.stations.Mixing.kneader.dosing_sd
        errors = {name: sd * float(stream.standard_normal()) for name in needs}
        doses = weighed(needs, {name: self.floor.buffer(name).level for name in needs}, errors)
        pieces = [piece for name, mass in doses.items() for piece in self.floor.withdraw(name, mass)]
        lot = self.floor.join(pieces, unit.station, product)
        lot.mix = composition(doses, self.spec.products[product].recipe, product)
        unit.ledger.taken += lot.mass
        for name, mass in doses.items():
            dosed = material(name, product)
            unit.ledger.doses[dosed] = unit.ledger.doses.get(dosed, 0.0) + mass
        self.floor.state.campaign.batches_left -= 1
        shape = self.spec.stations.Mixing.kneader.mix_min
        seconds = triangular(self.floor.stream("Mixing.mixing"), shape) * 60.0
        unit.lot = lot.id
        unit.job = Job("Kneading", Activity.Running, product, seconds, seconds, shape.mode * 60.0, lot)


INGREDIENTS = (LIQUOR, "CocoaButter", "Sugar", "MilkPowder")
"""Those with a scale of their own."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of kneading, shown as the station's; plant.md (a), sensors."""
    return (
        process("MixTemperature", "CEL", 15, 70, lambda v: v.warmed(46.0), "Mass in the kneader", noise=0.3),
        *map(_scale, INGREDIENTS),
        process(
            "FatContent",
            "P1",
            20,
            40,
            lambda v: fat_percent(mix(v)),
            "Fat in the batch",
            period_s=60,
            noise=0.1,
            still=True,
        ),
        process(
            "CocoaSolids",
            "P1",
            0,
            100,
            lambda v: cocoa_percent(mix(v)),
            "Cocoa in the batch as dosed",
            period_s=60,
            still=True,
        ),
        process(
            "LegalMargin",
            "P1",
            -50,
            50,
            lambda v: legal_margin(v.spec.products[v.recipe_product].kind, mix(v)),
            "Nearest minimum of Directive 2000/36/EC is so far below the batch",
            period_s=60,
            still=True,
        ),
        process(
            "ReworkDosed", "KGM", 0, 1200, lambda v: v.once(rework_dosed), "Rework in the batch", period_s=5, still=True
        ),
        process(
            "ReworkLevel", "KGM", 0, spec.buffers.Rework.capacity_kg, rework_level, "Rework of the product", still=True
        ),
    )


def _scale(name: str) -> Sensor[View]:
    words = f"{name} dosed into the batch"
    return process(f"Dosed{name}", "KGM", 0, 1200, lambda v: dosed_mass(v, name), words)


def dosed_mass(view: View, name: str) -> float:
    """Mass in kg: the scales fill in the first half of mixing."""
    if view.lot is None:
        return 0.0
    share = min(2.0 * view.done, 1.0) if view.phase == "Kneading" else 1.0
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
