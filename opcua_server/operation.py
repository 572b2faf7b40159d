"""What the operator can do: write Speed, and call Pause, Resume, InjectFault and Reset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog
from asyncua import ua

from opcua_server.model.builder import Builder
from opcua_server.pacer import Pacer
from opcua_server.services.method import ArgumentError, Method
from opcua_server.services.stack import Services
from opcua_server.settings import MAX_SPEED, MIN_SPEED
from opcua_server.uatypes import standard, status, text
from plant_model.plant import PlantError

_STRING = ua.VariantType.String
_OF_SENSORS = (
    "A sensor: its tag with .Stuck, .Drift, .Noise, .Dead or, to mend it, .Clear; "
    "Sensors instead of a tag stands for all of the station"
)
_log = structlog.get_logger(__name__)


class Operation:
    """The operator's hands."""

    def __init__(self, pacer: Pacer, seed: int) -> None:
        self._pacer, self._seed = pacer, seed

    def faults(self) -> Mapping[str, tuple[str, ...]]:
        """What can fail, by station."""
        return self._pacer.twin.plant.faults()

    async def set_speed(self, speed: float) -> ua.StatusCode:
        """Let plant time pass at another speed from now on."""
        if not MIN_SPEED <= speed <= MAX_SPEED:
            return status("BadOutOfRange")
        async with self._pacer.change() as twin:
            twin.pace = twin.pace.changed(self._pacer.done, speed=speed)
        _log.info("the operator set the speed", speed=speed)
        return ua.StatusCode()

    async def pause(self) -> None:
        """Let plant time stand still."""
        await self._run(running=False)

    async def resume(self) -> None:
        """Let plant time pass again."""
        await self._run(running=True)

    async def _run(self, *, running: bool) -> None:
        async with self._pacer.change() as twin:
            twin.pace = twin.pace.changed(self._pacer.done, running=running)
        _log.info("the operator paused or resumed the plant", running=running)

    async def inject_fault(self, station: str, fault: str) -> None:
        """Let a machine or a sensor of it fail now. Raises ArgumentError."""
        async with self._pacer.change() as twin:
            faults = self.faults()
            if station not in faults:
                raise ArgumentError(0, "BadOutOfRange", f"there is no station {station!r}")
            if fault not in faults[station]:
                raise ArgumentError(1, "BadOutOfRange", f"{station} has no fault {fault!r}")
            try:
                twin.plant.inject_fault(station, fault)
            except PlantError as error:
                raise ArgumentError(0, "BadInvalidState", str(error)) from error
        _log.info("the operator injected a fault", station=station, fault=fault)

    async def reset(self) -> None:
        """Start a new plant at the beginning of its time."""
        async with self._pacer.change() as twin:
            twin.restart(self._seed, self._pacer.done)
        _log.info("the operator reset the plant")


def build_methods(builder: Builder, server: Services, parent: ua.NodeId, operation: Operation) -> None:
    """Add the methods of the Simulation object and bind them."""
    faults = operation.faults()
    known = "; ".join(f"{station}: {', '.join(_of_machine(names))}" for station, names in faults.items())
    fault_arguments = (
        argument("Station", f"station that fails: {', '.join(faults)}"),
        argument("Fault", f"what fails. {known}. {_OF_SENSORS}"),
    )
    methods = (
        ("Pause", (), operation.pause, "Let plant time stand still."),
        ("Resume", (), operation.resume, "Let plant time pass again."),
        ("InjectFault", fault_arguments, operation.inject_fault, "Let a machine or a sensor fail now."),
        ("Reset", (), operation.reset, "Start a new plant at the beginning of its time."),
    )
    for name, arguments, work, words in methods:
        node = builder.method(parent, name, arguments, words)
        server.method_service.bind(node, Method(parent, (_STRING,) * len(arguments), work))


def _of_machine(faults: Iterable[str]) -> list[str]:
    """The faults of the machine itself; those of its sensors have a dot."""
    return [fault for fault in faults if "." not in fault]


def argument(name: str, words: str, type_: ua.VariantType = _STRING, *, is_array: bool = False) -> ua.Argument:
    """An argument of a method."""
    rank, sizes = (1, [0]) if is_array else (-1, [])
    return ua.Argument(
        Name=name, DataType=standard(type_.value), ValueRank=rank, ArrayDimensions=sizes, Description=text(words)
    )
