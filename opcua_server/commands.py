"""The methods of the machines: PackML commands, mode and speed, for the operator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog
from asyncua import ua

from opcua_server.model.builder import Builder
from opcua_server.model.instances import Path
from opcua_server.operation import argument
from opcua_server.pacer import Pacer
from opcua_server.services.method import ArgumentError, Method, StateError
from opcua_server.services.stack import Services
from plant_model.commands import MODES, SLOWEST
from plant_model.packml import Command, Mode
from plant_model.plant import PlantError

Work = Callable[..., Awaitable[None]]
_T = ua.VariantType
_log = structlog.get_logger(__name__)


class Commands:
    """What the operator tells machines. Raises StateError when the machine's state does not take it."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    async def command(self, unit: str, name: str) -> None:
        """Give a machine a PackML command."""
        async with self._pacer.change() as twin:
            _obey(partial(twin.plant.command, unit, name))
        _log.info("the operator commanded a machine", unit=unit, command=name)

    async def set_mode(self, unit: str, number: int) -> None:
        """Set the mode of a machine that stands still."""
        if number not in set(MODES):
            raise ArgumentError(0, "BadOutOfRange", f"there is no mode {number}")
        async with self._pacer.change() as twin:
            _obey(partial(twin.plant.set_mode, unit, Mode(number).name))
        _log.info("the operator set a mode", unit=unit, mode=Mode(number).name)

    async def set_speed(self, unit: str, share: float) -> None:
        """Let a machine run at a share of its design speed."""
        if not SLOWEST <= share <= 1.0:
            raise ArgumentError(0, "BadOutOfRange", f"the share is not from {SLOWEST:g} to 1")
        async with self._pacer.change() as twin:
            _obey(partial(twin.plant.set_speed, unit, share))
        _log.info("the operator set the speed of a machine", unit=unit, share=share)


def _obey(order: Callable[[], None]) -> None:
    try:
        order()
    except PlantError as error:
        raise StateError(str(error)) from error


def build_commands(
    builder: Builder, server: Services, objects: Mapping[Path, ua.NodeId], units: Mapping[str, Path], commands: Commands
) -> None:
    """Add the methods to the object of each machine (units: name and browse path) and bind them."""
    modes = ", ".join(f"{mode.value} {mode.name}" for mode in MODES)
    mode = argument("Mode", modes, _T.UInt32)
    share = argument("Share", f"share of the design speed, {SLOWEST:g} to 1", _T.Double)
    for unit, path in units.items():
        rows: list[tuple[str, tuple[ua.Argument, ...], tuple[ua.VariantType, ...], Work, str]] = [
            (name, (), (), partial(commands.command, unit, name), f"PackML command {name}.")
            for name in Command.__members__
        ]
        rows.append(("SetMode", (mode,), (_T.UInt32,), partial(commands.set_mode, unit), "Set the mode at rest."))
        rows.append(("SetSpeed", (share,), (_T.Double,), partial(commands.set_speed, unit), "Set the speed."))
        for name, arguments, types, work, words in rows:
            node = builder.method(objects[path], name, arguments, words)
            server.method_service.bind(node, Method(objects[path], types, work))
