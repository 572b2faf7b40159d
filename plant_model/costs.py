"""Cost and energy from one place: what was booked, what times and counts make of it, and what falls on a case."""

from __future__ import annotations

from operator import mul
from typing import NamedTuple

from plant_model.activity import Activity
from plant_model.spec import PlantSpec
from plant_model.state import PlantState, Unit

HOUR = 3600.0
DISPOSED = ("Scrap", "Rejected", "Foreign")
"""Kinds of waste that cost their disposal; shells are taken for nothing, water goes by itself."""


class Costs(NamedTuple):
    """EUR since the epoch, or in a window, by cause."""

    material: float
    packaging: float
    labour: float
    energy: float
    maintenance: float
    disposal: float
    ordering: float
    holding: float
    backorders: float


def power(spec: PlantSpec, unit: Unit) -> float:
    """Electric power in kW that a machine draws now."""
    return spec.stations[unit.station].power_kw * spec.power.shares[unit.control.state]


def electricity(spec: PlantSpec, unit: Unit, now: float) -> float:
    """Energy in kWh that a machine has drawn since the epoch: its times by its power in each state."""
    shares, control = spec.power.shares, unit.control
    full: float = sum(map(mul, control.states, shares)) + (now - unit.since) * shares[control.state]
    return full * spec.stations[unit.station].power_kw / HOUR


def base_load(spec: PlantSpec, now: float) -> float:
    """Energy in kWh that the hall has drawn since the epoch."""
    return spec.power.base_load_kw * now / HOUR


def repair_hours(unit: Unit, now: float) -> float:
    """Hours of repair work since the epoch."""
    running = now - unit.since if unit.activity is Activity.Breakdown else 0.0
    return (unit.times[Activity.Breakdown] + running) / HOUR


def costs(spec: PlantSpec, state: PlantState, now: float, *, opened_s: float, electricity_kwh: float) -> Costs:
    """EUR since the epoch, by cause."""
    rates, money = spec.costs, state.books.money
    units = state.units.values()
    disposed = sum(unit.ledger.waste.get(kind, 0.0) for unit in units for kind in DISPOSED)
    return Costs(
        material=money.material,
        packaging=state.books.good_cases * rates.packaging_per_case,
        labour=opened_s / HOUR * sum(spec.workers_per_shift.values()) * rates.labour_per_h,
        energy=electricity_kwh * rates.electricity_per_kwh + money.gas_kwh * rates.gas_per_kwh,
        maintenance=sum(repair_hours(unit, now) for unit in units) * rates.maintenance_per_h,
        disposal=disposed * rates.scrap_per_kg,
        ordering=money.ordering,
        holding=money.holding,
        backorders=money.backorders,
    )


def stock_value(spec: PlantSpec, state: PlantState) -> float:
    """EUR bound in raw materials, at purchase prices."""
    return sum(lot.mass * lot.price for name in spec.storages for lot in state.buffers[name].lots)
