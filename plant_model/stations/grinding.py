"""Grinding: breaker and winnower part shell from nib, the mill makes liquor of the nib."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.machine import Verdict
from plant_model.spec import LIQUOR
from plant_model.state import Job, Unit
from plant_model.stations.base import Workplace


class Grinding(Workplace):
    """Continuous; roasted beans in, liquor out."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Take a lot of roasted beans."""
        grinding = self.spec.stations.Grinding
        lot = self.take_in(unit, "RoastedBeans", grinding.lot_kg, LIQUOR)
        if lot is None:
            return Activity.Starved, "Roasting"
        self.start(unit, "Grinding", lot.mass / grinding.rate_kg_h * 3600.0, lot, lot.mass * self.planned(""))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Pump the liquor to the tank."""
        lot, grinding = job.lot, self.spec.stations.Grinding
        assert lot is not None  # every job here has one
        shell = lot.mass * grinding.shell_share
        waste = {"Shell": shell, "Nib": (lot.mass - shell) * grinding.nib_loss}
        return None if self.pass_on(unit, lot, "LiquorTank", waste) else (Activity.Blocked, "Mixing")
