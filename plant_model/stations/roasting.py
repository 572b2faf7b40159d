"""Roasting: batches of beans lose their water in hot air; wet beans stay longer."""

from __future__ import annotations

import math

from plant_model.activity import Activity
from plant_model.capacity import BEAN_MOISTURE, drying_rate, roasting_gas, roasting_minutes, roasting_yield
from plant_model.machine import Verdict
from plant_model.sensing import AMBIENT, Sensor, View, conveyor, level, process
from plant_model.spec import PlantSpec
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
        self.floor.state.books.money.gas_kwh += lot.mass * roasting_gas(roasting, lot.moisture)
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


CHARGE_MIN = 4.0
"""Minutes to charge the drum, EST; the beans cool after the roast until 5 minutes before the end."""
HEAT_MIN = 7.0
"""Time constant of the beans in the hot drum, EST."""
COOL_MIN = 4.5
"""Time constant on the cooling sieve: 50-60 °C after 10-11 min [7]."""
GAS_KWH_PER_M3 = 10.0
"""Natural gas, general knowledge."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of roasting; plant.md (a), sensors."""
    air = spec.stations.Roasting.air_celsius
    return (
        process("AirTemperature", "CEL", 20, 220, lambda v: v.warmed(air), "Hot air into the drum", noise=0.6),
        process(
            "BeanTemperature",
            "CEL",
            20,
            160,
            lambda v: v.once(bean_temperature),
            "Beans in the drum or on the cooling sieve",
            noise=0.3,
        ),
        process("DrumSpeed", "RPM", 0, 60, lambda v: 32.0 * v.on, "Speed of the drum", noise=0.1, still=True),
        process(
            "ExhaustTemperature",
            "CEL",
            20,
            250,
            lambda v: 0.7 * v.warmed(air) + 0.3 * v.once(bean_temperature),
            "Air out of the drum",
            noise=0.8,
        ),
        process(
            "BeanMoisture",
            "P1",
            0,
            10,
            bean_moisture,
            "Water in the beans, computed from the drying curve",
            period_s=10,
            noise=0.03,
        ),
        process("GasFlow", "MQH", 0, 40, gas_flow, "Gas to the burner", noise=0.1),
        process(
            "Colour",
            "",
            10,
            40,
            colour,
            "Lightness L* of the beans, falls as they roast",
            period_s=10,
            noise=0.1,
        ),
        process(
            "Yield",
            "P1",
            80,
            100,
            lambda v: 100.0 * roasting_yield(v.spec.stations.Roasting, v.lot.moisture if v.lot else BEAN_MOISTURE),
            "Mass that is left of the batch when its water is gone",
            period_s=10,
            still=True,
        ),
        *conveyor("RoastedBeans", spec.buffers.RoastedBeans),
        level("BeanBinLevel", "CleanBeans", spec.buffers.CleanBeans.capacity_kg, "Clean beans before the roaster"),
    )


def minute(view: View) -> float:
    """Minutes on the batch's nominal clock."""
    return view.done * (view.once(roast_minutes) + view.spec.stations.Roasting.handling_min)


def roast_minutes(view: View) -> float:
    """Minutes that the present batch stays hot."""
    return roasting_minutes(view.spec.stations.Roasting, view.lot.moisture) if view.lot else 0.0


def roasted(view: View) -> float:
    """Share of the roast that is done, 0 … 1."""
    hot = view.once(roast_minutes)
    return min(max((view.once(minute) - CHARGE_MIN) / hot, 0.0), 1.0) if hot else 0.0


def bean_temperature(view: View) -> float:
    """°C: the beans near the air's temperature while they roast, then cool."""
    air, hot = view.warmed(view.spec.stations.Roasting.air_celsius), view.once(roast_minutes)
    peak = air - (air - AMBIENT) * math.exp(-view.once(roasted) * hot / HEAT_MIN)
    cooling = max(view.once(minute) - CHARGE_MIN - hot, 0.0)
    return AMBIENT + (peak - AMBIENT) * math.exp(-cooling / COOL_MIN)


def bean_moisture(view: View) -> float:
    """%: falls to equilibrium while the beans are hot."""
    roasting, lot = view.spec.stations.Roasting, view.lot
    if lot is None:
        return roasting.target_percent
    dried = math.exp(-drying_rate(roasting) * view.once(roasted) * view.once(roast_minutes))
    return roasting.equilibrium_percent + (lot.moisture - roasting.equilibrium_percent) * dried


def colour(view: View) -> float:
    """L*: from 33 to 22 in a usual roast; a longer one gets darker."""
    usual = roasting_minutes(view.spec.stations.Roasting, BEAN_MOISTURE)
    return 33.0 - 11.0 * (1.0 - math.exp(-2.2 * view.once(roasted) * view.once(roast_minutes) / usual))


def gas_flow(view: View) -> float:
    """m³/h: the gas of the batch, spread over the roast."""
    hot, share = view.once(roast_minutes), view.once(roasted)
    if view.lot is None or not view.on or not 0.0 < share < 1.0:
        return 0.0
    return view.lot.mass * roasting_gas(view.spec.stations.Roasting, view.lot.moisture) / GAS_KWH_PER_M3 / (hot / 60.0)
