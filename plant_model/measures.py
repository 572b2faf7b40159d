"""What a stretch of a plant's life comes to: output, losses, OEE, money, service, repairs, stocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
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
from plant_model.activity import Activity
from plant_model.capacity import constraint
from plant_model.control_chart import Chart
from plant_model.costs import DISPOSED, Costs, standard_costs, stock_value
from plant_model.layout import finished, sections, tank
from plant_model.orderbook import overdue
from plant_model.plant import Plant
from plant_model.restoration import p90
from plant_model.spec import PlantSpec
from plant_model.supply import batch
from plant_model.tally import SECONDS, Count, Row, tally

HOUR = 3600.0
YEAR_H = 8760.0
PART = "… "
"""Begins the name of a measure that is a part of the one above."""


class Service(NamedTuple):
    """Counters of orders, all products together."""

    ordered_cases: int
    filled_cases: int
    shipped_cases: int
    shipped_orders: int
    late_orders: int
    cycles: int
    failed_cycles: int


class Heralds(NamedTuple):
    """What the control charts of all machines have warned of."""

    warnings: int
    troubles: int  # times that what is made began to be outside its limits
    heralded: int  # … of these after a warning
    ahead_s: float  # by which the warnings came before, all together


class Totals(NamedTuple):
    """The counters of a plant at a moment; all only rise."""

    time: float
    line: Line
    counts: Mapping[str, Counts]
    rows: Mapping[str, Row]  # all that a machine has counted
    disposed: float  # kg of waste that must be paid for
    gas_kwh: float
    service: Service
    heralds: Heralds


class Stretch:
    """What happened between two moments, and the mean of what was seen on the way."""

    def __init__(
        self, spec: PlantSpec, begin: Totals, end: Totals, seen: Mapping[str, float], restored: Sequence[float]
    ) -> None:
        self.spec = spec
        self.seen = seen
        self.restored = restored  # hours that machines were down, repair by repair
        self.hours = (end.time - begin.time) / HOUR
        self.line = end.line.since(begin.line.flat())
        self.counts = {name: end.counts[name].since(before) for name, before in begin.counts.items()}
        self.rows = {name: end.rows[name] - before for name, before in begin.rows.items()}
        self.disposed = end.disposed - begin.disposed
        self.gas_kwh = end.gas_kwh - begin.gas_kwh
        self.service = Service._make(now - then for now, then in zip(end.service, begin.service, strict=True))
        self.heralds = Heralds._make(now - then for now, then in zip(end.heralds, begin.heralds, strict=True))

    @cached_property
    def performance(self) -> Performance:
        """Of the line, by its constraint."""
        narrow = self._constraint
        return line_performance(self.line, together([self.counts[name] for name in narrow]), len(narrow))

    @property
    def nee(self) -> float:
        """OEE of the line if setups were no loss: AUPT in place of APT in the availability of its constraint."""
        all_ = together([self.counts[name] for name in self._constraint])
        return self.performance.oee * ratio(all_.apt + all_.aust, all_.apt)

    @property
    def last(self) -> Counts:
        """Of the machine that makes the bars, and rejects them."""
        return self.counts["Moulding"]

    @property
    def _constraint(self) -> list[str]:
        narrow = constraint(self.spec)
        return [name for name, section in sections(self.spec).items() if section == narrow]

    def seconds(self, activity: Activity) -> float:
        """Of all machines together."""
        return float(sum(row[activity] for row in self.rows.values()))

    def counted(self, count: Count) -> float:
        """Of all machines together."""
        return float(sum(row[count] for row in self.rows.values()))


class Measure(NamedTuple):
    """A figure of a stretch. `good` is +1 where more is better, -1 where less is, 0 where it depends."""

    group: str
    name: str
    unit: str
    good: int
    value: Callable[[Stretch], float]


def totals(plant: Plant) -> Totals:
    """Read the counters."""
    spec, state, now = plant.spec, plant.state, plant.now
    machines = state.units.values()
    return Totals(
        now,
        line(spec, state, now),
        {unit.name: counts(unit, now) for unit in machines},
        {unit.name: tally(unit, now) for unit in machines},
        sum(unit.ledger.waste.get(kind, 0.0) for unit in machines for kind in DISPOSED),
        state.books.money.gas_kwh,
        _service(plant),
        _heralds(unit.chart for unit in machines if unit.chart is not None),
    )


def _service(plant: Plant) -> Service:
    rows = [
        Service(
            one.ordered_cases,
            one.filled_cases,
            one.shipped_cases,
            one.shipped_orders,
            one.late_orders,
            one.cycles.done,
            one.cycles.failed,
        )
        for one in plant.state.sales.values()
    ]
    return Service._make(map(sum, zip(*rows, strict=True)))


def _heralds(charts: Iterable[Chart]) -> Heralds:
    rows = [Heralds(chart.warnings, chart.troubles, chart.heralded, chart.ahead_s) for chart in charts]
    return Heralds._make(map(sum, zip(*rows, strict=True)))


def times(begin: Totals, end: Totals) -> dict[str, tuple[float, ...]]:
    """Seconds of each machine by activity."""
    return {name: tuple((end.rows[name] - row)[SECONDS].tolist()) for name, row in begin.rows.items()}


def look(plant: Plant) -> dict[str, float]:
    """What can be seen at a moment: kg of each material, cases of each product, their sums, who waits for what."""
    spec, state = plant.spec, plant.state
    materials = {name: state.buffers[name].level for name in spec.storages}
    goods = {finished(product): float(state.buffers[finished(product)].cases) for product in spec.products}
    sales = state.sales.values()
    return {
        **materials,
        **goods,
        "FinishedGoods": sum(goods.values()),
        "Tanks": sum(state.buffers[tank(product)].level for product in spec.products),
        "Backlog": float(sum(one.waiting_cases for one in sales)),
        "Overdue": float(overdue(sales, plant.now)),
        "StockValue": stock_value(spec, state, standard_costs(spec)),
        "WorkInProcess": work_in_process(state),
        "OutOfMaterial": float(any(level < batch(spec, name) for name, level in materials.items())),
        "GoodMass": state.books.good_mass,
    }


def _share(part: float, whole: float) -> float:
    """In %."""
    return 100.0 * ratio(part, whole)


def _tardiness(s: Stretch) -> float:
    """Hours beyond the due date, mean of all orders: Little's law on the overdue orders that were seen."""
    return ratio(s.seen["Overdue"] * s.hours, s.service.shipped_orders)


