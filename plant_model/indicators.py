"""KPIs of the stations as signals, of the last 24 full hours: computed once an hour, as they rest in between."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from plant_model.kpi import Kpis, Losses, kpis, losses
from plant_model.layout import units
from plant_model.overview import tag
from plant_model.packml import State
from plant_model.sensing import Sensor
from plant_model.spec import PlantSpec
from plant_model.state import Mark, PlantState
from plant_model.tally import STATE_SECONDS, Row, unpacked

ENERGY_GROUPS = {
    "Execute": (State.Execute, State.Starting, State.Completing),
    "Suspended": (State.Suspended, State.Suspending, State.Unsuspending),
    "Held": (State.Held, State.Holding, State.Unholding),
    "Idle": (State.Idle, State.Resetting, State.Complete),
    "Stopped": (State.Stopped, State.Stopping, State.Clearing, State.Aborting, State.Aborted),
}
"""PackML states by what a machine does with its energy."""


class Indicators(NamedTuple):
    """What is told of a station: in the window, and since the epoch."""

    window: Kpis
    losses: Losses
    ever: Kpis


class Board:
    """The indicators of all stations, computed anew when there is a new full hour."""

    def __init__(self, spec: PlantSpec) -> None:
        self._spec = spec
        self._stations: dict[str, list[str]] = {}
        for unit, station in units(spec).items():
            self._stations.setdefault(station, []).append(unit)
        self._mark: Mark | None = None
        self._first: Mark | None = None
        self._found: dict[str, Indicators] = {}
        self._energy: dict[str, float] = {}

    def station(self, state: PlantState, name: str) -> Indicators:
        """The indicators of a station."""
        self._refresh(state)
        return self._found[name]

    def energy(self, state: PlantState) -> dict[str, float]:
        """Electric energy in kWh per case by group of states in the window, NaN without a case."""
        self._refresh(state)
        return self._energy

    def _refresh(self, state: PlantState) -> None:
        first, last = state.marks[0], state.marks[-1]
        if last is self._mark and first is self._first:
            return
        self._mark, self._first = last, first
        rows = {name: window(first, last, members) for name, members in self._stations.items()}
        ever = {name: window(None, last, members) for name, members in self._stations.items()}
        self._found = {name: Indicators(kpis(row), losses(row), kpis(ever[name])) for name, row in rows.items()}
        cases = last.line[0] - first.line[0]
        self._energy = {
            group: energy(self._spec, rows, states) / cases if cases else np.nan
            for group, states in ENERGY_GROUPS.items()
        }


def window(first: Mark | None, last: Mark, members: list[str]) -> Row:
    """What some machines together counted between two marks; from the epoch without a first one."""
    total: Row = np.sum([unpacked(last.tallies[name]) for name in members], axis=0)
    if first is None:
        return total
    before: Row = np.sum([unpacked(first.tallies[name]) for name in members], axis=0)
    return total - before


def energy(spec: PlantSpec, rows: dict[str, Row], states: tuple[State, ...]) -> float:
    """Electric energy in kWh of all stations in some states."""
    shares = spec.power.shares
    return sum(
        spec.stations[name].power_kw
        * sum(float(row[STATE_SECONDS][state]) * shares[state] for state in states)
        / 3600.0
        for name, row in rows.items()
    )


def station_indicators() -> tuple[Sensor[Indicators], ...]:
    """The rows of a station."""
    share: dict[str, Any] = {"unit": "P1", "low": 0.0, "high": 150.0, "period_s": 30.0, "still": True}
    hours: dict[str, Any] = {"unit": "HUR", "low": 0.0, "high": 1e6, "period_s": 30.0, "still": True}
    spent: dict[str, Any] = {
        "unit": "HUR",
        "low": -1000.0,
        "high": 1000.0,
        "period_s": 30.0,
        "still": True,
    }
    return (
        tag("Performance", "OEEStandalone", lambda v: 100 * v.window.oee_standalone, "OEE without waiting", **share),
        tag("Performance", "NEE", lambda v: 100 * v.window.nee, "NEE index: setups are no loss", **share),
        tag("Performance", "MTBF", lambda v: v.ever.mtbf_h, "Operating time between failures", **hours),
        tag("Performance", "MTTR", lambda v: v.ever.mttr_h, "Repair time per failure", **hours),
        tag("Losses", "BreakdownLoss", lambda v: v.losses.breakdowns / 3600, "Broken down, last 24 h", **spent),
        tag("Losses", "SetupLoss", lambda v: v.losses.setups / 3600, "Setup and start-up, last 24 h", **spent),
        tag("Losses", "MinorStopLoss", lambda v: v.losses.minor_stops / 3600, "Minor stops, last 24 h", **spent),
        tag("Losses", "SpeedLoss", lambda v: v.losses.reduced_speed / 3600, "Reduced speed, last 24 h", **spent),
        tag("Losses", "StartUpLoss", lambda v: v.losses.start_up_rejects / 3600, "Made in vain at first", **spent),
        tag("Losses", "QualityLoss", lambda v: v.losses.production_rejects / 3600, "Made in vain later", **spent),
        tag("Losses", "WaitingLoss", lambda v: v.losses.waiting / 3600, "Waiting for others, last 24 h", **spent),
    )


def energy_indicators() -> tuple[Sensor[dict[str, float]], ...]:
    """The rows of the line: energy per case by what the machines did."""
    facts: dict[str, Any] = {"unit": "KWH", "low": 0.0, "high": 1000.0, "period_s": 30.0, "still": True, "digits": 3}
    return tuple(_energy(group, facts) for group in ENERGY_GROUPS)


def _energy(group: str, facts: dict[str, Any]) -> Sensor[dict[str, float]]:
    words = f"Electric energy of machines in {group} and states like it, per case"
    return tag("Energy", f"EnergyPerUnit{group}", lambda v: v[group], words, **facts)
