"""ISO 22400 times and KPIs of machines and line, in a rolling window, from counters that only rise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from operator import sub
from typing import NamedTuple

from plant_model.activity import MEANINGS, Element
from plant_model.calendar import opened
from plant_model.costs import Costs, base_load, costs, electricity, standard_costs, stock_value
from plant_model.floor import Floor
from plant_model.spec import PlantSpec
from plant_model.state import Mark, PlantState, Unit
from plant_model.tally import SECONDS, Count, earned, stamp, unpacked

HOUR = 3600.0
WINDOW = 24 * HOUR
"""Length of the rolling window of the KPIs."""
_ELEMENTS = tuple(int(meaning.element) for meaning in MEANINGS)
"""Place of its time element, by activity."""


class Counts(NamedTuple):
    """Counters of a machine: the ISO 22400 time elements (s), ideal seconds of PQ and SQ, and kg."""

    apt: float
    aust: float
    adet: float
    adot: float
    pdot: float
    earned: float
    lost: float
    processed: float
    defective: float

    @property
    def pbt(self) -> float:
        """Planned busy time in s: all but planned down time."""
        return self.apt + self.aust + self.adet + self.adot

    def since(self, before: tuple[float, ...]) -> Counts:
        """What was counted since an earlier count."""
        return Counts._make(map(sub, self, before))


class Performance(NamedTuple):
    """Shares of 1; NaN where nothing was counted yet."""

    oee: float
    availability: float
    effectiveness: float
    quality: float


class Line(NamedTuple):
    """Counters of the whole plant: packed cases, ideal seconds of the constraint, kWh, and the costs in EUR."""

    cases: float
    mass: float
    earned: float
    lost: float
    electricity: float
    costs: Costs

    def since(self, before: tuple[float, ...]) -> Line:
        """What was counted since an earlier, flat count."""
        flat = list(map(sub, self.flat(), before))
        return Line._make((*flat[:5], Costs._make(flat[5:])))

    def flat(self) -> tuple[float, ...]:
        """All numbers in one row."""
        return (*self[:5], *self.costs)


def counts(unit: Unit, now: float) -> Counts:
    """The counters of a machine at a moment, the running activity and the running job included."""
    elements, ledger = elements_of(unit.times), unit.ledger
    elements[MEANINGS[unit.activity].element] += now - unit.since
    return Counts._make((*elements, earned(unit, now), ledger.lost, ledger.processed, ledger.defective))


@lru_cache(maxsize=64)  # every machine is compared with the first mark for an hour
def counted(tally: bytes) -> Counts:
    """The counters in a packed row."""
    row = unpacked(tally).tolist()
    rest = (row[count] for count in (Count.Earned, Count.Lost, Count.Processed, Count.Defective))
    return Counts._make((*elements_of(row[SECONDS]), *rest))


def elements_of(times: Iterable[float]) -> list[float]:
    """Seconds by time element, of seconds by activity."""
    elements = [0.0] * len(Element)
    for element, seconds in zip(_ELEMENTS, times, strict=True):
        elements[element] += seconds
    return elements


def together(parts: Iterable[Counts]) -> Counts:
    """The counters of machines that share the work."""
    return Counts._make(map(sum, zip(*parts, strict=True)))


def performance(c: Counts, ever: Counts | None = None) -> Performance:
    """Availability APT/PBT, effectiveness PRI x PQ/APT, quality GQ/PQ (both weighted by PRI), OEE their product.

    Where nothing was made, effectiveness and quality are those of the counts since ever, if there are some; OEE is 0.
    """
    made = c if c.earned > 0.0 or ever is None else ever
    oee, availability = ratio(c.earned - c.lost, c.pbt), ratio(c.apt, c.pbt)
    return Performance(oee, availability, ratio(made.earned, made.apt), ratio(made.earned - made.lost, made.earned))


def line_performance(line: Line, constraint_counts: Counts, machines: int) -> Performance:
    """OEE of the line: availability and effectiveness of its constraint, quality of what came to its end."""
    c = constraint_counts
    return at_constraint(c.earned / machines, c.apt / machines, c.pbt / machines, line.earned, line.lost)


def at_constraint(made: float, apt: float, pbt: float, ended: float, lost: float) -> Performance:
    """By ideal seconds of the constraint: what it made, what came to the end of the line, what was lost there.

    Where nothing came to the end, nothing was lost: the quality is n/a, and OEE is availability x effectiveness.
    """
    good = made * (1.0 - (lost / ended if ended > 0.0 else 0.0))
    return Performance(ratio(good, pbt), ratio(apt, pbt), ratio(made, apt), ratio(ended - lost, ended))


def ratio(part: float, whole: float) -> float:
    """A quotient, NaN where there is nothing to divide by."""
    return part / whole if whole > 0.0 else math.nan


def line(spec: PlantSpec, state: PlantState, now: float, machines_kwh: float | None = None) -> Line:
    """The counters of the plant at a moment; the electricity of the machines need not be counted twice."""
    books = state.books
    if machines_kwh is None:
        machines_kwh = sum([electricity(spec, unit, now) for unit in state.units.values()])
    drawn = machines_kwh + base_load(spec, now)
    open_s = opened(books.opened, books.since, now, open_=state.open)
    spent = costs(spec, state, now, opened_s=open_s, electricity_kwh=drawn)
    return Line(books.good_cases, books.good_mass, books.earned, books.lost, drawn, spent)


class Accounting:
    """Sets a mark at each full hour, and charges then what arises by the hour: stock holding and late orders."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._standard = standard_costs(floor.spec)
        floor.handlers["mark"] = self._mark

    def open(self) -> None:
        """Set the first mark."""
        self._set_mark()

    def _mark(self, _: str) -> None:
        floor, rates = self._floor, self._floor.spec.costs
        money = floor.state.books.money
        money.holding += stock_value(floor.spec, floor.state, self._standard) * rates.holding_per_year / 8760.0
        waiting = sum(sales.waiting_cases for sales in floor.state.sales.values())
        money.backorders += waiting * rates.backorder_per_case_day / 24.0
        for name, store in floor.state.stores.items():
            store.stocked += floor.buffer(name).level
        self._set_mark()

    def _set_mark(self) -> None:
        floor, state = self._floor, self._floor.state
        now = floor.now
        state.marks = [mark for mark in state.marks if mark.time >= now - WINDOW]
        present = stamp(state)
        counted = line(floor.spec, state, now).flat()
        state.marks.append(Mark(now, counted, present.units, present.turnover, present.measured))
        floor.clock.schedule(HOUR, "mark")


