"""THE table of signals: every tag with its type, unit, range and period, and the reader that computes them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from plant_model.capacity import constraint
from plant_model.equipment import STATIONS
from plant_model.layout import WAREHOUSE, line_path, station_path, unit_path, units
from plant_model.overview import LineView, StationView, kpis, machine, several, whole_line
from plant_model.plant import Plant
from plant_model.sensing import Quality, Sensor, SignalType, View
from plant_model.spec import PlantSpec
from plant_model.state import PlantState
from plant_model.stations import cleaning, conching, grinding, mixing, moulding, roasting, tempering
from plant_model.stock import StockView, places

__all__ = ["Quality", "Reader", "Signal", "SignalType", "signals"]

LINE = "Line1"
PROCESS: dict[str, Callable[[PlantSpec], tuple[Sensor[View], ...]]] = {
    "Cleaning": cleaning.sensors,
    "Roasting": roasting.sensors,
    "Grinding": grinding.sensors,
    "Mixing": mixing.sensors,
    "Conching": conching.sensors,
    "Tempering": tempering.sensors,
    "Moulding": moulding.sensors,
}
Views = dict[str, View]
Look = Callable[[PlantState, Views], Any]


@dataclass(frozen=True, slots=True)
class Signal:
    """What is known of a tag. NaN where a range has no end; `period_s` is wall time; `unit` a UNECE code or "EUR"."""

    node: str  # "Line1.Tempering.Process.Zone2Temperature": never changes
    path: tuple[str, ...]  # browse names below Objects
    type: SignalType
    unit: str
    low: float
    high: float
    enum: tuple[str, ...]
    description: str
    period_s: float
    historised: bool


class Part(NamedTuple):
    """One thing that is looked at: its names, its rows, and how to look at it."""

    node: str
    path: tuple[str, ...]
    sensors: tuple[Sensor[Any], ...]
    look: Look
    grouped: bool = True  # whether the rows' group stands in the names


def signals(spec: PlantSpec) -> tuple[Signal, ...]:
    """All signals of a plant, always in the same order."""
    return tuple(_signal(part, sensor) for part in _parts(spec) for sensor in part.sensors)


class Reader:
    """Computes all signals of a plant at its present moment. Reading never changes the plant."""

    def __init__(self, spec: PlantSpec) -> None:
        self._spec = spec
        self._parts = [(part.look, [sensor.value for sensor in part.sensors]) for part in _parts(spec)]
        rows = [sensor for part in _parts(spec) for sensor in part.sensors]
        analogue = [place for place, sensor in enumerate(rows) if sensor.type is SignalType.DOUBLE]
        self._places = analogue
        self._pick = itemgetter(*analogue)
        self._good = [Quality.GOOD] * len(rows)
        self._instruments = Instruments([rows[place] for place in analogue])

    def read(self, plant: Plant) -> tuple[list[Any], list[Quality]]:
        """Values and qualities, in the order of `signals(spec)`."""
        state = plant.state
        views = {name: View(self._spec, state, unit) for name, unit in state.units.items()}
        values = [value(seen) for look, row in self._parts for seen in (look(state, views),) for value in row]
        qualities = self._good.copy()
        readings, bad = self._instruments.read(np.array(self._pick(values), np.float64), plant.now)
        for place, reading in zip(self._places, readings.tolist(), strict=True):
            values[place] = reading
        for index, quality in bad:
            qualities[self._places[index]] = quality
        return values, qualities


class Instruments:
    """Turns true values into readings: noise that is a function of signal and second, resolution, ends of the scale."""

    def __init__(self, rows: list[Sensor[Any]]) -> None:
        self._noise = np.array([row.noise for row in rows])
        self._scale = np.array([10.0**row.digits for row in rows])
        self._low = np.array([-math.inf if math.isnan(row.low) else row.low for row in rows])
        self._high = np.array([math.inf if math.isnan(row.high) else row.high for row in rows])
        self._seeds = np.arange(1, len(rows) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)

    def read(self, true: NDArray[np.float64], now: float) -> tuple[NDArray[np.float64], list[tuple[int, Quality]]]:
        """Readings, and the places where they are not good. A value that nobody has is 0 without communication."""
        noisy = true + self._noise * normal(self._seeds, int(now)) * (true != 0.0)
        shown = np.rint(np.clip(noisy, self._low, self._high) * self._scale) / self._scale + 0.0  # no -0.0
        missing, beyond = np.isnan(true), (true < self._low) | (true > self._high)
        if not (missing.any() or beyond.any()):
            return shown, []
        bad = [(int(i), Quality.NO_COMMUNICATION) for i in np.flatnonzero(missing)]
        bad += [(int(i), Quality.OUT_OF_RANGE) for i in np.flatnonzero(beyond)]
        return np.nan_to_num(shown), bad


def normal(seeds: NDArray[np.uint64], second: int) -> NDArray[np.float64]:
    """A standard normal number per seed and second: the four quarters of a splitmix64 hash, summed."""
    mixed = seeds + np.uint64(second * 0xD1342543DE82EF95 & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    quarters = (mixed ^ (mixed >> np.uint64(31))).view(np.uint16).reshape(-1, 4)
    summed: NDArray[np.float64] = quarters.sum(axis=1, dtype=np.float64)
    return (summed / 65536.0 - 2.0) * math.sqrt(3.0)


def _signal(part: Part, sensor: Sensor[Any]) -> Signal:
    names = (sensor.group, sensor.name) if part.grouped else (sensor.name,)
    return Signal(
        node=".".join((part.node, *names)),
        path=(*part.path, *names),
        type=sensor.type,
        unit=sensor.unit,
        low=sensor.low,
        high=sensor.high,
        enum=sensor.enum,
        description=sensor.description,
        period_s=sensor.period_s,
        historised=sensor.historised,
    )


def _parts(spec: PlantSpec) -> Iterator[Part]:
    for station in STATIONS:
        yield from _station_parts(spec, station)
    yield Part(LINE, line_path(spec), whole_line(spec), _line_look(spec))
    for name, rows in places(spec).items():
        look = _stock_look(spec, name)
        yield Part(f"{WAREHOUSE}.{name}", (WAREHOUSE, name), rows, look, grouped=False)


def _station_parts(spec: PlantSpec, station: str) -> Iterator[Part]:
    names = [unit for unit, where in units(spec).items() if where == station]
    node, common = f"{LINE}.{station}", (*machine(spec, station), *PROCESS[station](spec))
    if names == [station]:
        rows = (*common, *kpis(lambda view: view.performance))
        yield Part(node, unit_path(spec, station, station), rows, _unit_look(station))
        return
    for name in names:
        yield Part(f"{node}.{name}", unit_path(spec, name, station), common, _unit_look(name))
    yield Part(node, station_path(spec, station), several(spec, station), _station_look(names))


def _unit_look(name: str) -> Look:
    return lambda _, views: views[name]


def _station_look(names: list[str]) -> Look:
    return lambda _, views: StationView([views[name] for name in names])


def _line_look(spec: PlantSpec) -> Look:
    narrow = constraint(spec)
    names = [unit for unit, station in units(spec).items() if station == narrow]
    return lambda state, views: LineView(spec, state, views, names)


def _stock_look(spec: PlantSpec, name: str) -> Look:
    return lambda state, _: StockView(spec, state, name)
