"""Sensors that fail: who can, and how they are made to and mended. The machines never notice."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from plant_model.signals import Reader
from plant_model.spec import PlantSpec
from plant_model.state import Defect, PlantState, SensorFault

ALL = "Sensors"
"""Stands for all sensors of a machine in the name of a fault."""
MEND = "Clear"
"""Ends a fault."""
KINDS = (*(kind.name for kind in Defect), MEND)


class UnknownSensorError(LookupError):
    """There is no such sensor, fault or machine; the text says what there is."""


class SensorFaults:
    """The faults of all sensors of a plant. A sensor is named by its node, all of a machine or store by its name."""

    def __init__(self, spec: PlantSpec, state: PlantState) -> None:
        self._spec, self._state = spec, state

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self._spec)

    def names(self, place: str) -> tuple[str, ...]:
        """What `command` understands for a machine or store: "Zone2Temperature.Dead", "Sensors.Clear" …."""
        sensors = (ALL, *self._reader.instruments(place))
        return tuple(f"{sensor}.{kind}" for sensor in sensors for kind in KINDS)

    def command(self, place: str, fault: str) -> None:
        """Do what a name of `names` says."""
        sensor, _, kind = fault.rpartition(".")
        nodes = self._reader.instruments(place)
        chosen = tuple(nodes.values()) if sensor == ALL else (nodes[sensor],)
        if kind == MEND:
            self._mend(chosen)
        else:
            self._spoil(chosen, Defect[kind])

    def inject(self, target: str, kind: str) -> None:
        """Let a sensor, or all of a machine or store, fail from now on."""
        if kind not in Defect.__members__:
            raise UnknownSensorError(f"sensors cannot fail by {kind!r}, but by {', '.join(Defect.__members__)}")
        self._spoil(self._nodes(target), Defect[kind])

    def clear(self, target: str) -> None:
        """Mend a sensor, or all of a machine or store; one that is not faulty stays as it is."""
        self._mend(self._nodes(target))

    def _nodes(self, target: str) -> tuple[str, ...]:
        if target in self._state.units or target in self._state.stores:
            return tuple(self._reader.instruments(target).values())
        if target not in self._reader.instrument_nodes:
            raise UnknownSensorError(
                f"there is no sensor {target!r}: give the node of a measured value, a machine or a store"
            )
        return (target,)

    def _spoil(self, nodes: Iterable[str], kind: Defect) -> None:
        """Note the faults, each with what its sensor shows now."""
        state = self._state
        shown = self._reader.readings(state, nodes)
        for node, reading in shown.items():
            state.sensor_faults[node] = SensorFault(kind, state.agenda.now, reading)

    def _mend(self, nodes: Iterable[str]) -> None:
        for node in nodes:
            self._state.sensor_faults.pop(node, None)
