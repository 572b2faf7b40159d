"""What goes into a batch: weighed ingredient by ingredient, with the errors of the scales, within the law."""

from __future__ import annotations

from collections.abc import Mapping

from plant_model import flow
from plant_model.climate import equilibrium
from plant_model.layout import rework
from plant_model.spec import LIQUOR, LIQUOR_FAT, MILK_POWDER_FAT, PlantSpec, legal_minimum
from plant_model.state import Lot

LIQUOR_TANK = "LiquorTank"
REWORK = "Rework"


def wanted(recipe: Mapping[str, float], product: str, batch_kg: float, returned_kg: float) -> dict[str, float]:
    """Mass in kg by buffer for a batch of which so much is rework."""
    fresh = batch_kg - returned_kg
    needs = {LIQUOR_TANK if name == LIQUOR else name: share * fresh for name, share in recipe.items() if share > 0.0}
    return {**needs, rework(product): returned_kg} if returned_kg > 0.0 else needs


def ingredients(spec: PlantSpec) -> tuple[str, ...]:
    """All that goes into batches: the materials of the recipes, and rework."""
    return (*dict.fromkeys(name for product in spec.products.values() for name in product.recipe), REWORK)


def material(buffer: str, product: str) -> str:
    """What is dosed from a buffer: a material of the recipe, or rework."""
    if buffer == rework(product):
        return REWORK
    return LIQUOR if buffer == LIQUOR_TANK else buffer


def weighed(needs: Mapping[str, float], levels: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, float]:
    """What the scales let through, kg: each dose with its error, all together the batch, none more than there is."""
    doses = {name: min(mass * (1.0 + errors[name]), levels[name]) for name, mass in needs.items()}
    missing = sum(needs.values()) - sum(doses.values())
    for name, dose in doses.items():
        corrected = min(max(dose + missing, 0.0), levels[name])
        missing -= corrected - dose
        doses[name] = corrected
    return doses


def composition(doses: Mapping[str, float], recipe: Mapping[str, float], product: str) -> dict[str, float]:
    """Share by ingredient of what was dosed; rework counts as its recipe."""
    total, returned = sum(doses.values()), doses.get(rework(product), 0.0)
    return {
        name: (doses.get(LIQUOR_TANK if name == LIQUOR else name, 0.0) + share * returned) / total
        for name, share in recipe.items()
    }


def fat_percent(mix: Mapping[str, float]) -> float:
    """Fat in % of a mix."""
    liquor, powder = mix.get(LIQUOR, 0.0), mix.get("MilkPowder", 0.0)
    return 100.0 * (LIQUOR_FAT * liquor + mix.get("CocoaButter", 0.0) + MILK_POWDER_FAT * powder)


def cocoa_percent(mix: Mapping[str, float]) -> float:
    """Cocoa solids in % of a mix, butter included: what the wrapper of a dark chocolate says."""
    return 100.0 * (mix.get(LIQUOR, 0.0) + mix.get("CocoaButter", 0.0))


def legal_margin(kind: str, mix: Mapping[str, float]) -> float:
    """Percentage points by which a mix is above the nearest minimum of Directive 2000/36/EC; negative below it."""
    return 100.0 * min(share - least for _, least, share in legal_minimum(kind, mix))


def usual_liquor(spec: PlantSpec, number: str, mass: float) -> Lot:
    """Liquor as plans are made with: roasted to the target, of new beaters."""
    grinding, water = spec.stations.Grinding, spec.stations.Roasting.target_percent
    shell = 100.0 * grinding.shell_in_nib
    return Lot(number, LIQUOR, mass, 0.0, water, fineness=grinding.fineness_um, shell=shell)


def usual_batch(spec: PlantSpec, product: str) -> Lot:
    """A batch by recipe of usual liquor and of material that has lain in the middle of its good air for long.

    Material that does not follow the air is as its first supplier sends it.
    """
    recipe = spec.products[product].recipe
    pieces = [_usual(spec, name, share) for name, share in recipe.items() if share > 0.0]
    return flow.join(pieces, "Usual", product, 0.0)


def _usual(spec: PlantSpec, name: str, mass: float) -> Lot:
    if name == LIQUOR:
        return usual_liquor(spec, name, mass)
    storage = spec.storages[name]
    if storage.sorption:
        water = equilibrium(storage.sorption, sum(storage.humidity) / 2.0)
    else:
        water = spec.suppliers[spec.policies[name].suppliers[0]].moisture_percent
    return Lot(name, name, mass, 0.0, water)
