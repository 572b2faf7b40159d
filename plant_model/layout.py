"""What stands where: the units of the stations, the buffers between them with their neighbours, and browse paths."""

from __future__ import annotations

from typing import NamedTuple

from plant_model.equipment import FLOW, spec_path
from plant_model.spec import PlantSpec

WAREHOUSE = "Warehouse"
SUPPLY = "Supply."
DISPATCH = "Dispatch."
DAY = 86400.0
KNEADER = "Kneader"
REFINER = "Mixing"
FEED = "RefinerFeed"
"""What the kneader drops its batch into, and the refiner draws it from: it holds one batch."""
BARS = "BarBuffer"
"""Bars between cooling tunnel and wrappers, first in, first out."""


def sections(spec: PlantSpec) -> dict[str, str]:
    """Section of each unit, in the order of the flow. A station's own machines are the section of its name."""
    several = {"Kneading": (KNEADER,), "Conching": conche_names(spec), "Wrapping": wrapper_names(spec)}
    return {unit: section for section in FLOW for unit in several.get(section, (section,))}


def units(spec: PlantSpec) -> dict[str, str]:
    """Station of each unit, in the order of the flow. A station with one machine and its unit share the name."""
    return {unit: spec_path(section)[0] for unit, section in sections(spec).items()}


def conche_names(spec: PlantSpec) -> tuple[str, ...]:
    """Name the conches: Conche1, Conche2, …."""
    return tuple(f"Conche{i + 1}" for i in range(spec.stations.Conching.machines))


def wrapper_names(spec: PlantSpec) -> tuple[str, ...]:
    """Name the wrappers: Wrapper1, Wrapper2, …."""
    return tuple(f"Wrapper{i + 1}" for i in range(spec.stations.Moulding.wrapper.machines))


def line_path(spec: PlantSpec) -> tuple[str, ...]:
    """Browse path of the line below Objects."""
    return ("Machines", spec.name)


def station_path(spec: PlantSpec, station: str) -> tuple[str, ...]:
    """Browse path of a station below Objects."""
    return (*line_path(spec), "Components", station)


def unit_path(spec: PlantSpec, unit: str, station: str) -> tuple[str, ...]:
    """Browse path of a machine below Objects."""
    path = station_path(spec, station)
    return path if unit == station else (*path, "Components", unit)


def tank(product: str) -> str:
    """Name of the tank of a product's mass."""
    return f"{product}Tank"


def finished(product: str) -> str:
    """Name of the finished goods store of a product."""
    return f"Finished{product}"


def rework(product: str) -> str:
    """Name of the store of a product's rework."""
    return f"{product}Rework"


class Neighbours(NamedTuple):
    """Who fills a buffer and waits for room, and who draws from it and waits for what comes."""

    upstream: tuple[str, ...] = ()
    downstream: tuple[str, ...] = ()


def neighbours(spec: PlantSpec) -> dict[str, Neighbours]:
    """Who is at the ends of each buffer."""
    conches, wrappers = conche_names(spec), wrapper_names(spec)
    between = {
        "CleanBeans": Neighbours(("Cleaning",), ("Roasting",)),
        "RoastedBeans": Neighbours(("Roasting",), ("Grinding",)),
        "LiquorTank": Neighbours(("Grinding",), (KNEADER,)),
        FEED: Neighbours((KNEADER,), (REFINER,)),
        "Hopper": Neighbours(("Tempering",), ("Moulding",)),
        BARS: Neighbours(("Moulding",), wrappers),
    }
    stores = {
        name: Neighbours((SUPPLY + name,), ("Cleaning" if name == "Beans" else KNEADER,)) for name in spec.storages
    }
    vessels = {conche: Neighbours((REFINER,), (conche,)) for conche in conches}
    tanks = {tank(product): Neighbours(conches, ("Tempering",)) for product in spec.products}
    goods = {finished(product): Neighbours(wrappers, (DISPATCH + product,)) for product in spec.products}
    returned = {rework(product): Neighbours() for product in spec.products}
    return {**stores, **between, **vessels, **tanks, **goods, **returned}


def shelf_lives(spec: PlantSpec) -> dict[str, float]:
    """Seconds that a lot keeps in each store of the warehouse, in good air."""
    goods = {finished(name): product.shelf_life_d * DAY for name, product in spec.products.items()}
    return {**{name: storage.shelf_life_d * DAY for name, storage in spec.storages.items()}, **goods}


def capacities(spec: PlantSpec) -> dict[str, float]:
    """Capacity of each buffer in kg."""
    buffers = spec.buffers
    return {
        **{name: storage.capacity_kg for name, storage in spec.storages.items()},
        "CleanBeans": buffers.CleanBeans.capacity_kg,
        "RoastedBeans": buffers.RoastedBeans.capacity_kg,
        "LiquorTank": buffers.LiquorTank.capacity_kg,
        FEED: spec.stations.Mixing.batch_kg,
        "Hopper": buffers.Hopper.capacity_kg,
        BARS: buffers.BarBuffer.capacity_kg,
        **dict.fromkeys(conche_names(spec), spec.stations.Conching.load_kg),
        **{tank(name): buffers.MassTank.capacity_kg for name in spec.products},
        **{finished(name): product.capacity_cases * spec.case_kg for name, product in spec.products.items()},
        **{rework(name): buffers.Rework.capacity_kg for name in spec.products},
    }


def conveyors(spec: PlantSpec) -> dict[str, float]:
    """Mass in kg that may wait on the conveyor before a buffer; where there is none, a pipe brings it."""
    belts = {name: getattr(spec.buffers, name).conveyor_kg for name in ("CleanBeans", "RoastedBeans")}
    return {**belts, BARS: tunnel_kg(spec)}


def tunnel_kg(spec: PlantSpec) -> float:
    """Mass in kg that the cooling tunnel holds while the line stands: its content at full rate, and a lot behind it."""
    moulding = spec.stations.Moulding
    return moulding.rate_kg_h * moulding.tunnel_min / 60.0 + spec.stations.Tempering.lot_kg


def first_contents(spec: PlantSpec) -> dict[str, tuple[str, float]]:
    """What lies in the buffers at the epoch: (material, kg)."""
    buffers = spec.buffers
    return {
        **{name: (name, storage.initial_kg) for name, storage in spec.storages.items()},
        "CleanBeans": ("Beans", buffers.CleanBeans.initial_kg),
        "RoastedBeans": ("Beans", buffers.RoastedBeans.initial_kg),
        "LiquorTank": ("Liquor", buffers.LiquorTank.initial_kg),
        **{tank(name): (name, buffers.MassTank.initial_kg) for name in spec.products},
        **{finished(name): (name, product.initial_cases * spec.case_kg) for name, product in spec.products.items()},
        **{rework(name): (name, buffers.Rework.initial_kg) for name in spec.products},
    }
