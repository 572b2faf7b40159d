"""Cost and energy from one place: what was booked, what times and counts make of it, and what falls on a case."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter, mul
from typing import NamedTuple

from plant_model.activity import Activity
from plant_model.capacity import mass_ratio
from plant_model.inventory import ranked
from plant_model.layout import finished
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import PlantState, Unit
from plant_model.tally import care

HOUR = 3600.0
DISPOSED = ("Scrap", "Rejected", "Foreign", "Sievings", "Metal")
"""Kinds of waste that cost their disposal; shells are taken for nothing, water goes by itself."""
SCRAPPED = ("Scrap", "Rejected")
"""Kinds of waste that were meant to become product; the others are part of its yield."""
DOWN = (Activity.MinorStop, Activity.Breakdown, Activity.AwaitingRepair)
"""Activities in which people stand beside a machine that does not work."""
_down = itemgetter(*DOWN)


class Costs(NamedTuple):
    """EUR since the epoch, or in a window, by cause; their sum is all that was spent."""

    material: float  # that was used, less what was scrapped
    packaging: float
    labour: float  # paid hours, less those in which a failure kept people from working
    energy: float
    maintenance: float  # planned
    failures: float  # technicians at breakdowns, and people who stood beside a machine that was down
    scrap: float  # its material and its disposal
    ordering: float
    holding: float
    backorders: float
    spoilage: float  # material that expired, and its disposal


def power(spec: PlantSpec, unit: Unit) -> float:
    """Electric power in kW that a machine draws now."""
    return spec.stations[unit.section].power_kw * spec.power.shares[unit.control.state]


def electricity(spec: PlantSpec, unit: Unit, now: float) -> float:
    """Energy in kWh that a machine has drawn since the epoch: its times by its power in each state."""
    shares, control = spec.power.shares, unit.control
    full: float = sum(map(mul, control.states, shares)) + (now - unit.since) * shares[control.state]
    return full * spec.stations[unit.section].power_kw / HOUR


def base_load(spec: PlantSpec, now: float) -> float:
    """Energy in kWh that the hall has drawn since the epoch."""
    return spec.power.base_load_kw * now / HOUR


def idle_hours(spec: PlantSpec, state: PlantState, now: float) -> float:
    """Hours for which people were paid while a failure stopped the machine they attend, one of their station's."""
    machines, down = dict.fromkeys(spec.attendance, 0), dict.fromkeys(spec.attendance, 0.0)
    for unit in state.units.values():
        machines[unit.station] += 1
        down[unit.station] += down_seconds(unit, now)
    return sum([people * down[name] / machines[name] for name, people in spec.attendance.items()]) / HOUR


def down_seconds(unit: Unit, now: float) -> float:
    """Seconds that failures, great and minor, have stopped a machine since the epoch."""
    running = now - unit.since if unit.activity in DOWN else 0.0
    return sum(_down(unit.times), running)


def costs(spec: PlantSpec, state: PlantState, now: float, *, opened_s: float, electricity_kwh: float) -> Costs:
    """EUR since the epoch, by cause."""
    rates, books, money = spec.costs, state.books, state.books.money
    units = state.units.values()
    disposed = sum([mass for unit in units for kind, mass in unit.ledger.waste.items() if kind in DISPOSED])
    cares = [care(unit, now) for unit in units]
    paid = opened_s / HOUR * sum(spec.workers_per_shift.values()) * rates.labour_per_h
    idle = idle_hours(spec, state, now) * rates.labour_per_h
    return Costs(
        material=money.material - money.scrapped,
        packaging=books.good_cases * rates.packaging_per_case,
        labour=paid - idle,
        energy=electricity_kwh * rates.electricity_per_kwh + money.gas_kwh * rates.gas_per_kwh,
        maintenance=sum([planned for _, planned in cares]) / HOUR * rates.maintenance_per_h,
        failures=idle + sum([repaired for repaired, _ in cares]) / HOUR * rates.maintenance_per_h,
        scrap=money.scrapped + disposed * rates.scrap_per_kg,
        ordering=money.ordering,
        holding=money.holding,
        backorders=money.backorders,
        spoilage=money.written_off + books.written_off_mass * rates.scrap_per_kg,
    )


def stock_value(spec: PlantSpec, state: PlantState, standard: Mapping[str, float]) -> float:
    """EUR bound in the warehouse: raw materials at purchase prices, finished goods at standard costs in EUR/kg."""
    raw = sum(lot.mass * lot.price for name in spec.storages for lot in state.buffers[name].lots)
    return raw + sum(cost * state.buffers[finished(name)].level for name, cost in standard.items())


def standard_costs(spec: PlantSpec) -> dict[str, float]:
    """Material in EUR/kg of each product: its recipe, with what gets lost on the way, at the price of first choice."""
    return {name: _standard_cost(spec, name) for name in spec.products}


def scrap_value(spec: PlantSpec, product: str) -> float:
    """Material in EUR/kg of what is scrapped: of a product, or of beans where there is none yet."""
    return _standard_cost(spec, product) if product else _price(spec, "Beans")


def _standard_cost(spec: PlantSpec, product: str) -> float:
    beans = mass_ratio(spec, "Cleaning", product) * _price(spec, "Beans")
    mixed = mass_ratio(spec, "Mixing", product)
    recipe = spec.products[product].recipe
    return beans + mixed * sum(share * _price(spec, name) for name, share in recipe.items() if name != LIQUOR)


def _price(spec: PlantSpec, material: str) -> float:
    name = ranked(spec.policies[material], spec.suppliers)[0]
    return spec.suppliers[name].price_usd_per_t / 1000.0 * spec.costs.eur_per_usd
