"""What a plant is: frozen dataclasses made from plain data, checked as a whole. `parse` is the door."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Literal

from plant_model.business import Costs, Demand, Policy, Power, Supplier
from plant_model.equipment import ROUNDING, SECTIONS, STATIONS, Celsius, Stations, Triangular, spec_path
from plant_model.flow_checks import FLOW_CHECKS, Conveyor
from plant_model.handling import ActingTimes, Number, Workforce
from plant_model.laboratory import Limits, check_quality
from plant_model.schema import (
    UNUSABLE,
    Bounds,
    Builder,
    Count,
    NotNegative,
    Percent,
    Positive,
    Problem,
    Share,
    SpecError,
)
from plant_model.trade_checks import TRADE_CHECKS

__all__ = ["PlantSpec", "Problem", "SpecError", "parse"]

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LIQUOR = "Liquor"
LIQUOR_FAT = 0.54  # cocoa liquor 52-56 % fat, plant.md [13]
MILK_POWDER_SOLIDS = 0.96  # whole milk powder: at most 5 % water, general knowledge
MILK_POWDER_FAT = 0.26  # whole milk powder: at least 26 % fat, general knowledge


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Shifts as "06-14" (hours of the day, the end may be past midnight) on days; unattended stations run on."""

    shifts: tuple[str, ...]
    days: tuple[Day, ...]
    unattended: tuple[str, ...] = ()

    def problems(self) -> Iterator[Problem]:
        """Say which shifts cannot be read and which stations do not exist."""
        for i, shift in enumerate(self.shifts):
            first, dash, last = shift.partition("-")
            if not (dash and first.isdigit() and last.isdigit() and int(first) < 24 and int(last) <= 24):  # noqa: PLR2004
                yield Problem(("shifts", i), f'must be hours such as "06-14", is {shift!r}')
        for i, station in enumerate(self.unattended):
            if station and station not in STATIONS:
                yield Problem(("unattended", i), f"is no station; there are {', '.join(STATIONS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A kind of chocolate: recipe in kg per kg, share of the demand, stock levels in cases."""

    kind: Literal["dark", "milk", "white"]
    share: Share
    recipe: Mapping[str, Share]
    shelf_life_d: Positive
    reorder_cases: NotNegative  # production starts below it …
    target_cases: Positive  # … and fills up to this
    capacity_cases: Positive
    initial_cases: Annotated[int, Bounds(low=0)]
    campaign_loads: Count  # conche loads in one campaign at most

    def problems(self) -> Iterator[Problem]:
        """Say whether the recipe adds up and is legal (2000/36/EC), and the stock levels rise."""
        total = sum(self.recipe.values())
        if abs(total - 1.0) > ROUNDING:
            yield Problem(("recipe",), f"must add up to 1, adds up to {total:g}")
        for name, minimum, share in legal_minimum(self.kind, self.recipe):
            if share < minimum:
                yield Problem(
                    ("recipe",),
                    f"{self.kind} chocolate needs at least {minimum:.3g} {name}, has {share:.3g} (2000/36/EC)",
                )
        if not self.reorder_cases < self.target_cases <= self.capacity_cases:
            yield Problem((), "must have reorder_cases < target_cases <= capacity_cases")
        if self.initial_cases > self.capacity_cases:
            yield Problem(("initial_cases",), "is more than capacity_cases")

    @property
    def allergens(self) -> frozenset[str]:
        """What the next product must not meet; soy is in all of them."""
        return frozenset({"milk"}) if self.recipe.get("MilkPowder", 0.0) > 0 else frozenset()


def legal_minimum(kind: str, recipe: Mapping[str, float]) -> Iterator[tuple[str, float, float]]:
    """(what, least share by Directive 2000/36/EC, share in this recipe); plant.md [41] [42]."""
    liquor, butter, powder = (recipe.get(name, 0.0) for name in (LIQUOR, "CocoaButter", "MilkPowder"))
    cocoa_butter = butter + LIQUOR_FAT * liquor
    if kind == "dark":
        yield from (("cocoa solids", 0.35, liquor + butter), ("cocoa butter", 0.18, cocoa_butter))
        yield ("fat-free cocoa solids", 0.14, (1 - LIQUOR_FAT) * liquor)
    if kind == "milk":
        yield ("cocoa solids", 0.25, liquor + butter)
        yield ("fat", 0.25, cocoa_butter + MILK_POWDER_FAT * powder)
    if kind == "white":
        yield ("cocoa butter", 0.20, cocoa_butter)
    if kind in ("milk", "white"):
        yield ("milk solids", 0.14, MILK_POWDER_SOLIDS * powder)
        yield ("milk fat", 0.035, MILK_POWDER_FAT * powder)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductSequence:
    """The order of the campaigns, light to dark, and the cleaning when an allergen must go."""

    order: tuple[str, ...]
    allergen_cleaning_h: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorption:
    """How a material follows the air: % water at 60 % humidity, how much for each % more, and the days it takes."""

    percent: Percent
    per_humidity: NotNegative
    days: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """A place in the warehouse: kg, and the air that is good for the material, °C and % relative humidity."""

    capacity_kg: Positive
    initial_kg: NotNegative
    celsius: tuple[Celsius, Celsius]
    humidity: tuple[Percent, Percent]
    shelf_life_d: Positive
    insulation: Share = 0.85  # of the weather that stays outside, EST
    moisture_limit_percent: Percent = 100.0  # a wetter delivery is sent back
    sorption: Sorption | None = None  # None: its water stays as it came

    def problems(self) -> Iterator[Problem]:
        """Say whether the first stock fits in."""
        if self.initial_kg > self.capacity_kg:
            yield Problem(("initial_kg",), "is more than capacity_kg")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedGoods:
    """The finished goods store: the air that is good for chocolate."""

    celsius: tuple[Celsius, Celsius]
    humidity: tuple[Percent, Percent]
    insulation: Share = 0.9  # of the weather that stays outside, EST


@dataclass(frozen=True, slots=True, kw_only=True)
class Tank:
    """A buffer between stations."""

    capacity_kg: Positive
    initial_kg: NotNegative = 0.0
    conveyor_kg: NotNegative = 0.0  # may wait on the conveyor before it; 0 for a pipe

    def problems(self) -> Iterator[Problem]:
        """Say whether the first content fits in."""
        if self.initial_kg > self.capacity_kg:
            yield Problem(("initial_kg",), "is more than capacity_kg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffers:
    """What stands between the stations; mass tank and rework store once per product."""

    CleanBeans: Tank
    RoastedBeans: Tank
    LiquorTank: Tank
    MassTank: Tank
    Hopper: Tank
    BarBuffer: Tank
    Rework: Tank


@dataclass(frozen=True, kw_only=True)
class PlantSpec:
    """A whole plant. Times in the names' units; `start` is the epoch of plant time."""

    name: str
    start: datetime
    calendar: Calendar
    products: Mapping[str, Product]
    sequence: ProductSequence
    stations: Stations
    time_factor: Triangular  # on nominal times of lots and batches
    minor_stop_max_s: NotNegative  # a shorter stop is a minor one
    acting_s: ActingTimes
    trace_d: Positive  # for so long a lot can be followed after it has left the plant
    buffers: Buffers
    flow: Mapping[str, Conveyor]
    storages: Mapping[str, Storage]
    finished_goods: FinishedGoods
    suppliers: Mapping[str, Supplier]
    policies: Mapping[str, Policy]
    demand: Demand
    workers_per_shift: Mapping[str, Number]
    workforce: Workforce
    power: Power
    costs: Costs
    quality: Mapping[str, Limits]

    @property
    def case_kg(self) -> float:
        """Mean mass of a packed case in kg, without its packaging."""
        moulding = self.stations.Moulding
        return moulding.case_bars * moulding.fill_g / 1000.0

    @cached_property
    def attended(self) -> Mapping[str, tuple[str, ...]]:
        """The stations that each role with a skill attends."""
        tended = frozenset(STATIONS).difference(self.calendar.unattended)
        return {role: tuple(filter(tended.__contains__, skills)) for role, skills in self.workforce.skills.items()}

    @cached_property
    def attendance(self) -> Mapping[str, float]:
        """People of a shift by station: who can run several is shared out evenly, unattended ones left out."""
        people = dict.fromkeys(STATIONS, 0.0)
        for role, stations in self.attended.items():
            for station in stations:
                people[station] += self.workers_per_shift[role] / len(stations)
        return people


def parse(data: Mapping[str, Any]) -> PlantSpec:
    """Make a plant from plain data; raise SpecError with every problem there is."""
    builder = Builder()
    parts = builder.parts(PlantSpec, data)
    if parts is not None:
        for check in _CHECKS:
            needed = [parts[name] for name in check.__annotations__ if name != "return"]
            if UNUSABLE not in needed:
                builder.problems += check(*needed)
    if builder.problems or parts is None:
        raise SpecError(builder.problems)
    return PlantSpec(**parts)


Problems = Iterator[Problem]


def _check_shares(products: Mapping[str, Product]) -> Problems:
    total = sum(product.share for product in products.values())
    if abs(total - 1.0) > ROUNDING:
        yield Problem(("products",), f"the shares must add up to 1, add up to {total:g}")


def _check_recipes(products: Mapping[str, Product], storages: Mapping[str, Storage]) -> Problems:
    if "Beans" not in storages:
        yield Problem(("storages", "Beans"), "is missing: the line starts with beans")
    for name, product in products.items():
        for material in product.recipe:
            if material != LIQUOR and material not in storages:
                known = ", ".join((LIQUOR, *storages))
                yield Problem(("products", name, "recipe", material), f"is no material; there are {known}")


def _check_sequence(sequence: ProductSequence, products: Mapping[str, Product]) -> Problems:
    if "" not in sequence.order and sorted(sequence.order) != sorted(products):
        yield Problem(("sequence", "order"), f"must name each product once: {', '.join(products)}")


def _check_suppliers(suppliers: Mapping[str, Supplier], storages: Mapping[str, Storage]) -> Problems:
    for name, supplier in suppliers.items():
        if supplier.material and supplier.material not in storages:
            yield Problem(("suppliers", name, "material"), f"is stored nowhere; storages are {', '.join(storages)}")


def _check_product_tables(stations: Stations, products: Mapping[str, Product]) -> Problems:
    conching, tempering = stations.Conching, stations.Tempering
    tables: tuple[tuple[Mapping[str, Any], tuple[str, str]], ...] = (
        (conching.hours, ("Conching", "hours")),
        (conching.celsius, ("Conching", "celsius")),
        (conching.moisture_tau_h, ("Conching", "moisture_tau_h")),
        (tempering.zones_celsius, ("Tempering", "zones_celsius")),
    )
    for table, path in tables:
        if missing := sorted(products.keys() - table.keys()):
            yield Problem(("stations", *path), f"says nothing about {', '.join(missing)}")


def _check_sizes(buffers: Buffers, stations: Stations) -> Problems:
    least = {
        "CleanBeans": max(stations.Cleaning.lot_kg, stations.Roasting.load_kg),
        "RoastedBeans": max(stations.Roasting.load_kg, stations.Grinding.lot_kg),
        "LiquorTank": max(stations.Grinding.lot_kg, stations.Mixing.batch_kg),
        "MassTank": max(stations.Conching.load_kg, stations.Tempering.run_min_kg),
        "Hopper": stations.Tempering.lot_kg,
        "BarBuffer": stations.Tempering.lot_kg,
        "Rework": stations.Tempering.lot_kg,
    }
    for name, size in least.items():
        tank: Tank = getattr(buffers, name)
        if tank.capacity_kg < size:
            yield Problem(("buffers", name, "capacity_kg"), f"is below a batch of {size:g} kg")


def _check_calendar(calendar: Calendar) -> Problems:
    if not calendar.shifts or not calendar.days:
        yield Problem(("calendar",), "must have at least one shift and one day")


def _check_workers(
    workforce: Workforce, workers_per_shift: Mapping[str, int], stations: Stations, calendar: Calendar
) -> Problems:
    for role in workforce.skills.keys() - workers_per_shift.keys():
        yield Problem(("workforce", "skills", role), f"is no role; there are {', '.join(workers_per_shift)}")

    def able(skill: str) -> bool:
        return any(workers_per_shift.get(role, 0) for role in workforce.able(skill))

    for station in STATIONS:
        if station not in calendar.unattended and not able(station):
            yield Problem(("workforce", "skills"), f"leave nobody to run {station}")
    for section in (*STATIONS, *SECTIONS):
        equipment = stations[section]
        needs: dict[tuple[str, ...], str] = {
            ("failures", name, "skill"): mode.skill for name, mode in equipment.failures.items()
        }
        if equipment.maintenance is not None:
            needs["maintenance", "skill"] = equipment.maintenance.skill
        for path, skill in needs.items():
            if skill and not able(skill):
                yield Problem(
                    ("stations", *spec_path(section), *path), f"nobody has the skill {skill!r}: see workforce.skills"
                )


_CHECKS: tuple[Callable[..., Problems], ...] = (
    _check_shares,
    _check_recipes,
    _check_sequence,
    _check_suppliers,
    *TRADE_CHECKS,
    _check_product_tables,
    _check_sizes,
    _check_calendar,
    _check_workers,
    check_quality,
    *FLOW_CHECKS,
)
