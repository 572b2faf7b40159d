"""What a stretch of a plant's life comes to: output, losses, OEE, money, service, stocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from plant_model.accounting import (
    Counts,
    Line,
    Performance,
    counts,
    line,
    line_performance,
    ratio,
    together,
    work_in_process,
)
from plant_model.capacity import constraint
from plant_model.costs import DISPOSED, Costs, standard_costs, stock_value
from plant_model.layout import finished, units
from plant_model.plant import Plant
from plant_model.spec import PlantSpec

HOUR = 3600.0
PART = "… "
"""Begins the name of a measure that is a part of the one above."""


class Tally(NamedTuple):
    """The counters of a plant at a moment; all only rise."""

    time: float
    line: Line
    counts: Mapping[str, Counts]
    activities: Mapping[str, tuple[float, ...]]  # seconds by activity
    disposed: float  # kg of waste that must be paid for
    shipped_orders: int
    late_orders: int


class Stretch(NamedTuple):
    """What happened between two moments, and the mean of what was seen on the way."""

    spec: PlantSpec
    hours: float
    line: Line
    counts: Mapping[str, Counts]
    disposed: float
    shipped_orders: int
    late_orders: int
    seen: Mapping[str, float]

    @property
    def performance(self) -> Performance:
        """Of the line, by its constraint."""
        narrow = constraint(self.spec)
        machines = [name for name, station in units(self.spec).items() if station == narrow]
        counted = together([self.counts[name] for name in machines])
        return line_performance(self.line, counted, len(machines))


class Measure(NamedTuple):
    """A figure of a stretch. `good` is +1 where more is better, -1 where less is, 0 where it depends."""

    name: str
    unit: str
    good: int
    value: Callable[[Stretch], float]


def tally(plant: Plant) -> Tally:
    """Read the counters."""
    spec, state, now = plant.spec, plant.state, plant.now
    machines, sales = state.units.values(), state.sales.values()
    return Tally(
        now,
        line(spec, state, now),
        {unit.name: counts(unit, now) for unit in machines},
        {unit.name: activity_times(unit.times, unit.activity, now - unit.since) for unit in machines},
        sum(unit.ledger.waste.get(kind, 0.0) for unit in machines for kind in DISPOSED),
        sum(one.shipped_orders for one in sales),
        sum(one.late_orders for one in sales),
    )


def activity_times(booked: list[float], present: int, unbooked: float) -> tuple[float, ...]:
    """Seconds by activity, those of the present one that are not booked yet included."""
    return tuple(seconds + (unbooked if i == present else 0.0) for i, seconds in enumerate(booked))


def stretch(spec: PlantSpec, begin: Tally, end: Tally, seen: Mapping[str, float]) -> Stretch:
    """What happened from one moment to another."""
    return Stretch(
        spec,
        (end.time - begin.time) / HOUR,
        end.line.since(begin.line.flat()),
        {name: end.counts[name].since(before) for name, before in begin.counts.items()},
        end.disposed - begin.disposed,
        end.shipped_orders - begin.shipped_orders,
        end.late_orders - begin.late_orders,
        seen,
    )


def look(plant: Plant) -> dict[str, float]:
    """What can be seen of stocks at a moment: kg of each material, cases of each product, and their sums."""
    spec, state = plant.spec, plant.state
    goods = {finished(product): float(state.buffers[finished(product)].cases) for product in spec.products}
    return {
        **{name: state.buffers[name].level for name in spec.storages},
        **goods,
        "FinishedGoods": sum(goods.values()),
        "Backlog": float(sum(sales.waiting_cases for sales in state.sales.values())),
        "StockValue": stock_value(spec, state, standard_costs(spec)),
        "WorkInProcess": work_in_process(state),
        "GoodMass": state.books.good_mass,
    }


def _per_case(cause: Callable[[Costs], float]) -> Callable[[Stretch], float]:
    return lambda s: ratio(cause(s.line.costs), s.line.cases)


def _last(s: Stretch) -> Counts:
    return s.counts[tuple(s.counts)[-1]]  # the machine at the end of the line


MEASURES = (
    Measure("Throughput", "kg/h", 1, lambda s: ratio(s.line.mass, s.hours)),
    Measure("OEE", "%", 1, lambda s: 100.0 * s.performance.oee),
    Measure("Availability", "%", 1, lambda s: 100.0 * s.performance.availability),
    Measure("Effectiveness", "%", 1, lambda s: 100.0 * s.performance.effectiveness),
    Measure("Quality rate", "%", 1, lambda s: 100.0 * s.performance.quality),
    Measure("Defect rate", "%", -1, lambda s: 100.0 * ratio(_last(s).defective, _last(s).processed)),
    Measure("Waste", "kg/t", -1, lambda s: 1000.0 * ratio(s.disposed, s.line.mass)),
    Measure("Cost per case", "EUR", -1, _per_case(sum)),
    *(
        Measure(f"{PART}{cause}", "EUR", -1, _per_case(lambda costs, cause=cause: getattr(costs, cause)))  # type: ignore[misc]
        for cause in Costs._fields
    ),
    Measure("Energy per case", "kWh", -1, lambda s: ratio(s.line.electricity, s.line.cases)),
    Measure("Orders on time", "%", 1, lambda s: 100.0 * ratio(s.shipped_orders - s.late_orders, s.shipped_orders)),
    Measure("Backlog", "cases", -1, lambda s: s.seen["Backlog"]),
    Measure("Finished goods", "cases", 0, lambda s: s.seen["FinishedGoods"]),
    Measure("Raw materials", "EUR", 0, lambda s: s.seen["StockValue"]),
    Measure("Work in process", "kg", 0, lambda s: s.seen["WorkInProcess"]),
)
"""The figures of a scenario; energy is electric, stocks are means over the time."""


def figures(s: Stretch) -> dict[str, float]:
    """All measures by name; NaN where there was nothing to measure."""
    return {measure.name: measure.value(s) for measure in MEASURES}
