"""Roasting: batches of beans lose their water in hot air; wet beans stay longer."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.capacity import roasting_minutes, roasting_yield
from plant_model.machine import Verdict
from plant_model.state import Job, Unit
from plant_model.stations.base import Workplace


class Roasting(Workplace):
    """Batch drum roaster."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Charge the drum."""
        roasting = self.spec.stations.Roasting
        lot = self.take_in(unit, "CleanBeans", roasting.load_kg, "Beans")
        if lot is None:
            return Activity.Starved, "Cleaning"
        minutes = roasting_minutes(roasting, lot.moisture) + roasting.handling_min
        self.start(unit, "Roasting", minutes * 60.0, lot, lot.mass * self.planned(""))
        self.floor.state.books.money.gas_kwh += lot.mass * roasting.gas_kwh_per_kg
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Discharge into the bin."""
        lot, roasting = job.lot, self.spec.stations.Roasting
        assert lot is not None  # every job here has one
        waste = {"Water": lot.mass * (1.0 - roasting_yield(roasting, lot.moisture))}
        if not self.pass_on(unit, lot, "RoastedBeans", waste):
            return Activity.Blocked, "Grinding"
        lot.moisture = min(lot.moisture, roasting.target_percent)
        return None
