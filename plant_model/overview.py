"""What is shown of machines, stations, line and stock beside the process values: status, counts, energy, KPIs, cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from plant_model.accounting import (
    Performance,
    line,
    line_performance,
    performance,
    plant_imbalance,
    ratio,
    together,
    work_in_process,
)
from plant_model.activity import ACTIVITIES
from plant_model.capacity import planned_seconds
from plant_model.layout import sections
from plant_model.packml import Mode, State
from plant_model.sensing import Sensor, SignalType, View
from plant_model.spec import PlantSpec
from plant_model.state import PlantState, Unit

V = TypeVar("V")
STATES = tuple(state.name for state in State)
MODES = tuple(mode.name for mode in Mode)
BEANS = frozenset({"Cleaning", "Roasting", "Grinding"})
"""Stations that know no products yet."""
IN_PROCESS: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": 1e6, "period_s": 10.0, "digits": 1, "still": True}
"""Facts of a mass on its way."""
USUAL_KG_H = 2000.0
"""Upper end of the range of a machine's speed, where it is not faster."""
MANY = 1e9
"""Upper end of the range of a total."""


class StationView:
    """A station of several machines at a moment."""

    def __init__(self, views: list[View]) -> None:
        self.views = views
        self.leader = next(
            (view for view in views if view.on), views[0]
        )  # speaks for all: one that runs, else the first
        counted, ever = together([view.counts for view in views]), together([view.total for view in views])
        self.performance = performance(counted, ever)  # of all together in the rolling window

    def total(self, value: Callable[[View], float]) -> float:
        """The sum over the machines."""
        return sum(map(value, self.views))


class LineView:
    """The line at a moment, by the views of its machines; those of its constraint are named."""

    def __init__(
        self, spec: PlantSpec, state: PlantState, views: Mapping[str, View], constraint: Sequence[str]
    ) -> None:
        self.spec, self.state, self.now = spec, state, state.agenda.now
        self.views = views
        self.last = views["Moulding"]  # the machine at the end of the line
        drawn = sum(view.electricity for view in views.values())
        self.total = line(spec, state, self.now, drawn)  # since the epoch
        self.window = self.total.since(state.marks[0].line)
        counted = together([views[name].counts for name in constraint])
        self.performance = line_performance(self.window, counted, len(constraint))  # in the rolling window

    @property
    def power(self) -> float:
        """Electric power in kW of all machines and the hall."""
        return sum(view.power for view in self.views.values()) + self.spec.power.base_load_kw

    @property
    def throughput(self) -> float:
        """Good kg/h in the window."""
        return ratio(self.window.mass, (self.now - self.state.marks[0].time) / 3600.0)

    @property
    def defect_rate(self) -> float:
        """% of what came to the end of the line in the window."""
        counted = self.last.counts
        return 100.0 * ratio(counted.defective, counted.processed)

    @property
    def waiting_cases(self) -> int:
        """Cases that customers wait for."""
        return sum(sales.waiting_cases for sales in self.state.sales.values())

    @property
    def on_time(self) -> float:
        """% of the shipped orders that were not late."""
        sales = self.state.sales.values()
        shipped, late = sum(s.shipped_orders for s in sales), sum(s.late_orders for s in sales)
        return 100.0 * ratio(shipped - late, shipped)

    def per_case(self, amount: float) -> float:
        """What falls on a case that was packed in the window."""
        return ratio(amount, self.window.cases)


def tag(group: str, name: str, value: Callable[[V], Any], description: str, **facts: Any) -> Sensor[V]:  # noqa: ANN401
    """A row of a table."""
    return Sensor(group=group, name=name, value=value, description=description, **facts)


def kpis(view: Callable[[V], Performance]) -> tuple[Sensor[V], ...]:
    """The four rows of the group Performance."""
    facts = {"unit": "P1", "low": 0.0, "high": 150.0, "period_s": 5.0}
    return (
        tag("Performance", "OEE", lambda v: 100 * view(v).oee, "OEE index of ISO 22400, last 24 h", **facts),
        tag("Performance", "Availability", lambda v: 100 * view(v).availability, "APT / PBT, last 24 h", **facts),
        tag(
            "Performance",
            "Effectiveness",
            lambda v: 100 * view(v).effectiveness,
            "PRI x PQ / APT, last 24 h",
            **(facts | {"high": 200.0}),
        ),
        tag("Performance", "QualityRate", lambda v: 100 * view(v).quality, "GQ / PQ, last 24 h", **facts),
    )


def status(unit: Callable[[V], Unit]) -> tuple[Sensor[V], ...]:
    """The rows of the group Status that follow from what a machine does."""
    number: dict[str, Any] = {"type": SignalType.ENUM, "still": True}
    words = "What it does, or why it does not"
    return (
        tag("Status", "State", lambda v: int(unit(v).control.state), "PackML state", enum=STATES, **number),
        tag("Status", "Mode", lambda v: int(unit(v).control.mode), "PackML mode", enum=MODES, **number),
        tag("Status", "StopReason", lambda v: int(unit(v).activity), words, enum=ACTIVITIES, **number),
    )


def speeds(
    design: Callable[[V], float], present: Callable[[V], float], high: float = USUAL_KG_H
) -> tuple[Sensor[V], ...]:
    """The rows of the group Status about speed."""
    facts: dict[str, Any] = {"unit": "E93", "low": 0.0, "high": high, "digits": 1, "still": True}
    return (
        tag("Status", "MachSpeed", design, "Design speed with the present product", **facts),
        tag("Status", "CurMachSpeed", present, "Present speed", **facts),
    )


