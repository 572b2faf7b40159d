"""KPIs of the line as a whole in a window: OEE by its constraint, material, stock, people, capability."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from plant_model.accounting import at_constraint, ratio
from plant_model.capacity import constraint, first_operation, line_seconds
from plant_model.kpi import elements
from plant_model.laboratory import machine_capability, process_capability
from plant_model.layout import KNEADER, sections
from plant_model.ledgers import UNMEASURED, Spread, Turnover
from plant_model.spec import PlantSpec
from plant_model.state import Mark, PlantState
from plant_model.tally import Count, Row, turnover, unpacked
from plant_model.windows import Line, Window, table

YEAR_H = 8760.0
FIRST, LAST = KNEADER, "Moulding"
"""The machine that begins an order, and the one at the end of the line."""


class LineKpis(NamedTuple):
    """Shares of 1, kg/h, turns a year; NaN stands for n/a. The reading of the standard is docs/decisions/089."""

    oee: float  # PRI x GQ / PBT, both of the constraint
    availability: float
    effectiveness: float
    quality_rate: float
    throughput_rate: float  # good kg/h
    finished_goods_ratio: float  # GQ / CM
    production_loss_ratio: float  # PL / CM
    storage_loss_ratio: float  # STL / CM
    inventory_turns: float  # shipped in a year / mean stock of finished goods
    worker_efficiency: float  # APWT / APAT
    allocation_ratio: float = math.nan  # AUBT of all machines / AOET; of an order only, as the next one
    production_process_ratio: float = math.nan  # APT of all machines / AOET


class Capability(NamedTuple):
    """Of a measured quality: process (Cp) and machine (Cm)."""

    process: float
    machine: float


class Stretch(NamedTuple):
    """The line in a window from `start` to `end`, plant seconds."""

    label: str  # the shift or the product
    start: float
    end: float
    kpis: LineKpis
    closed: bool = True  # whether nobody is at it any more


def line_table(spec: PlantSpec, state: PlantState, window: Window) -> list[Stretch]:
    """The table of a window, a row for each order; empty while there was none yet."""
    lines = table(spec, state, window)
    if window == "orders":
        return _orders(spec, lines)
    if not lines:
        return []
    narrow = _machines(spec)
    went, row = _turnover(state, window), np.sum([line.row for line in lines if line.unit in narrow], axis=0)
    one = lines[0]
    found = line_kpis(went, row, len(narrow), (one.end - one.start) / 3600.0)
    return [Stretch(one.label, one.start, one.end, found)]


def rolling_kpis(spec: PlantSpec, first: Mark, last: Mark) -> LineKpis:
    """The KPIs between two full hours."""
    narrow = _machines(spec)
    rows = [unpacked(last.tallies[unit]) - unpacked(first.tallies[unit]) for unit in narrow]
    hours = (last.time - first.time) / 3600.0
    return line_kpis(last.turnover.since(first.turnover), np.sum(rows, axis=0), len(narrow), hours)


def line_kpis(went: Turnover, row: Row, machines: int, hours: float) -> LineKpis:
    """The KPIs of a window. `row`: what the machines of the constraint counted together."""
    times = elements(row)
    apt, pbt = times["APT"] / machines, (sum(times.values()) - times["PDOT"]) / machines
    made = at_constraint(float(row[Count.Earned]) / machines, apt, pbt, went.earned, went.lost)
    return LineKpis(
        oee=made.oee,
        availability=made.availability,
        effectiveness=made.effectiveness,
        quality_rate=made.quality,
        throughput_rate=ratio(went.good, hours),
        finished_goods_ratio=ratio(went.good, went.consumed),
        production_loss_ratio=ratio(went.wasted, went.consumed),
        storage_loss_ratio=ratio(went.spoiled, went.consumed),
        inventory_turns=ratio(went.shipped * YEAR_H, went.stocked),
        worker_efficiency=ratio(went.worked, went.attended),
    )


def capability(spec: PlantSpec, measured: dict[str, Spread], before: dict[str, Spread]) -> dict[str, Capability]:
    """Capability by quality, of what was measured since a mark."""
    return {
        name: Capability(
            process_capability(limits, measured.get(name, UNMEASURED), before.get(name, UNMEASURED)),
            machine_capability(limits, measured.get(name, UNMEASURED), before.get(name, UNMEASURED)),
        )
        for name, limits in spec.quality.items()
    }


def _turnover(state: PlantState, window: Window) -> Turnover:
    if window == "last shift":
        return state.shifts[-1].turnover.since(state.shifts[-2].turnover)
    present = turnover(state)
    if window == "ever":
        return present
    return present.since((state.marks[0] if window == "rolling" else state.shifts[-1]).turnover)


def _machines(spec: PlantSpec) -> frozenset[str]:
    narrow = constraint(spec)
    return frozenset(name for name, section in sections(spec).items() if section == narrow)


def _orders(spec: PlantSpec, lines: list[Line]) -> list[Stretch]:
    """The campaigns whose way through the line is remembered whole, in their order; see `_order`."""
    watched = {unit for unit, section in sections(spec).items() if first_operation(section) == "Mixing"}
    present = {line.unit: line for line in lines}.values()  # the last line of each machine
    known = max(next(line.start for line in lines if line.unit == unit) for unit in watched)
    campaigns = [line for line in lines if line.unit == FIRST and line.label]
    found = []
    for place, campaign in enumerate(campaigns):
        if campaign.start >= known:
            after = (later.start for later in campaigns[place + 1 :] if later.label == campaign.label)
            until = next(after, math.inf)
            begun = [line for line in lines if line.label == campaign.label and campaign.start <= line.start < until]
            closed = not any(line is one for one in present for line in begun)
            found.append(_order(spec, campaign, begun)._replace(closed=closed))
    return found


def _order(spec: PlantSpec, campaign: Line, lines: list[Line]) -> Stretch:
    """A campaign: what the end of the line made of it, by the time that the constraint spent on it."""
    narrow = _machines(spec)
    made, spent = _sum(line for line in lines if line.unit == LAST), _sum(line for line in lines if line.unit in narrow)
    end = max((line.end for line in lines if line.unit in narrow | {LAST}), default=campaign.end)
    hours = (end - campaign.start) / 3600.0
    found = line_kpis(_order_turnover(spec, campaign, made, _sum(lines)), spent, len(narrow), hours)
    times = elements(_sum(lines))
    busy = times["APT"] + times["AUST"] + times["ADET"]
    shares = {"allocation_ratio": busy, "production_process_ratio": times["APT"]}
    found = found._replace(**{name: ratio(seconds / 3600.0, hours) for name, seconds in shares.items()})
    return Stretch(campaign.label, campaign.start, end, found)


def _order_turnover(spec: PlantSpec, campaign: Line, made: Row, everywhere: Row) -> Turnover:
    """What an order consumed, lost and made. What expired was nobody's; stock and attendance are no order's either."""
    ideal = line_seconds(spec, constraint(spec), campaign.label)
    processed, defective = float(made[Count.Processed]), float(made[Count.Defective])
    return Turnover(
        earned=processed * ideal,
        lost=defective * ideal,
        good=processed - defective,
        consumed=float(campaign.row[Count.Taken]),
        wasted=float(everywhere[Count.Wasted]),
        spoiled=math.nan,
        shipped=0.0,
        stocked=0.0,
        attended=0.0,
        worked=0.0,
    )


def _sum(lines: Iterable[Line]) -> Row:
    """What machines counted together; nothing where there is none."""
    rows = [line.row for line in lines]
    return np.sum(rows, axis=0) if rows else np.zeros(len(Count) + Count.Earned)
