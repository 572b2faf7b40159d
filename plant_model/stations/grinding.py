"""Grinding: breaker and winnower part shell from nib, the mill makes liquor of the nib."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.capacity import shell_in_nib, winnowed
from plant_model.equipment import GrindingSpec
from plant_model.layout import KNEADER
from plant_model.machine import Verdict
from plant_model.sensing import Sensor, View, level, process
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import Job, Unit
from plant_model.stations.base import Workplace


class Grinding(Workplace):
    """Continuous; roasted beans in, liquor out."""

    def begin(self, unit: Unit) -> Verdict | None:
        """Take a lot of roasted beans; exchange worn beaters first."""
        grinding = self.spec.stations.Grinding
        if unit.tool_age > grinding.beater_life_h * 3600.0:
            self.set_up(unit, Activity.Changeover, grinding.beater_exchange_h * 3600.0, "")
            return None
        lot = self.take_in(unit, "RoastedBeans", grinding.lot_kg, LIQUOR)
        if lot is None:
            return Activity.Starved, "Roasting"
        self.start(unit, "Grinding", lot.mass / grinding.rate_kg_h * 3600.0, lot, lot.mass * self.planned(""))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Pump the liquor to the tank."""
        lot, grinding = job.lot, self.spec.stations.Grinding
        if lot is None:
            unit.tool_age, unit.job = 0.0, None
            return None
        hours = unit.tool_age / 3600.0
        gone = winnowed(grinding, hours)
        waste = {"Shell": lot.mass * gone.shell, "Nib": lot.mass * gone.nib}
        lot.shell, lot.fineness = 100.0 * shell_in_nib(grinding, hours), liquor_um(grinding, hours)
        return None if self.pass_on(unit, lot, "LiquorTank", waste) else (Activity.Blocked, KNEADER)


MILL_AMPERE = 105.0
"""Current of the mill at full load, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of grinding; plant.md (a), sensors."""
    grinding, capacity = spec.stations.Grinding, spec.buffers.LiquorTank.capacity_kg
    return (
        process(
            "ShellInNib",
            "P1",
            0,
            5,
            lambda v: 100.0 * shell_in_nib(grinding, v.tool_hours),
            "Shell left in the nib, limit 1.75 %; rises as the beaters wear",
            period_s=60,
            noise=0.12,
        ),
        process(
            "NibLoss",
            "P1",
            0,
            15,
            lambda v: nib_loss_percent(grinding, v.tool_hours),
            "Nib lost with the shell; rises as the beaters wear",
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
            lambda v: liquor_um(grinding, v.tool_hours),
            "Fineness D90 of the liquor; shell makes it coarser",
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
        level("LiquorTankLevel", "LiquorTank", capacity, "Liquor in the tank"),
        level("RoastedBinLevel", "RoastedBeans", spec.buffers.RoastedBeans.capacity_kg, "Beans before the breaker"),
        process(
            "BeaterHours", "HUR", 0, 5000, lambda v: v.tool_hours, "Hours of operation of the beaters", period_s=60
        ),
    )


def liquor_um(grinding: GrindingSpec, hours: float) -> float:
    """D90 of the liquor after some hours of wear of the beaters: shell is hard to mill."""
    more = shell_in_nib(grinding, hours) - grinding.shell_in_nib
    return grinding.fineness_um + grinding.shell_um * 100.0 * more


def nib_loss_percent(grinding: GrindingSpec, hours: float) -> float:
    """% of the nib that goes with the shell after some hours of wear."""
    return 100.0 * (grinding.nib_loss + grinding.nib_loss_per_h * hours)
