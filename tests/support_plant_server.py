"""A plant that is served, and clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.common.node import Node
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from opcua_server.model.instances import PLANT_URI
from opcua_server.server import PlantServer
from opcua_server.settings import ServerSettings
from plant_model.spec import PlantSpec

PASSWORD = "correct horse"
CHOCO = Path(__file__).parents[1] / "config" / "plant" / "choco.yaml"


class Served:
    """A running server and clients of it."""

    def __init__(self, server: PlantServer, keys: Path) -> None:
        self.server, self._keys = server, keys
        self.url = server.endpoint

    @asynccontextmanager
    async def anonymous(self) -> AsyncIterator[Client]:
        client = Client(self.url, watchdog_intervall=60)  # its probe would run with whatever token a test tries
        async with client:
            yield client

    @asynccontextmanager
    async def user(self, name: str = "operator", password: str = PASSWORD) -> AsyncIterator[Client]:
        client = Client(self.url)
        await client.set_security(SecurityPolicyBasic256Sha256, self._keys / "certificate.der", self._keys / "key.pem")
        client.set_user(name)
        client.set_password(password)
        async with client:
            yield client


async def node(client: Client, name: str) -> Node:
    return client.get_node(ua.NodeId(name, await client.get_namespace_index(PLANT_URI)))


async def caught_up(client: Client) -> None:
    """Wait until the plant shows the present."""
    heartbeat = await node(client, "Simulation.Heartbeat")
    while datetime.now(UTC) - _time_of(await heartbeat.read_data_value()) > timedelta(milliseconds=300):
        await asyncio.sleep(0.05)


def _time_of(value: ua.DataValue) -> datetime:
    assert value.SourceTimestamp is not None
    return value.SourceTimestamp.replace(tzinfo=UTC)


NEVER = datetime(1601, 1, 1, tzinfo=UTC)


async def read(client: Client, names: list[str], point: bytes | None = None, **details: Any) -> list[Any]:
    """The raw answer of HistoryRead, the data decoded."""
    given = {
        "IsReadModified": False,
        "StartTime": NEVER,
        "EndTime": NEVER,
        "NumValuesPerNode": 0,
        "ReturnBounds": False,
    }
    params = ua.HistoryReadParameters(
        HistoryReadDetails=ua.ReadRawModifiedDetails(**(given | details)),
        TimestampsToReturn=ua.TimestampsToReturn.Source,
        ReleaseContinuationPoints=False,
        NodesToRead=[ua.HistoryReadValueId((await node(client, n)).nodeid, ContinuationPoint=point) for n in names],
    )
    return await client.uaclient.history_read(params)


async def pages(client: Client, name: str, **details: Any) -> list[list[ua.DataValue]]:
    """Every page of a read."""
    found, point = [], None
    while True:
        (result,) = await read(client, [name], point, **details)
        result.StatusCode.check()
        found.append(result.HistoryData.DataValues)
        point = result.ContinuationPoint
        if not point:
            return found


async def everything(client: Client, name: str) -> list[ua.DataValue]:
    past, now = datetime.now(UTC) - timedelta(days=2), datetime.now(UTC) + timedelta(seconds=1)
    return [v for page in await pages(client, name, StartTime=past, EndTime=now) for v in page]


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@asynccontextmanager
async def running(spec: PlantSpec, settings: ServerSettings, keys: Path) -> AsyncIterator[Served]:
    server = PlantServer(spec, settings)
    await server.start()
    pacing = asyncio.create_task(server.run())
    try:
        yield Served(server, keys)
    finally:
        pacing.cancel()
        with suppress(asyncio.CancelledError):
            await pacing
        await server.stop()
