"""THE table of signals: every tag with its type, unit, range and period, and the reader that computes them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from plant_model.capacity import constraint
from plant_model.climate import Climate, inside
from plant_model.equipment import SECTIONS, STATIONS, spec_path
from plant_model.indicators import (
    Board,
    energy_indicators,
    line_indicators,
    order_indicators,
    station_indicators,
)
from plant_model.instruments import Instruments, Poor
from plant_model.layout import WAREHOUSE, line_path, sections, station_path, unit_path, units
from plant_model.machine_tags import doses, machine
from plant_model.overview import LineView, StationView, kpis, several, whole_line
from plant_model.sensing import Quality, Sensor, SignalType, View
from plant_model.service import service
from plant_model.spec import PlantSpec
from plant_model.spending import spending
from plant_model.state import PlantState, SensorFault
from plant_model.stations import cleaning, conching, grinding, kneading, mixing, moulding, roasting, tempering
from plant_model.stations.dosing import ingredients
from plant_model.stock import StockView, places
from plant_model.warehouse import rooms

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
BESIDE: dict[str, Callable[[PlantSpec], tuple[Sensor[View], ...]]] = {
    "Kneading": kneading.sensors,
    "Wrapping": lambda _: (),  # those of the wrappers are among moulding's
}
Views = dict[str, View]
Look = Callable[[PlantState, Views], Any]
Event = tuple[int, int]
"""Entries that were ever on the agenda and are now: they differ before and after any event."""


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
    instrument: bool = False  # whether a sensor measures it, which can fail


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


class Living(Protocol):
    """Whatever has the state of a plant."""

    state: PlantState


class Reader:
    """Computes all signals of a plant at its present moment. Reading never changes the plant."""

    def __init__(self, spec: PlantSpec) -> None:
        self._spec = spec
        parts = tuple(_parts(spec))
        rows = [sensor for part in parts for sensor in part.sensors]
        self._live, self._still = Rows(parts, still=False), Rows(parts, still=True)
        self._kept: tuple[PlantState, Event, list[Any], Poor] | None = None
        table = signals(spec)
        self._good = [Quality.GOOD] * len(rows)
        analogue = [place for place, sensor in enumerate(rows) if sensor.type is SignalType.DOUBLE]
        quiet = {place for place in analogue if rows[place].still and not rows[place].noise}
        self._quiet = Gauges(rows, table, sorted(quiet))
        self._lively = Gauges(rows, table, [place for place in analogue if place not in quiet])
        self._measured = {signal.node: place for place, signal in enumerate(table) if signal.instrument}

    @property
    def instrument_nodes(self) -> Iterable[str]:
        """Nodes of the signals that a sensor measures."""
        return self._measured.keys()

    def instruments(self, name: str) -> dict[str, str]:
        """The sensors of a machine or a store of the warehouse: node by name of the tag."""
        station = units(self._spec).get(name)
        place, depth = f"{WAREHOUSE}.{name}.", len(("tag",))
        if station is not None:
            place, depth = f"{LINE}.{station}." + ("" if name == station else f"{name}."), len(("group", "tag"))
        parts = {node: node.removeprefix(place).split(".") for node in self._measured if node.startswith(place)}
        return {names[-1]: node for node, names in parts.items() if len(names) == depth}

    def readings(self, state: PlantState, nodes: Iterable[str]) -> dict[str, float]:
        """What some sensors show now, by node."""
        values, _ = self._read(state)
        return {node: values[self._measured[node]] for node in nodes}

    def read(self, plant: Living) -> tuple[list[Any], list[Quality]]:
        """Values and qualities, in the order of `signals(spec)`."""
        return self._read(plant.state)

    def _read(self, state: PlantState) -> tuple[list[Any], list[Quality]]:
        views = {name: View(self._spec, state, unit) for name, unit in state.units.items()}
        still, poor = self._what_is_still(state, views)
        values, qualities, now = still.copy(), self._good.copy(), state.agenda.now
        self._live.read(state, views, values)
        poor = poor + self._lively.read(values, now, state.sensor_faults)
        if state.sensor_faults:
            poor += self._quiet.spoil(values, now, state.sensor_faults)
        for place, quality in poor:
            qualities[place] = quality
        return values, qualities

    def _what_is_still(self, state: PlantState, views: Views) -> tuple[list[Any], Poor]:
        """Values of the rows that change by events alone, and which are poor; computed anew after an event.

        The others stand at 0. What has no noise is a reading already, but for what is wrong with sensors.
        """
        event = (state.agenda.order, len(state.agenda.entries))
        if self._kept is None or self._kept[0] is not state or self._kept[1] != event:
            values = [0] * len(self._good)
            self._still.read(state, views, values)
            self._kept = (state, event, values, self._quiet.read(values, state.agenda.now, {}))
        return self._kept[2], self._kept[3]


class Gauges:
    """The instruments of some rows of the table, by their places in it."""

    def __init__(self, rows: Sequence[Sensor[Any]], table: Sequence[Signal], places: Sequence[int]) -> None:
        self._places = places
        self._pick = itemgetter(*places)
        self._instruments = Instruments([rows[place] for place in places], [table[place].node for place in places])

    def read(self, values: list[Any], now: float, faults: Mapping[str, SensorFault]) -> Poor:
        """Put readings in place of true values; the places that are not good, and why."""
        true = np.array(self._pick(values), np.float64)
        readings, poor = self._instruments.read(true, now, faults)
        return self._put(values, readings, poor)

    def spoil(self, values: list[Any], now: float, faults: Mapping[str, SensorFault]) -> Poor:
        """Put in place of readings what faulty sensors show; their places, and what that is worth."""
        readings = np.array(self._pick(values), np.float64)
        return self._put(values, readings, self._instruments.spoil(readings, now, faults))

    def _put(self, values: list[Any], readings: NDArray[np.float64], poor: Poor) -> Poor:
        for place, reading in zip(self._places, readings.tolist(), strict=True):
            values[place] = reading
        return [(self._places[index], quality) for index, quality in poor]


class Rows:
    """The rows of the table that are still, or those that are not."""

    def __init__(self, parts: Iterable[Part], *, still: bool) -> None:
        self._parts: list[tuple[Look, list[tuple[int, Callable[[Any], Any]]]]] = []
        place = 0
        for part in parts:
            chosen = [(place + i, row.value) for i, row in enumerate(part.sensors) if row.still is still]
            self._parts += [(part.look, chosen)] * bool(chosen)
            place += len(part.sensors)

    def read(self, state: PlantState, views: Views, values: list[Any]) -> None:
        """Put the values of these rows in their places."""
        for look, rows in self._parts:
            seen = look(state, views)
            for place, value in rows:
                values[place] = value(seen)


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
        instrument=sensor.instrument,
    )


def _parts(spec: PlantSpec) -> Iterator[Part]:
    board = Board(spec)
    for station in STATIONS:
        yield from _station_parts(spec, station)
        look = _board_look(board, station)
        yield Part(f"{LINE}.{station}", station_path(spec, station), station_indicators(station), look)
    yield Part(LINE, line_path(spec), (*whole_line(spec), *service(), *spending()), _line_look(spec))
    yield Part(LINE, line_path(spec), energy_indicators(), lambda state, _: board.energy(state))
    yield Part(LINE, line_path(spec), line_indicators(spec), lambda state, _: board.line(state))
    yield Part(LINE, line_path(spec), order_indicators(), lambda state, _: board.last_order(state))
    climate = Climate(spec.start)
    for name, rows in places(spec).items():
        look = _stock_look(spec, name, climate)
        yield Part(f"{WAREHOUSE}.{name}", (WAREHOUSE, name), rows, look, grouped=False)


def _station_parts(spec: PlantSpec, station: str) -> Iterator[Part]:
    names = [unit for unit, section in sections(spec).items() if section == station]
    node, common = f"{LINE}.{station}", (*machine(spec, station), *PROCESS[station](spec))
    yield from _section_parts(spec, station)
    if names == [station]:
        rows = (*common, *kpis(lambda view: view.performance))
        yield Part(node, unit_path(spec, station, station), rows, _unit_look(station))
        return
    for name in names:
        yield Part(f"{node}.{name}", unit_path(spec, name, station), common, _unit_look(name))
    yield Part(node, station_path(spec, station), several(spec, station), _station_look(names))


def _section_parts(spec: PlantSpec, station: str) -> Iterator[Part]:
    """The machines beside a station's own; their process values are the station's."""
    node, path = f"{LINE}.{station}", station_path(spec, station)
    for unit, section in sections(spec).items():
        if section in SECTIONS and spec_path(section)[0] == station:
            yield Part(f"{node}.{unit}", unit_path(spec, unit, station), machine(spec, section), _unit_look(unit))
            yield Part(node, path, BESIDE[section](spec), _unit_look(unit))
            if section == "Kneading":
                yield Part(node, path, tuple(doses(ingredients(spec))), _unit_look(unit))


def _board_look(board: Board, station: str) -> Look:
    return lambda state, _: board.station(state, station)


def _unit_look(name: str) -> Look:
    return lambda _, views: views[name]


def _station_look(names: list[str]) -> Look:
    return lambda _, views: StationView([views[name] for name in names])


def _line_look(spec: PlantSpec) -> Look:
    narrow = constraint(spec)
    names = [unit for unit, section in sections(spec).items() if section == narrow]
    return lambda state, views: LineView(spec, state, views, names)


def _stock_look(spec: PlantSpec, name: str, climate: Climate) -> Look:
    room = rooms(spec)[name]
    return lambda state, _: StockView(spec, state, name, inside(room, climate.swing(state.agenda.now, state.weather)))
