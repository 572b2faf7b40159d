"""KPIs of the stations as signals, of the last 24 full hours: computed once an hour, as they rest in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from plant_model.activity import Element
from plant_model.kpi import Kpis, Losses, elements, kpis, losses
from plant_model.layout import sections
from plant_model.linekpis import LAST, Capability, LineKpis, capability, line_table, rolling_kpis
from plant_model.overview import tag
from plant_model.packml import State
from plant_model.sensing import Sensor
from plant_model.spec import PlantSpec
from plant_model.state import Mark, PlantState
from plant_model.tally import STATE_SECONDS, Count, Row, unpacked
from plant_model.windows import yardstick

ENERGY_GROUPS = {
    "Execute": (State.Execute, State.Starting, State.Completing),
    "Suspended": (State.Suspended, State.Suspending, State.Unsuspending),
    "Held": (State.Held, State.Holding, State.Unholding),
    "Idle": (State.Idle, State.Resetting, State.Complete),
    "Stopped": (State.Stopped, State.Stopping, State.Clearing, State.Aborting, State.Aborted),
}
"""PackML states by what a machine does with its energy."""


class Indicators(NamedTuple):
    """What is told of a station: in the window, of the last shift, and since the epoch."""

    window: Kpis
    elements: Mapping[str, float]  # seconds
    losses: Losses
    last_shift: Kpis
    ever: Kpis


class LineIndicators(NamedTuple):
    """What is told of the line: in the window, and of the last shift."""

    window: LineKpis
    last_shift: float  # OEE
    capability: Mapping[str, Capability]


class Board:
    """The indicators of all stations, computed anew when there is a new full hour."""

    def __init__(self, spec: PlantSpec) -> None:
        self._spec = spec
        self._sections: dict[str, list[str]] = {}
        for unit, section in sections(spec).items():
            self._sections.setdefault(section, []).append(unit)
        self._mark: Mark | None = None
        self._first: Mark | None = None
        self._found: dict[str, Indicators] = {}
        self._energy: dict[str, float] = {}
        self._line: LineIndicators
        self._order: tuple[PlantState, tuple[float, ...], LineKpis] | None = None

    def station(self, state: PlantState, name: str) -> Indicators:
        """The indicators of a station."""
        self._refresh(state)
        return self._found[name]

    def energy(self, state: PlantState) -> dict[str, float]:
        """Electric energy in kWh per case by group of states in the window, NaN without a case."""
        self._refresh(state)
        return self._energy

    def line(self, state: PlantState) -> LineIndicators:
        """The indicators of the line."""
        self._refresh(state)
        return self._line

    def _refresh(self, state: PlantState) -> None:
        first, last = state.marks[0], state.marks[-1]
        if last is self._mark and first is self._first:
            return
        self._mark, self._first = last, first
        rows = {name: window(first.tallies, last.tallies, members) for name, members in self._sections.items()}
        processed = {name: float(row[Count.Processed]) for name, row in rows.items()}
        self._found = {name: self._indicators(state, name, row, processed) for name, row in rows.items()}
        cases = last.line[0] - first.line[0]
        self._energy = {
            group: energy(self._spec, rows, states) / cases if cases else np.nan
            for group, states in ENERGY_GROUPS.items()
        }
        self._line = self._line_indicators(state)

    def _indicators(self, state: PlantState, name: str, row: Row, processed: Mapping[str, float]) -> Indicators:
        members, shifts = self._sections[name], state.shifts[-2:]
        ever = window({}, state.marks[-1].tallies, members)
        shift = window(shifts[0].units, shifts[-1].units, members)
        compared = yardstick(self._spec, name, processed)
        return Indicators(kpis(row, compared), elements(row), losses(row), kpis(shift), kpis(ever))

    def _line_indicators(self, state: PlantState) -> LineIndicators:
        spec, first, last = self._spec, state.marks[0], state.marks[-1]
        shifts = line_table(spec, state, "last shift")
        return LineIndicators(
            rolling_kpis(spec, first, last),
            shifts[0].kpis.oee if shifts else np.nan,
            capability(spec, last.measured, first.measured),
        )

    def last_order(self, state: PlantState) -> LineKpis:
        """The last order that is closed, all NaN without one; computed anew when a machine turns."""
        begun = tuple([unit.orders[-1].time for unit in state.units.values() if unit.orders])
        if self._order is None or self._order[0] is not state or self._order[1] != begun:
            closed = [order.kpis for order in line_table(self._spec, state, "orders") if order.closed]
            self._order = state, begun, closed[-1] if closed else NO_ORDER
        return self._order[2]


def window(first: Mapping[str, bytes], last: Mapping[str, bytes], members: Sequence[str]) -> Row:
    """What some machines together counted between two stamps of rows; from the epoch where there is no first one."""
    total: Row = np.sum([unpacked(last[name]) for name in members], axis=0)
    return total - sum(unpacked(first[name]) for name in members if name in first)


def energy(spec: PlantSpec, rows: dict[str, Row], states: tuple[State, ...]) -> float:
    """Electric energy in kWh of all stations in some states."""
    shares = spec.power.shares
    return sum(
        spec.stations[name].power_kw
        * sum(float(row[STATE_SECONDS][state]) * shares[state] for state in states)
        / 3600.0
        for name, row in rows.items()
    )


RATIOS = {
    "OEEStandalone": ("oee_standalone", "OEE without waiting"),
    "NEE": ("nee", "NEE index: setups are no loss"),
    "TechnicalEfficiency": ("technical_efficiency", "APT / (APT + ADET)"),
    "UtilizationEfficiency": ("utilization_efficiency", "APT / AUBT"),
    "AllocationEfficiency": ("allocation_efficiency", "AUBT / PBT"),
    "SetupRate": ("setup_rate", "AUST / AUPT"),
    "ScrapRatio": ("scrap_ratio", "SQ / PQ"),
    "ReworkRatio": ("rework_ratio", "RQ / PQ"),
    "FirstPassYield": ("first_pass_yield", "Good at once / PQ"),
    "FallOffRatio": ("fall_off_ratio", "SQ / PQ of the first operation"),
}
OF_ORDER = {
    "OEE": ("oee", "OEE index"),
    "AllocationRatio": ("allocation_ratio", "AUBT of all machines / AOET"),
    "ProductionProcessRatio": ("production_process_ratio", "APT of all machines / AOET"),
    "FinishedGoodsRatio": ("finished_goods_ratio", "GQ / CM"),
    "ProductionLossRatio": ("production_loss_ratio", "PL / CM"),
}
NO_ORDER = LineKpis._make([np.nan] * len(LineKpis._fields))
LOSSES = {
    "BreakdownLoss": ("breakdowns", "Broken down"),
    "SetupLoss": ("setups", "Setup and start-up"),
    "MinorStopLoss": ("minor_stops", "Minor stops"),
    "SpeedLoss": ("reduced_speed", "Reduced speed"),
    "StartUpLoss": ("start_up_rejects", "Made in vain at first"),
    "QualityLoss": ("production_rejects", "Made in vain later"),
    "WaitingLoss": ("waiting", "Waiting for others"),
}
RESTS: dict[str, Any] = {"period_s": 30.0, "still": True}
"""Facts of what is computed once an hour."""
SHARE: dict[str, Any] = RESTS | {"unit": "P1", "low": 0.0, "high": 150.0}
HOURS: dict[str, Any] = RESTS | {"unit": "HUR", "low": 0.0, "high": 1e6}
SPENT: dict[str, Any] = RESTS | {"unit": "HUR", "low": -1000.0, "high": 1000.0}


def station_indicators(station: str) -> tuple[Sensor[Indicators], ...]:
    """The rows of a station."""
    planned: Sensor[Indicators] = tag(
        "Performance",
        "ActualToPlannedScrap",
        lambda v: 100 * v.window.actual_to_planned_scrap,
        "SQ / PSQ, last 24 h",
        **(SHARE | {"high": 10000.0}),
    )
    return (
        *(_ratio(name, field, words) for name, (field, words) in RATIOS.items()),
        tag("Performance", "OEELastShift", lambda v: 100 * v.last_shift.oee, "OEE index of the last shift", **SHARE),
        tag(
            "Performance",
            "CorrectiveMaintenanceRatio",
            lambda v: 100 * v.ever.corrective_maintenance_ratio,
            "CMT / (CMT + PMT), since the epoch",
            **SHARE,
        ),
        tag("Performance", "MTBF", lambda v: v.ever.mtbf_h, "Operating time between failures", **HOURS),
        tag("Performance", "MTTR", lambda v: v.ever.mttr_h, "Repair time per failure", **HOURS),
        *((planned,) if station == LAST else ()),
        *(_loss(name, field, words) for name, (field, words) in LOSSES.items()),
        *(_element(element) for element in Element),
    )


OF_LINE = {
    "WorkerEfficiency": ("worker_efficiency", "APWT / APAT"),
    "FinishedGoodsRatio": ("finished_goods_ratio", "GQ / CM"),
    "ProductionLossRatio": (
        "production_loss_ratio",
        "PL / CM: what was lost at the machines, water and shell included",
    ),
    "StorageLossRatio": ("storage_loss_ratio", "STL / CM: what expired"),
}


def line_indicators(spec: PlantSpec) -> tuple[Sensor[LineIndicators], ...]:
    """The rows of the line."""
    turns: Sensor[LineIndicators] = tag(
        "Performance",
        "InventoryTurns",
        lambda v: v.window.inventory_turns,
        "Finished goods shipped in a year, by their mean stock, last 24 h",
        **(HOURS | {"unit": "C62"}),
    )
    return (
        tag("Performance", "OEELastShift", lambda v: 100 * v.last_shift, "OEE index of the last shift", **SHARE),
        *(_ratio(name, field, words, high=1000.0) for name, (field, words) in OF_LINE.items()),
        turns,
        *(row for name in spec.quality for row in _capability(name)),
    )


def order_indicators() -> tuple[Sensor[LineKpis], ...]:
    """The rows of the line that look at its last closed order."""
    return tuple(_last_order(name, field, words) for name, (field, words) in OF_ORDER.items())


def _last_order(name: str, field: str, words: str) -> Sensor[LineKpis]:
    value, facts = attrgetter(field), SHARE | {"high": 1000.0}
    words = f"{words}, last closed order"
    return tag("Performance", f"{name}LastOrder", lambda v: 100 * value(v), words, **facts)


def _capability(quality: str) -> Iterator[Sensor[LineIndicators]]:
    facts: dict[str, Any] = RESTS | {"low": -10.0, "high": 100.0}
    yield tag(
        "Quality", f"{quality}Cp", lambda v: v.capability[quality].process, "Process capability, last 24 h", **facts
    )
    yield tag(
        "Quality", f"{quality}Cm", lambda v: v.capability[quality].machine, "Machine capability, last 24 h", **facts
    )


def _ratio(name: str, field: str, words: str, high: float = 150.0) -> Sensor[Any]:
    value = attrgetter(f"window.{field}")
    return tag("Performance", name, lambda v: 100 * value(v), f"{words}, last 24 h", **(SHARE | {"high": high}))


def _loss(name: str, field: str, words: str) -> Sensor[Indicators]:
    value = attrgetter(f"losses.{field}")
    return tag("Losses", name, lambda v: value(v) / 3600, f"{words}, last 24 h", **SPENT)


def _element(element: Element) -> Sensor[Indicators]:
    words = f"Time element {element.name} of ISO 22400, last 24 h"
    return tag("Times", element.name, lambda v: v.elements[element.name] / 3600, words, **HOURS)


def energy_indicators() -> tuple[Sensor[dict[str, float]], ...]:
    """The rows of the line: energy per case by what the machines did."""
    facts: dict[str, Any] = {"unit": "KWH", "low": 0.0, "high": 1000.0, "period_s": 30.0, "still": True, "digits": 3}
    return tuple(_energy(group, facts) for group in ENERGY_GROUPS)


def _energy(group: str, facts: dict[str, Any]) -> Sensor[dict[str, float]]:
    words = f"Electric energy of machines in {group} and states like it, per case"
    return tag("Energy", f"EnergyPerUnit{group}", lambda v: v[group], words, **facts)