def held(unit: Unit) -> float:
    """Mass in kg inside a machine: the lot in work and loose pieces. What is in a conche stands in its vessel."""
    return (unit.job.lot.mass if unit.job and unit.job.lot else 0.0) + unit.loose


def imbalance(unit: Unit) -> float:
    """Mass in kg that went into a machine and are nowhere: zero, but for rounding."""
    ledger = unit.ledger
    return ledger.taken - ledger.made - sum(ledger.waste.values()) - held(unit)


def plant_imbalance(state: PlantState) -> float:
    """Mass in kg that came into the plant and are nowhere: zero, but for rounding."""
    books = state.books
    left = books.delivered_mass + books.absorbed_mass - books.written_off_mass
    for buffer in state.buffers.values():
        for lot in buffer.lots:
            left -= lot.mass
        for lot in buffer.transit:
            left -= lot.mass
    for unit in state.units.values():
        left -= held(unit) + sum(unit.ledger.waste.values())
    return left - sum(sales.shipped_mass for sales in state.sales.values())


def work_in_process(state: PlantState) -> float:
    """Mass in kg between the bean store and the finished goods."""
    total = sum(held(unit) for unit in state.units.values())
    for name, buffer in state.buffers.items():
        if name not in state.stores:
            total += buffer.level
        for lot in buffer.transit:
            total += lot.mass
    return total
