"""The windows that KPIs are asked for: the last 24 full hours, the present and the last shift, the last orders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from plant_model.capacity import first_operation, planned_scrap
from plant_model.kpi import Kpis, Losses, Yardstick, kpis, losses
from plant_model.spec import PlantSpec
from plant_model.state import PlantState, Unit
from plant_model.tally import Count, Row, tally, unpacked

Window = Literal["rolling", "shift", "last shift", "orders", "ever"]


class Line(NamedTuple):
    """A line of the table: a machine in a window from `start` to `end`, plant seconds."""

    unit: str
    label: str  # the shift or the product
    start: float
    end: float
    row: Row
    yardstick: Yardstick = Yardstick()

    @property
    def kpis(self) -> Kpis:
        """The KPIs of the window."""
        return kpis(self.row, self.yardstick)

    @property
    def losses(self) -> Losses:
        """Where its planned busy time went."""
        return losses(self.row)


def table(spec: PlantSpec, state: PlantState, window: Window) -> list[Line]:
    """The table of a window; empty while there was none yet. The scrap of an order is compared with the plan only."""
    lines = [line for unit in state.units.values() for line in _lines(state, unit, window)]
    processed = {line.unit: float(line.row[Count.Processed]) for line in lines} if window != "orders" else {}
    return [line._replace(yardstick=yardstick(spec, state.units[line.unit].section, processed)) for line in lines]


def yardstick(spec: PlantSpec, station: str, processed: Mapping[str, float]) -> Yardstick:
    """What the scrap of a station is compared with. `processed`: kg in the window by machine."""
    return Yardstick(planned_scrap(spec, station), processed.get(first_operation(station), math.nan))


def _lines(state: PlantState, unit: Unit, window: Window) -> Iterator[Line]:
    now, name = state.agenda.now, unit.name
    if window == "ever":
        yield Line(name, "", 0.0, now, tally(unit, now))
    elif window == "orders":
        yield from _orders(unit, now)
    elif window == "rolling":
        first = state.marks[0]
        yield Line(name, "", first.time, now, tally(unit, now) - unpacked(first.tallies[name]))
    elif window == "shift":
        begin = state.shifts[-1]
        yield Line(name, begin.label, begin.time, now, tally(unit, now) - unpacked(begin.units[name]))
    elif len(state.shifts) > 1:
        begin, end = state.shifts[-2:]
        row = unpacked(end.units[name]) - unpacked(begin.units[name])
        yield Line(name, begin.label, begin.time, end.time, row)


def _orders(unit: Unit, now: float) -> Iterator[Line]:
    """What was made of one product without another between, the present order last."""
    ends = [(order.time, unpacked(order.row)) for order in unit.orders[1:]]
    ends.append((now, tally(unit, now)))
    for order, (end, row) in zip(unit.orders, ends, strict=True):
        yield Line(unit.name, order.product, order.time, end, row - unpacked(order.row))