def _turns(s: Stretch) -> float:
    return ratio(s.service.shipped_cases * YEAR_H / s.hours, s.seen["FinishedGoods"])


def _cost(cause: str, s: Stretch) -> float:
    return ratio(getattr(s.line.costs, cause), s.line.cases)


def _per_failure(seconds: Callable[[Stretch], float], s: Stretch) -> float:
    return ratio(seconds(s) / HOUR, s.counted(Count.Breakdowns))


MEASURES = (
    Measure("Output", "Throughput", "kg/h", 1, lambda s: ratio(s.line.mass, s.hours)),
    Measure("Output", "OEE", "%", 1, lambda s: 100.0 * s.performance.oee),
    Measure("Output", "… Availability", "%", 1, lambda s: 100.0 * s.performance.availability),
    Measure("Output", "… Effectiveness", "%", 1, lambda s: 100.0 * s.performance.effectiveness),
    Measure("Output", "… Quality rate", "%", 1, lambda s: 100.0 * s.performance.quality),
    Measure("Output", "NEE", "%", 1, lambda s: 100.0 * s.nee),
    Measure("Output", "Defect rate", "%", -1, lambda s: _share(s.last.defective, s.last.processed)),
    Measure("Output", "Waste", "kg/t", -1, lambda s: 1000.0 * ratio(s.disposed, s.line.mass)),
    Measure("Money", "Cost per case", "EUR", -1, lambda s: ratio(sum(s.line.costs), s.line.cases)),
    *(Measure("Money", PART + cause, "EUR", -1, partial(_cost, cause)) for cause in Costs._fields),
    Measure("Money", "Energy per case", "kWh", -1, lambda s: ratio(s.line.electricity + s.gas_kwh, s.line.cases)),
    Measure("Money", "… electricity", "kWh", -1, lambda s: ratio(s.line.electricity, s.line.cases)),
    Measure("Money", "… gas", "kWh", -1, lambda s: ratio(s.gas_kwh, s.line.cases)),
    Measure("Service", "Fill rate", "%", 1, lambda s: _share(s.service.filled_cases, s.service.ordered_cases)),
    Measure("Service", "Cycle service", "%", 1, lambda s: 100.0 - _share(s.service.failed_cycles, s.service.cycles)),
    Measure(
        "Service", "Orders on time", "%", 1, lambda s: 100.0 - _share(s.service.late_orders, s.service.shipped_orders)
    ),
    Measure("Service", "Tardiness", "h", -1, _tardiness),
    Measure("Service", "Backlog", "cases", -1, lambda s: s.seen["Backlog"]),
    Measure("Repairs", "Breakdowns", "a week", -1, lambda s: s.counted(Count.Breakdowns) * 168.0 / s.hours),
    Measure("Repairs", "Repair", "h", -1, partial(_per_failure, lambda s: s.counted(Count.RepairTime))),
    Measure(
        "Repairs", "Wait for technician", "h", -1, partial(_per_failure, lambda s: s.seconds(Activity.AwaitingRepair))
    ),
    Measure("Repairs", "Time to restore, P90", "h", -1, lambda s: p90(s.restored)),
    Measure("Warnings", "Warnings", "a week", 0, lambda s: s.heralds.warnings * 168.0 / s.hours),
    Measure("Warnings", "Warned before rejects", "%", 1, lambda s: _share(s.heralds.heralded, s.heralds.troubles)),
    Measure("Warnings", "… Hours ahead", "h", 1, lambda s: ratio(s.heralds.ahead_s / HOUR, s.heralds.heralded)),
    Measure("Stocks", "Finished goods", "cases", 0, lambda s: s.seen["FinishedGoods"]),
    Measure("Stocks", "Inventory turns", "a year", 1, _turns),
    Measure("Stocks", "Raw materials", "EUR", 0, lambda s: s.seen["StockValue"]),
    Measure("Stocks", "Out of material", "h a week", -1, lambda s: 168.0 * s.seen["OutOfMaterial"]),
    Measure("Stocks", "Work in process", "kg", 0, lambda s: s.seen["WorkInProcess"]),
)
"""The figures of a scenario; stocks are means over the time."""


def figures(s: Stretch) -> dict[str, float]:
    """The measures by name, but for those of which there was nothing to measure."""
    values = {measure.name: measure.value(s) for measure in MEASURES}
    return {name: value for name, value in values.items() if not math.isnan(value)}
