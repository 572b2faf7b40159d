"""Grinding: breaker and winnower part shell from nib, the mill makes liquor of the nib."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.machine import Verdict
from plant_model.sensing import Sensor, View, process
from plant_model.spec import LIQUOR, PlantSpec
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


MILL_AMPERE = 105.0
"""Current of the mill at full load, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of grinding; plant.md (a), sensors."""
    grinding = spec.stations.Grinding
    capacity = spec.buffers.LiquorTank.capacity_kg
    return (
        process(
            "ShellInNib", "P1", 0, 5, lambda _: 1.2, "Shell left in the nib, limit 1.75 %", period_s=60, noise=0.12
        ),
        process(
            "NibLoss",
            "P1",
            0,
            15,
            lambda _: 100.0 * grinding.nib_loss,
            "Nib lost with the shell",
            period_s=60,
            noise=0.1,
        ),
        process(
            "MillCurrent",
            "AMP",
            0,
            150,
            lambda v: MILL_AMPERE * v.load * (1.0 + 0.2 * v.omen("MillOverload", 3600)),
            "Current of the mill; rises before an overload",
            noise=0.8,
        ),
        process(
            "LiquorTemperature", "CEL", 20, 110, lambda v: v.warmed(82.0), "Liquor at the mill's outlet", noise=0.4
        ),
        process(
            "LiquorFineness",
            "4H",
            20,
            200,
            lambda _: grinding.fineness_um,
            "Fineness D90 of the liquor",
            period_s=60,
            noise=1.5,
        ),
        process(
            "Vibration",
            "C16",
            0,
            15,
            lambda v: (2.8 + 3.0 * v.omen("MillOverload", 3600)) * v.on,
            "RMS vibration of the mill; rises before an overload",
            noise=0.15,
        ),
        process(
            "LiquorTankLevel",
            "KGM",
            0,
            capacity,
            lambda v: v.state.buffers["LiquorTank"].level,
            "Liquor in the tank",
            period_s=5,
        ),
    )
