"""The plant: run ahead, saved, restored, forked. Deterministic: spec, seed and commands decide everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from plant_model import snapshot
from plant_model.accounting import Accounting
from plant_model.calendar import Shifts
from plant_model.clock import Agenda, Handler
from plant_model.commands import MODES, names, refusal_of_command, refusal_of_mode, refusal_of_speed
from plant_model.control_chart import Chart
from plant_model.demand import Demand
from plant_model.equipment import spec_path
from plant_model.events import PlantEvent
from plant_model.floor import Floor
from plant_model.genealogy import (
    Fate,
    Genealogy,
    Recall,
    Shipment,
    UnknownLotError,
    contents,
    fate,
    origins,
    recall,
    shipments,
)
from plant_model.kpi import Cause, time_by_cause
from plant_model.layout import capacities, conveyors, finished, first_contents, neighbours, sections
from plant_model.linekpis import Capability, Stretch, capability, line_table
from plant_model.machine import Machines, Station
from plant_model.packml import Command, Mode
from plant_model.randomness import Streams, time_to_failure
from plant_model.sensor_faults import SensorFaults, UnknownSensorError
from plant_model.snapshot import SnapshotError
from plant_model.spec import LIQUOR, PlantSpec
from plant_model.state import Buffer, Failure, Lot, PlantState, Unit
from plant_model.stations.base import Workplace
from plant_model.stations.cleaning import Cleaning
from plant_model.stations.conching import Conching
from plant_model.stations.dosing import usual_liquor
from plant_model.stations.grinding import Grinding
from plant_model.stations.kneading import Kneading
from plant_model.stations.mixing import Mixing
from plant_model.stations.moulding import Moulding
from plant_model.stations.rheology import usual_mass
from plant_model.stations.roasting import Roasting
from plant_model.stations.tempering import Tempering
from plant_model.stations.wrapping import Wrapping
from plant_model.supply import Supply
from plant_model.trade import Purchases, Sales, Store
from plant_model.warehouse import Warehouse, rooms
from plant_model.windows import Line, Window, table

__all__ = ["Plant", "PlantError", "PlantEvent", "SnapshotError"]

Answer = TypeVar("Answer")
WORKPLACES: tuple[type[Workplace], ...] = (
    Cleaning,
    Roasting,
    Grinding,
    Kneading,
    Mixing,
    Conching,
    Tempering,
    Moulding,
    Wrapping,
)


class PlantError(Exception):
    """The plant cannot do what it was asked; the text says what it can."""


class Plant:
    """A plant at a moment. Not safe to use from two threads at once."""

    def __init__(self, spec: PlantSpec, seed: int = 1, *, state: PlantState | None = None) -> None:
        """A new plant at its epoch; with a state, one that goes on from there and owns it."""
        self.spec = spec
        self.state = new_state(spec, seed) if state is None else state
        self._floor = floor = Floor(spec, self.state)
        stations: dict[str, Station] = {kind.__name__: kind(floor, kind.__name__) for kind in WORKPLACES}
        self._machines = Machines(floor, stations)
        self._supply = Supply(floor)
        self._demand = Demand(floor)
        self._accounting = Accounting(floor)
        self._shifts = Shifts(floor, self._machines)
        self._genealogy = Genealogy(floor)
        self._sensor_faults = SensorFaults(spec, self.state)
        self._warehouse = Warehouse(floor)
        floor.handlers.update({name: _settled(floor, handler) for name, handler in floor.handlers.items()})
        if state is None:
            self._open()

    @property
    def now(self) -> float:
        """Plant seconds since the epoch, `spec.start`."""
        return self.state.agenda.now

    def advance(self, until: float) -> list[PlantEvent]:
        """Run to `until` (s, not before now); returns what happened since the last call, in order."""
        if until < self.now:
            message = f"time only goes on: it is {self.now:g} s, not {until:g} s"
            raise PlantError(message)
        self._floor.clock.run(until)
        events, self.state.events = self.state.events, []
        return events

    def snapshot(self) -> bytes:
        """The whole plant as bytes, with version, spec and checksum."""
        return snapshot.pack(self.spec, self.state)

    @classmethod
    def restore(cls, spec: PlantSpec, data: bytes) -> Plant:
        """The plant of a snapshot; it goes on exactly as the saved one would. SnapshotError says why it cannot."""
        return cls(spec, state=snapshot.unpack(spec, data))

    def fork(self, seed: int | None = None) -> Plant:
        """An independent copy; with a seed, one whose future is drawn anew (see `redraw`)."""
        copy = Plant(self.spec, state=snapshot.copy(self.state))
        if seed is not None:
            copy.redraw(seed)
        return copy

    def redraw(self, seed: int) -> None:
        """Draw anew what nobody can know yet: lives of machines at their age, orders, late deliveries."""
        self.state.streams = Streams(seed)
        self._demand.redraw()
        self._supply.redraw()
        self._warehouse.redraw()
        self._machines.redraw()
        self._floor.settle()

    def faults(self) -> Mapping[str, tuple[str, ...]]:
        """Fault names by machine and store, for `inject_fault`: its own, then those of its sensors, "<tag>.<kind>"."""
        own = {name: tuple(unit.failures) for name, unit in self.state.units.items()} | dict.fromkeys(
            self.state.stores, ()
        )
        return {name: (*failures, *self._sensor_faults.names(name)) for name, failures in own.items()}

    def inject_fault(self, station: str, fault: str, repair_h: float | None = None) -> None:
        """Stop a machine now, or let a sensor of it or of a store fail. A repair's work is drawn if it is not given.

        PlantError when there is no such place or fault, or the machine is stopped by one already.
        """
        unit = None if station in self.state.stores else self._unit(station)
        if fault not in self.faults()[station]:
            own = (*(unit.failures if unit else ()), "Sensors.Dead", "Sensors.Stuck and more: see faults()")
            message = f"{station} has no fault {fault!r}; it has {', '.join(own)}"
            raise PlantError(message)
        if unit is None or fault not in unit.failures:
            self._sensor_faults.command(station, fault)
            return
        if unit.repair is not None:
            message = f"{station} is already stopped by {unit.repair.fault}"
            raise PlantError(message)
        self._machines.fail(unit, fault, repair_h)
        self._floor.settle()

    def inject_sensor_fault(self, node: str, kind: str) -> None:
        """Let a sensor fail (Stuck, Drift, Noise, Dead): that of a node, or all of a machine. PlantError if unknown."""
        try:
            self._sensor_faults.inject(node, kind)
        except UnknownSensorError as error:
            raise PlantError(str(error)) from error

    def clear_sensor_fault(self, node: str) -> None:
        """Mend the sensor of a node, or all of a machine. PlantError if unknown."""
        try:
            self._sensor_faults.clear(node)
        except UnknownSensorError as error:
            raise PlantError(str(error)) from error

    def command(self, unit: str, command: str) -> None:
        """Command a machine by PackML: Start, Stop, Hold, …. PlantError says why its state does not take it."""
        machine, known = self._unit(unit), Command.__members__
        if command not in known:
            message = f"there is no command {command!r}; there are {', '.join(known)}"
            raise PlantError(message)
        _refuse(refusal_of_command(machine, known[command]))
        self._machines.command(machine, known[command])
        self._floor.settle()

    def set_mode(self, unit: str, mode: str) -> None:
        """Set the mode of a machine that stands still: Produce, Maintenance or Manual. PlantError says why not."""
        machine, known = self._unit(unit), Mode.__members__
        if mode not in known:
            message = f"there is no mode {mode!r}; there are {names(MODES)}"
            raise PlantError(message)
        _refuse(refusal_of_mode(machine, known[mode]))
        self._machines.set_mode(machine, known[mode])
        self._floor.settle()

    def set_speed(self, unit: str, share: float) -> None:
        """Let a machine run at a share of its design speed, 0.1 … 1. PlantError says why not."""
        machine = self._unit(unit)
        _refuse(refusal_of_speed(machine, share))
        self._machines.set_speed(machine, share)
        self._floor.settle()

    def kpis(self, window: Window = "rolling") -> list[Line]:
        """KPIs and losses by machine: rolling (24 h), this or the last shift, orders (by product), or ever."""
        return table(self.spec, self.state, window)

    def line_kpis(self, window: Window = "rolling") -> list[Stretch]:
        """KPIs of the line as a whole, by its constraint, in the same windows; a row for each order."""
        return line_table(self.spec, self.state, window)

    def capability(self) -> dict[str, Capability]:
        """Cp and Cm of the measured qualities, of the last 24 hours."""
        return capability(self.spec, self.state.measured, self.state.marks[0].measured)

    def time_by_cause(self, unit: str) -> dict[Cause, float]:
        """Every second of a machine since the epoch, by time element, cause and culprit."""
        return time_by_cause(self._unit(unit), self.now)

    def _unit(self, name: str) -> Unit:
        """A machine by name. PlantError when there is none."""
        if name not in self.state.units:
            message = f"there is no machine {name!r}; there are {', '.join(self.state.units)}"
            raise PlantError(message)
        return self.state.units[name]

    def contents(self, lot: str) -> dict[str, float]:
        """Mass in kg by lot of all that went into a lot, deliveries to semi-finished. PlantError if unknown."""
        return _known(contents, self.state, lot)

    def origins(self, lot: str) -> dict[str, float]:
        """Mass in kg by delivery in a lot: which bean lots are in this case. PlantError if unknown."""
        return _known(origins, self.state, lot)

    def fate(self, lot: str) -> Fate:
        """Where the mass of a lot went: which cases hold this delivery. PlantError if unknown."""
        return _known(fate, self.state, lot)

    def recall(self, lot: str) -> Recall:
        """All cases and customers that hold some of a lot, and the deliveries in it. PlantError if unknown."""
        return _known(recall, self.state, lot)

    def shipments(self, lot: str) -> list[Shipment]:
        """Who got cases that hold some of a lot, for a recall. PlantError if unknown."""
        return _known(shipments, self.state, lot)

    def _open(self) -> None:
        """Begin at the epoch."""
        self._fill()
        self._shifts.open()
        self._accounting.open()
        self._demand.open()
        self._genealogy.open()
        self._warehouse.open()
        self._machines.open()
        self._floor.settle()

    def _fill(self) -> None:
        """Put the first stocks in."""
        floor = self._floor
        for name, (material, mass) in first_contents(self.spec).items():
            if mass > 0.0:
                lot = self._first_lot(material, mass)
                floor.state.books.delivered_mass += lot.mass
                floor.state.books.money.purchased += lot.mass * lot.price
                if name == finished(material):
                    lot.cases = self.spec.products[material].initial_cases
                floor.put(lot, name)
        floor.stir(*floor.watchers)

    def _first_lot(self, material: str, mass: float) -> Lot:
        number = self._floor.number("First")
        if material in self.spec.storages:
            return self._supply.first_lot(material, mass, number)
        if material == LIQUOR:
            return usual_liquor(self.spec, number, mass)
        return usual_mass(self.spec, material, number, mass)


def _refuse(reason: str) -> None:
    if reason:
        raise PlantError(reason)


def _known(query: Callable[[PlantState, str], Answer], state: PlantState, lot: str) -> Answer:
    try:
        return query(state, lot)
    except UnknownLotError as error:
        raise PlantError(str(error)) from error


def _settled(floor: Floor, handler: Handler) -> Handler:
    """A handler after which everybody concerned looks again before time goes on."""

    def run(argument: str) -> None:
        handler(argument)
        floor.settle()

    return run


def new_state(spec: PlantSpec, seed: int) -> PlantState:
    """An empty plant at its epoch."""
    streams, sizes, belts = Streams(seed), capacities(spec), conveyors(spec)
    return PlantState(
        agenda=Agenda(),
        streams=streams,
        units={name: new_unit(spec, streams, name, section) for name, section in sections(spec).items()},
        buffers={
            name: Buffer(name, sizes[name], *beside, conveyor=belts.get(name, 0.0))
            for name, beside in neighbours(spec).items()
        },
        sales={product: Sales() for product in spec.products},
        purchases={material: Purchases() for material in spec.policies},
        stores={name: Store() for name in rooms(spec)},
    )


def new_unit(spec: PlantSpec, streams: Streams, name: str, section: str) -> Unit:
    """A machine of a section as it comes from the maker."""
    failures = {
        fault: Failure(time_to_failure(streams[f"{name}.{fault}.life"], mode), calendar=mode.clock == "calendar")
        for fault, mode in spec.stations[section].failures.items()
    }
    chart = Chart(spec.stations.Tempering.temper_target) if section == "Tempering" else None
    return Unit(name, spec_path(section)[0], section, failures=failures, chart=chart)
