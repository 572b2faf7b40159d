"""What to make next: campaigns from light to dark, to stock, with what is in the warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from plant_model.floor import Floor
from plant_model.layout import BARS, FEED, REFINER, conche_names, finished, tank
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import Campaign, PlantState


class Outlook(NamedTuple):
    """How a product stands: cases in stock and in process less backlog, its levels, and whether there is material."""

    position: float
    reorder: float
    target: float
    loads_max: int
    possible: bool


def next_batch(floor: Floor) -> str:
    """The product of the next batch, "" for none; begins a new conche load or campaign when one is due."""
    campaign = floor.state.campaign
    if campaign.batches_left > 0:
        return campaign.product
    for product in floor.spec.products:
        if missing := unfilled(floor, product):  # no load that was begun is left behind
            _plan(floor, Campaign(product, max(campaign.loads, 1), missing))
            return product
    masses = in_process(floor.state, floor.spec)
    outlooks = {product: _outlook(floor, product, mass) for product, mass in masses.items()}
    product = choose(campaign, outlooks, floor.spec.sequence.order)
    _plan(floor, begun(campaign, product, _batches(floor)) if product else paused(campaign, outlooks))
    if product and floor.state.campaign.loads == 1:
        floor.state.sales[product].cycles.close()
    return product


def _plan(floor: Floor, campaign: Campaign) -> None:
    """Go on by this campaign; when orders have run out or come again, all who have nothing to do look again."""
    before, floor.state.campaign = floor.state.campaign, campaign
    if (before.waiting == "Order") is not (campaign.waiting == "Order"):
        floor.stir(*floor.state.units)


def choose(campaign: Campaign, outlooks: Mapping[str, Outlook], order: Sequence[str]) -> str:
    """Stay with the campaign until its product is full or its loads are made; then the next in order that runs low."""
    if campaign.product and not campaign.waiting:
        present = outlooks[campaign.product]
        if present.possible and campaign.loads < present.loads_max and present.position < present.target:
            return campaign.product
    first = order.index(campaign.product) + 1 if campaign.product else 0
    for product in (*order[first:], *order[:first]):
        outlook = outlooks[product]
        if outlook.possible and outlook.position < outlook.reorder:
            return product
    return ""


def begun(campaign: Campaign, product: str, batches: int) -> Campaign:
    """The campaign with one more load, or a new one."""
    goes_on = product == campaign.product and not campaign.waiting
    return Campaign(product, campaign.loads + 1 if goes_on else 1, batches)


def paused(campaign: Campaign, outlooks: Mapping[str, Outlook]) -> Campaign:
    """The campaign while nothing can be made: no product runs low, or one does and has no material."""
    low = any(outlook.position < outlook.reorder for outlook in outlooks.values())
    return Campaign(campaign.product, campaign.loads, 0, "Material" if low else "Order")


def unfilled(floor: Floor, product: str) -> int:
    """Batches that the conches begun with a product lack, beyond those that are on their way to the refiner."""
    batch, feed, job = floor.spec.stations.Mixing.batch_kg, floor.buffer(FEED), floor.state.units[REFINER].job
    filling = job.target if job is not None and job.product == product else ""
    vessels = [floor.buffer(name) for name in conche_names(floor.spec)]
    lacking = [vessel.room for vessel in vessels if vessel.product == product or vessel.name == filling]
    waiting = len(feed.lots) + len(feed.transit) if feed.product == product else 0
    return max(round(sum(lacking) / batch) - waiting, 0)


def in_process(state: PlantState, spec: PlantSpec) -> dict[str, float]:
    """Mass in kg by product from the kneader to the door of the store."""
    masses, buffers = dict.fromkeys(spec.products, 0.0), state.buffers
    lots = [unit.job.lot for unit in state.units.values() if unit.job and unit.job.lot]
    for name in (FEED, *conche_names(spec), *map(tank, masses), "Hopper", BARS):
        lots += buffers[name].lots
        lots += buffers[name].transit
    for product in masses:
        lots += buffers[finished(product)].transit
    for lot in lots:
        if lot.material in masses:
            masses[lot.material] += lot.mass
    return masses


def _outlook(floor: Floor, name: str, mass: float) -> Outlook:
    product, sales = floor.spec.products[name], floor.state.sales[name]
    position = floor.buffer(finished(name)).cases + mass / floor.spec.case_kg - sales.waiting_cases
    return Outlook(
        position, product.reorder_cases, product.target_cases, product.campaign_loads, _possible(floor, name)
    )


def _possible(floor: Floor, product: str) -> bool:
    """Whether the warehouse has material for a conche load."""
    load = _batches(floor) * floor.spec.stations.Mixing.batch_kg
    recipe = floor.spec.products[product].recipe
    return all(floor.buffer(name).level >= share * load for name, share in recipe.items() if name != LIQUOR)


def _batches(floor: Floor) -> int:
    return round(floor.spec.stations.Conching.load_kg / floor.spec.stations.Mixing.batch_kg)
