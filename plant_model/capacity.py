"""What the stations can do at best, from the spec alone: planned times (PRI of ISO 22400) and the constraint."""

from __future__ import annotations

import math
from typing import NamedTuple

from plant_model.equipment import STATIONS, GrindingSpec, RoastingSpec, spec_path
from plant_model.spec import LIQUOR, PlantSpec

BEAN_MOISTURE = 7.0
"""% water of beans that plans are made with; plant.md (a), yields."""
DRYING_CELSIUS = 120.0
"""Air temperature at which the drying rate is given; plant.md (a), dynamics."""


def drying_rate(roasting: RoastingSpec) -> float:
    """Share of the water above equilibrium that leaves the hot beans per minute; plant.md (a), dynamics."""
    return roasting.drying_per_min * math.exp(roasting.drying_per_kelvin * (roasting.air_celsius - DRYING_CELSIUS))


def roasting_gas(roasting: RoastingSpec, moisture: float) -> float:
    """Gas in kWh per kg of beans: it burns as long as the beans are hot."""
    return roasting.gas_kwh_per_kg * roasting_minutes(roasting, moisture) / roasting_minutes(roasting, BEAN_MOISTURE)


def roasting_minutes(roasting: RoastingSpec, moisture: float) -> float:
    """Minutes that beans of this moisture stay hot; plant.md (a), dynamics."""
    start, end = moisture - roasting.equilibrium_percent, roasting.target_percent - roasting.equilibrium_percent
    return math.log(start / end) / drying_rate(roasting) if start > end else 0.0


def roasting_yield(roasting: RoastingSpec, moisture: float) -> float:
    """Mass in kg roasted per kg of beans of this moisture: the water that leaves."""
    return (100.0 - moisture) / (100.0 - roasting.target_percent) if moisture > roasting.target_percent else 1.0


def refining_seconds(spec: PlantSpec) -> float:
    """Seconds that the refiner takes for a batch."""
    mixing = spec.stations.Mixing
    return mixing.batch_kg / mixing.refiner_kg_h * 3600.0


def filling_seconds(spec: PlantSpec) -> float:
    """Seconds that the refiner takes to fill a conche."""
    return refining_seconds(spec) * spec.stations.Conching.load_kg / spec.stations.Mixing.batch_kg


def planned_seconds(spec: PlantSpec, station: str, product: str) -> float:
    """PRI: ideal seconds of one machine of a station or section per kg that it processes."""
    s = spec.stations
    if station == "Roasting":
        minutes = roasting_minutes(s.Roasting, BEAN_MOISTURE) + s.Roasting.handling_min
        return minutes * 60.0 / s.Roasting.load_kg
    if station == "Kneading":
        return s.Mixing.kneader.mix_min.mode * 60.0 / s.Mixing.batch_kg
    if station == "Mixing":
        return refining_seconds(spec) / s.Mixing.batch_kg
    if station == "Conching":
        busy = filling_seconds(spec) + s.Conching.hours[product] * 3600.0 + s.Conching.discharge_min * 60.0
        return busy / s.Conching.load_kg
    if station == "Wrapping":
        return 1000.0 / s.Moulding.fill_g / s.Moulding.wrapper.bars_per_min * 60.0
    continuous = {
        "Cleaning": s.Cleaning.rate_kg_h,
        "Grinding": s.Grinding.rate_kg_h,
        "Tempering": s.Tempering.rate_kg_h,
        "Moulding": s.Moulding.rate_kg_h,
    }
    return 3600.0 / continuous[station]


def mass_ratio(spec: PlantSpec, station: str, product: str) -> float:
    """Mass in kg that a station must process for one kg of the product at the end of the line."""
    s = spec.stations
    mixed = 1.0 / s.Conching.keep
    roasted = mixed * spec.products[product].recipe.get(LIQUOR, 0.0) / liquor_yield(spec)
    clean = roasted / roasting_yield(s.Roasting, BEAN_MOISTURE)
    ratios = {
        "Cleaning": clean / s.Cleaning.keep,
        "Roasting": clean,
        "Grinding": roasted,
        "Mixing": mixed,
        "Conching": mixed,
    }
    return ratios.get(station, 1.0)


def liquor_yield(spec: PlantSpec) -> float:
    """Mass in kg liquor per kg of roasted beans, with new beaters."""
    waste = winnowed(spec.stations.Grinding, 0.0)
    return 1.0 - waste.shell - waste.nib


class Winnowed(NamedTuple):
    """What leaves per kg of roasted beans."""

    shell: float
    nib: float


def winnowed(grinding: GrindingSpec, hours: float) -> Winnowed:
    """What the winnower takes out after some hours of wear of the beaters."""
    nib = 1.0 - grinding.shell_share
    lost = nib * (grinding.nib_loss + grinding.nib_loss_per_h * hours)
    left = shell_in_nib(grinding, hours)
    kept = (nib - lost) * left / (1.0 - left)
    return Winnowed(grinding.shell_share - kept, lost)


def planned_scrap(spec: PlantSpec, station: str) -> float:
    """Share of what a station or section processes that is expected to be scrap.

    Moulding: usual rejects that are not made again. Wrapping: half a case that is open at each change of the film.
    """
    moulding, conching, products = spec.stations.Moulding, spec.stations.Conching, spec.products.values()
    usual = moulding.good_beta / (moulding.good_alpha + moulding.good_beta)
    if station == "Moulding":
        return usual * (1.0 - moulding.rework_share)
    if station == "Wrapping" and len(products) > 1:
        loads = sum(product.campaign_loads for product in products)
        round_kg = loads * conching.load_kg * conching.keep * (1.0 - usual)
        return len(products) * moulding.wrapper.machines * spec.case_kg / 2.0 / round_kg
    return 0.0


def first_operation(section: str) -> str:
    """Where the way of a station's material begins: beans are cleaned, products are mixed."""
    return "Cleaning" if STATIONS.index(spec_path(section)[0]) < STATIONS.index("Mixing") else "Mixing"


def shell_in_nib(grinding: GrindingSpec, hours: float) -> float:
    """Share of shell that is left in the nib after some hours of wear of the beaters."""
    return grinding.shell_in_nib + grinding.shell_in_nib_per_h * hours


def machines(spec: PlantSpec, station: str) -> int:
    """How many machines share a station's work."""
    return spec.stations.Conching.machines if station == "Conching" else 1


def line_seconds(spec: PlantSpec, station: str, product: str) -> float:
    """Ideal seconds of a station, all its machines together, per kg of product at the end of the line."""
    seconds = planned_seconds(spec, station, product) * mass_ratio(spec, station, product)
    return seconds / machines(spec, station)


def constraint_seconds(spec: PlantSpec) -> dict[str, float]:
    """Ideal seconds of the constraint by product, per kg at the end of the line."""
    narrow = constraint(spec)
    return {product: line_seconds(spec, narrow, product) for product in spec.products}


def constraint(spec: PlantSpec) -> str:
    """The station that needs the most time for the mix of products that is sold."""

    def need(station: str) -> float:
        return sum(product.share * line_seconds(spec, station, name) for name, product in spec.products.items())

    return max(STATIONS, key=need)
