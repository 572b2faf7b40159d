"""Cost and energy from one place: what was booked, what times and counts make of it, and what falls on a case."""

from __future__ import annotations

from collections.abc import Mapping
from operator import mul
from typing import NamedTuple

from plant_model.capacity import mass_ratio
from plant_model.inventory import ranked
from plant_model.layout import finished
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import PlantState, Unit

HOUR = 3600.0
DISPOSED = ("Scrap", "Rejected", "Foreign", "Sievings", "Metal")
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
    spoilage: float


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
    """Hours of technicians at breakdowns and planned maintenance since the epoch."""
    repair = unit.repair
    at_work = repair is not None and repair.activity is unit.activity and repair.technician
    running = now - unit.since if at_work else 0.0
    return (unit.ledger.repair_s + unit.ledger.maintenance_s + running) / HOUR


def costs(spec: PlantSpec, state: PlantState, now: float, *, opened_s: float, electricity_kwh: float) -> Costs:
    """EUR since the epoch, by cause."""
    rates, money = spec.costs, state.books.money
    units = state.units.values()
    disposed = sum(mass for unit in units for kind, mass in unit.ledger.waste.items() if kind in DISPOSED)
    return Costs(
        material=money.material,
        packaging=state.books.good_cases * rates.packaging_per_case,
        labour=opened_s / HOUR * sum(spec.workers_per_shift.values()) * rates.labour_per_h,
        energy=electricity_kwh * rates.electricity_per_kwh + money.gas_kwh * rates.gas_per_kwh,
        maintenance=sum(repair_hours(unit, now) for unit in units) * rates.maintenance_per_h,
        disposal=(disposed + state.books.written_off_mass) * rates.scrap_per_kg,
        ordering=money.ordering,
        holding=money.holding,
        backorders=money.backorders,
        spoilage=money.written_off,
    )


def stock_value(spec: PlantSpec, state: PlantState, standard: Mapping[str, float]) -> float:
    """EUR bound in the warehouse: raw materials at purchase prices, finished goods at standard costs in EUR/kg."""
    raw = sum(lot.mass * lot.price for name in spec.storages for lot in state.buffers[name].lots)
    return raw + sum(cost * state.buffers[finished(name)].level for name, cost in standard.items())


def standard_costs(spec: PlantSpec) -> dict[str, float]:
    """Material in EUR/kg of each product: its recipe, with what gets lost on the way, at the price of first choice."""
    return {name: _standard_cost(spec, name) for name in spec.products}


def _standard_cost(spec: PlantSpec, product: str) -> float:
    beans = mass_ratio(spec, "Cleaning", product) * _price(spec, "Beans")
    mixed = mass_ratio(spec, "Mixing", product)
    recipe = spec.products[product].recipe
    return beans + mixed * sum(share * _price(spec, name) for name, share in recipe.items() if name != LIQUOR)


def _price(spec: PlantSpec, material: str) -> float:
    name = ranked(spec.policies[material], spec.suppliers)[0]
    return spec.suppliers[name].price_usd_per_t / 1000.0 * spec.costs.eur_per_usd
