"""Tempering: mass from the tanks is cooled and reheated to the right crystals, product after product."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.layout import tank
from plant_model.machine import Verdict
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
        return None if self.pass_on(unit, job.lot, "Hopper", {}) else (Activity.Blocked, "Moulding")

    def _product(self, unit: Unit) -> str:
        """The present product while its tank lasts, else the one that waits with most."""
        tempering = self.spec.stations.Tempering
        levels = {product: self.floor.buffer(tank(product)).level for product in self.spec.products}
        if unit.product and levels[unit.product] >= tempering.lot_kg:
            return unit.product
        fullest = max(levels, key=lambda product: levels[product])
        return fullest if levels[fullest] >= tempering.run_min_kg else ""
