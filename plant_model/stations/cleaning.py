"""Cleaning: sieve, destoner and magnet take foreign matter out of the beans, lot by lot."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.machine import Verdict
from plant_model.state import Job, Unit
from plant_model.stations.base import Workplace


class Cleaning(Workplace):
    """Continuous; a lot beyond the limits of ISO 2451 is rejected as a whole."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Take a lot of beans."""
        cleaning = self.spec.stations.Cleaning
        lot = self.take_in(unit, "Beans", cleaning.lot_kg, "Beans")
        if lot is None:
            return Activity.Starved, "Warehouse.Beans"
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
            return None
        waste = {"Foreign": lot.mass * (1.0 - cleaning.keep)}
        return None if self.pass_on(unit, lot, "CleanBeans", waste) else (Activity.Blocked, "Roasting")
