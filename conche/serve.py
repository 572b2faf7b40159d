"""`conche plant` and `conche gateway`: one part of a site in this process."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

import structlog
import typer

from conche import allocator, lifeline, logs
from conche.failure import Failure
from conche.ground import make_folder
from conche.loading import loading
from conche.logs import Level
from conche.reload import FollowingGateway, SettingsFile
from conche.site import DEMO, load_plant
from conche.stopping import until_signal

LevelOption = Annotated[Level, typer.Option("--log-level", help="How much to log.")]

log = structlog.get_logger(__name__)


class Part(Protocol):
    """A plant's server or a gateway."""

    async def start(self) -> None:
        """Get ready."""
        ...

    async def run(self) -> None:
        """Serve until cancelled."""
        ...

    async def stop(self) -> None:
        """Save and let go; also after a start that failed half-way."""
        ...


def plant(
    config: Annotated[Path, typer.Argument(help="A site file; its section `plant` is used.")] = DEMO,
    log_level: LevelOption = Level.INFO,
) -> None:
    """Run only the simulated chocolate plant with its OPC UA server.

    SIGINT or SIGTERM saves the plant's state and ends it; the next start continues where the plant would be by then.
    """
    with loading():
        from opcua_server.errors import ServerError  # noqa: PLC0415 - each command imports what it needs
        from opcua_server.server import PlantServer  # noqa: PLC0415

        _prepare(log_level)
        settings = load_plant(config, os.environ)
    make_folder(settings.server.state)
    try:
        asyncio.run(serve(PlantServer(settings.spec, settings.server)))
    except ServerError as error:
        raise Failure(str(error)) from error


def gateway(
    config: Annotated[Path, typer.Argument(help="The gateway's settings file.")] = Path("config/gateway/demo.yaml"),
    log_level: LevelOption = Level.INFO,
) -> None:
    """Run only the gateway: OPC UA servers in, MQTT, InfluxDB, historian, rules and the page out.

    Servers, brokers and databases may come and go: it keeps trying, says so on the page, and loses nothing. A change of
    the settings file, or SIGHUP, touches only what has changed; a file with errors is refused whole.
    """
    with loading():
        from gateway.contract import GatewayError  # noqa: PLC0415
        from gateway.gateway import Gateway  # noqa: PLC0415

        _prepare(log_level)
        file = SettingsFile(config, os.environ)
        settings = file.load()
    allocator.keep_freed_memory()
    make_folder(settings.state)
    following = FollowingGateway(Gateway(settings), file)
    try:
        asyncio.run(serve(following, following.ask))
    except GatewayError as error:
        raise Failure(str(error)) from error


def _prepare(level: Level) -> None:
    lifeline.hold()
    logs.configure(level)


async def serve(part: Part, on_hangup: Callable[[], None] | None = None) -> None:
    """Start and run a part until it fails or a signal asks it to stop; then stop it in good order."""
    try:
        await until_signal(_live(part), on_hangup)
    finally:
        log.info("stopping")
        await part.stop()
        log.info("stopped")
        gc.freeze()  # the process ends: the collector need not go through all that the interpreter drops anyway


async def _live(part: Part) -> None:
    await part.start()
    log.info("started")
    await part.run()