def top_speed(spec: PlantSpec, section: str) -> float:
    """Upper end in kg/h of the range of a machine's speed."""
    fastest = max(3600.0 / planned_seconds(spec, section, product) for product in spec.products)
    return max(USUAL_KG_H, 1000.0 * math.ceil(1.2 * fastest / 1000.0))


def production(processed: Callable[[V], float], defective: Callable[[V], float]) -> tuple[Sensor[V], ...]:
    """The counts of the group Production."""
    facts: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": MANY, "digits": 3, "still": True}
    return (
        tag("Production", "ProcessedCount", processed, "Mass that was processed", **facts),
        tag("Production", "DefectiveCount", defective, "Mass that was processed in vain", **facts),
    )


def balance(missing: Callable[[V], float]) -> Sensor[V]:
    """The row of the mass balance."""
    facts: dict[str, Any] = {
        "unit": "KGM",
        "low": -1000.0,
        "high": 1000.0,
        "digits": 3,
        "period_s": 10.0,
        "still": True,
    }
    return tag("Production", "MassImbalance", missing, "Mass taken in and found nowhere: zero", **facts)


def energy(present: Callable[[V], float], total: Callable[[V], float], rated: float) -> tuple[Sensor[V], ...]:
    """The rows of the group Energy."""
    return (
        tag(
            "Energy",
            "ActivePower",
            present,
            "Electric power",
            unit="KWT",
            low=0.0,
            high=1.2 * rated + 1.0,
            noise=0.004 * rated,
            still=True,
        ),
        tag(
            "Energy",
            "EnergyTotal",
            total,
            "Electric energy since the epoch",
            unit="KWH",
            low=0.0,
            high=MANY,
            period_s=5.0,
            digits=3,
        ),
    )


def several(spec: PlantSpec, station: str) -> tuple[Sensor[StationView], ...]:
    """What a station of several machines shows of them together."""
    rated = spec.stations[station].power_kw * spec.stations.Conching.machines
    return (
        *status(lambda v: v.leader.unit),
        *speeds(lambda v: v.total(lambda m: m.design_speed), lambda v: v.total(lambda m: m.speed)),
        *production(
            lambda v: v.total(lambda m: m.unit.ledger.processed), lambda v: v.total(lambda m: m.unit.ledger.defective)
        ),
        *energy(lambda v: v.total(lambda m: m.power), lambda v: v.total(lambda m: m.electricity), rated),
        *kpis(lambda v: v.performance),
    )


def bottleneck() -> tuple[Sensor[LineView], ...]:
    """The rows of the line that say which machine limits it at the moment."""
    name: dict[str, Any] = {"type": SignalType.STRING, "still": True}
    seconds: dict[str, Any] = {"unit": "SEC", "low": 0.0, "high": MANY, "period_s": 5.0}
    words = "The machine that works for longest without waiting for another"
    return (
        tag("Performance", "Bottleneck", lambda v: v.state.bottleneck.unit, words, **name),
        tag("Performance", "BottleneckTime", lambda v: v.now - v.state.bottleneck.since, "Since when", **seconds),
    )


def whole_line(spec: PlantSpec) -> tuple[Sensor[LineView], ...]:
    """What the line shows."""
    rated = sum(spec.stations[section].power_kw for section in sections(spec).values()) + spec.power.base_load_kw
    return (
        *status(lambda v: v.last.unit),
        *_line_counts(),
        balance(lambda v: plant_imbalance(v.state)),
        *energy(lambda v: v.power, lambda v: v.total.electricity, rated),
        tag(
            "Energy",
            "EnergyPerUnit",
            lambda v: v.per_case(v.window.electricity),
            "Electric energy per case, last 24 h",
            unit="KWH",
            low=0.0,
            high=1000.0,
            period_s=10.0,
        ),
        *kpis(lambda v: v.performance),
        tag(
            "Performance",
            "DefectRate",
            lambda v: v.defect_rate,
            "Rejected share at the end of the line, last 24 h",
            unit="P1",
            low=0.0,
            high=100.0,
            period_s=5.0,
        ),
        *bottleneck(),
    )


def _line_counts() -> tuple[Sensor[LineView], ...]:
    whole: dict[str, Any] = {"type": SignalType.UINT64, "low": 0.0, "high": MANY, "still": True}
    return (
        tag("Production", "GoodCount", lambda v: v.state.books.good_cases, "Good cases packed", **whole),
        tag(
            "Production",
            "Product",
            lambda v: v.state.campaign.product,
            "Product of the present campaign",
            type=SignalType.STRING,
            still=True,
        ),
        tag(
            "Production",
            "Throughput",
            lambda v: v.throughput,
            "Good output, last 24 h",
            unit="E93",
            low=0.0,
            high=2000.0,
            period_s=10.0,
            digits=1,
        ),
        tag(
            "Production",
            "WorkInProcess",
            lambda v: work_in_process(v.state),
            "Mass between bean store and packing",
            **IN_PROCESS,
        ),
        tag(
            "Orders",
            "OpenOrders",
            lambda v: sum(len(s.backlog) for s in v.state.sales.values()),
            "Orders that wait for goods",
            **whole,
        ),
        tag("Orders", "BackorderedCases", lambda v: v.waiting_cases, "Cases that customers wait for", **whole),
        tag(
            "Orders",
            "ShippedCases",
            lambda v: sum(s.shipped_cases for s in v.state.sales.values()),
            "Cases shipped",
            **whole,
        ),
        tag(
            "Orders",
            "OnTimeRate",
            lambda v: v.on_time,
            "Share of shipped orders that were not late",
            unit="P1",
            low=0.0,
            high=100.0,
            period_s=10.0,
            still=True,
        ),
    )
