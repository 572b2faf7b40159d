"""The plant's OPC UA server: start, run, stop."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from importlib.metadata import version

import structlog

from opcua_server.clock import SECOND, Clock, Pace, tick_at
from opcua_server.commands import Commands, build_commands
from opcua_server.display import Display
from opcua_server.errors import ServerError
from opcua_server.files import bound_socket, writable_folder
from opcua_server.history.historian import Historian
from opcua_server.model.builder import Builder
from opcua_server.model.instances import PLANT_URI, VARIANT_TYPES, Instances, build_instances
from opcua_server.model.standard import describe_namespace, fill_server_object
from opcua_server.model.types import TYPES_URI, Types, build_types
from opcua_server.operation import Operation, build_methods
from opcua_server.pacer import Pacer
from opcua_server.recall import build_recall
from opcua_server.security import load_identity, load_users
from opcua_server.services.event_history import EventReading
from opcua_server.services.history import HistoryReading
from opcua_server.services.stack import APPLICATION_URI, Stack, quiet_asyncua
from opcua_server.settings import ServerSettings
from opcua_server.simulation import SIMULATION, SPEED
from opcua_server.snapshot import Keeper
from opcua_server.twin import Twin
from plant_model.layout import WAREHOUSE, unit_path, units
from plant_model.plant import Plant
from plant_model.signals import Signal, signals
from plant_model.spec import PlantSpec

_SAVE_S = 60.0
_FLUSH_S = 1.0
_MOST_PLANT_S = 90 * 86400.0
"""Plant time that is made up at most: more would let people wait. Before it, the plant stood still."""
_log = structlog.get_logger(__name__)


class PlantServer:
    """A plant shown as an OPC UA server. Call start, run until cancelled, then stop."""

    def __init__(self, spec: PlantSpec, settings: ServerSettings) -> None:
        self._spec, self._settings = spec, settings
        self._signals: tuple[Signal, ...] = (*signals(spec), *SIMULATION)
        self._keeper = Keeper(settings.state / "snapshot")
        self._opened = AsyncExitStack()
        self._pacer: Pacer
        self._historian: Historian
        self.operator_password_path = settings.state / "operator.password"
        self.endpoint = ""

    async def start(self) -> None:
        """Return when clients are served. Raises ServerError with one line that says what to do."""
        try:
            await self._start()
        except OSError as error:
            await self._opened.aclose()
            raise ServerError(f"{error.filename or self._settings.state}: {error.strerror}") from error
        except BaseException:
            await self._opened.aclose()
            raise

    async def run(self) -> None:
        """Pace the plant until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pacer.run(), name="pacer")
            tasks.create_task(self._keep_history(), name="history")
            tasks.create_task(self._keep_plant(), name="snapshots")

    async def stop(self) -> None:
        """Let go of the clients, save the plant and its history. Idempotent."""
        await self._opened.aclose()

    async def _start(self) -> None:
        settings = self._settings
        quiet_asyncua()
        writable_folder(settings.state)
        bound = bound_socket(settings.host, settings.port)
        self._opened.callback(bound.close)
        host, port = bound.getsockname()[:2]
        self.endpoint = f"opc.tcp://[{host}]:{port}" if ":" in host else f"opc.tcp://{host}:{port}"
        stack = self._make_stack()
        types, instances, builder = await self._build(stack)
        await self._start_plant(stack, instances, types)
        operation = Operation(self._pacer, settings.seed)
        build_methods(builder, stack.services, instances.objects[SPEED.path[:-1]], operation)
        machines = {name: unit_path(self._spec, name, station) for name, station in units(self._spec).items()}
        build_commands(builder, stack.services, instances.objects, machines, Commands(self._pacer))
        build_recall(builder, stack.services, instances.objects[(WAREHOUSE,)], self._pacer)
        stack.services.attribute_service.on_write(builder.id(SPEED.node), operation.set_speed)
        gc.freeze()  # the address space stays: the collector need not look at it again and again
        self._opened.callback(gc.unfreeze)
        self._opened.push_async_callback(stack.stop)
        await stack.listen(bound)
        _log.info(
            "the plant serves OPC UA", endpoint=self.endpoint, operator_password_in=str(self.operator_password_path)
        )

    def _make_stack(self) -> Stack:
        settings = self._settings
        password = settings.operator_password
        users = load_users(settings.state, password.get_secret_value() if password else None)
        stack = Stack(users, self.endpoint)
        identity = load_identity(settings.state / "pki", APPLICATION_URI, settings.host)
        stack.secure(identity.certificate, identity.key, plain=settings.is_loopback)
        return stack

    async def _build(self, stack: Stack) -> tuple[Types, Instances, Builder]:
        """The whole address space. The collector would go through it many times while it grows."""
        gc.disable()
        try:
            await stack.init()
            fill_server_object(stack.services)
            types_builder = Builder(stack.services, await stack.register_namespace(TYPES_URI))
            builder = Builder(stack.services, await stack.register_namespace(PLANT_URI))
            types = build_types(types_builder)
            instances = build_instances(builder, types, self._signals, writable=(SPEED,))
            describe_namespace(types_builder, TYPES_URI, version("conche"))
            describe_namespace(builder, PLANT_URI, version("conche"))
        finally:
            gc.enable()
        return types, instances, builder

    async def _start_plant(self, stack: Stack, instances: Instances, types: Types) -> None:
        settings = self._settings
        variants = {signal.node: VARIANT_TYPES[signal.type] for signal in self._signals}
        self._historian = Historian(settings.state / "history.sqlite", variants, settings.history_days)
        self._opened.push_async_callback(self._historian.close)
        namespace = instances.variables[0].NamespaceIndex
        display = Display(stack.services, instances, types, self._signals)
        aspace = stack.services.aspace
        events = EventReading(self._historian, display.tellers(), display.built, aspace)
        stack.services.use_history(HistoryReading(self._historian, events, namespace, aspace))
        clock = Clock(not_before=self._historian.newest or 0)
        twin = self._make_twin(clock.now())
        self._pacer = Pacer(clock, twin, display, self._historian, self._signals)
        self._opened.push_async_callback(self._save)  # also of a past that was only begun
        await self._pacer.make_up()

    def _make_twin(self, now: int) -> Twin:
        """The plant that was saved, else a new one; and since when it has to be run forward."""
        settings = self._settings
        longest = min(settings.past_s, _MOST_PLANT_S / settings.speed)
        saved = self._keeper.restore(self._spec, now)
        if saved is not None:
            plant, since = saved
            begin = max(since, now - round(_MOST_PLANT_S / settings.speed * SECOND))
        else:
            plant, begin = Plant(self._spec, settings.seed), self._historian.newest or 0
            begin = max(begin, now - round(longest * SECOND))
        _log.info("the plant's past is made up", seconds=(now - begin) // SECOND, speed=settings.speed)
        return Twin(self._spec, plant, Pace(tick_at(begin), plant.now, settings.speed))

    async def _save(self) -> None:
        snapshot = self._pacer.twin.plant.snapshot()
        await asyncio.to_thread(self._keeper.save, self._pacer.done, snapshot)

    async def _keep_plant(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_S)
            try:
                await self._save()
            except OSError as error:
                _log.warning("the plant cannot be saved", reason=str(error))

    async def _keep_history(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            await self._historian.flush()
            await self._historian.tidy(self._pacer.clock.now())
