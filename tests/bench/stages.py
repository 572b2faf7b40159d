"""What each stage of a value's way through the gateway costs by itself, hot: CPU time of the whole process."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path

from asyncua import ua
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import struct_to_binary
from notifications import Kind, data_type, rounds
from peers import Peer, mosquitto
from report import Figure
from support_demo import free_ports

from gateway.catalogue import TagCatalogue
from gateway.journal import Draft, Journal, JournalSettings, Record
from gateway.journal import Kind as RecordKind
from gateway.opcua.decode import decode_data
from gateway.opcua.wire import publish_response
from gateway.records import to_batch
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.influx_http import InfluxSettings, Poster
from gateway.sinks.latest import Latest
from gateway.sinks.line_protocol import FIELDS as SERIES_FIELDS
from gateway.sinks.line_protocol import Series, SeriesRun, encode
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection
from gateway.sinks.plans import Plans
from gateway.sinks.sparkplug_data import Data, encoded
from gateway.sinks.sparkplug_loads import loads
from gateway.sinks.sparkplug_metric import FIELDS as DEFINITION_FIELDS
from gateway.sinks.sparkplug_metric import Definition
from gateway.sinks.sparkplug_spread import Spread
from gateway.sinks.sparkplug_state import TagState
from gateway.sinks.tag_table import TagTable
from gateway.status import JournalStatus
from gateway.values import DataType, Tag

SIZES = (1_000, 10_000)
SPAN_S = 0.3
"""How long a stage is run, at least."""
GROUP = 100
_READ = 1 << 18  # bytes that the event loop takes from a socket at once


class Stages:
    """Notifications, whole or cut or decoded, as each stage gets them, one after the other and over again."""

    def __init__(self, kind: Kind, size: int) -> None:
        self._tags = [
            Tag(i, "load", f"i={i}", ("Load", f"Group{i // GROUP}", f"Tag{i}"), DataType(data_type(kind, i)))
            for i in range(1, size + 1)
        ]
        reports = rounds(kind, [(tag.id, tag.id) for tag in self._tags])
        steady = reports[1:] or reports
        bodies = [report[0].at(1, time.time_ns()) for report in steady]
        self.size = steady[0][0].tags
        self.body = bodies[0]
        records = [Record(1, RecordKind.DATA, "load", time.time_ns(), False, self.size, body) for body in bodies]
        batches = [to_batch([record]) for record in records]
        self.bodies, self.batches = cycle(bodies), cycle(batches)
        self._series: TagTable[Series] = TagTable(_series, SERIES_FIELDS)
        self._definitions: TagTable[Definition] = TagTable(_definition, DEFINITION_FIELDS)
        self._runs: Plans[Series, SeriesRun] = Plans(SeriesRun.of)
        self._spreads: Plans[Definition, Spread] = Plans(Spread)
        self._state = TagState()
        self._server = SecureConnection(SecurityPolicyNone(), TransportLimits())
        self._client = UASocketProtocol()

    async def prepare(self) -> None:
        """What is made before values come."""
        catalogue = TagCatalogue(self._tags)
        await self._series.refresh(catalogue)
        await self._definitions.refresh(catalogue)
        for tag in self._tags:
            self._state.declare(tag)

    def receive(self) -> bytes:
        """From the chunks of a PublishResponse to the body of its notification."""
        asked: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._client._callbackmap[1] = asked
        for start in range(0, len(self._wire), _READ):
            self._client.data_received(self._wire[start : start + _READ])
        self._client._connection._peer_sequence_number = None
        answer = asked.result()
        return publish_response(answer.read(len(answer))).message.notifications[0].body  # type: ignore[attr-defined, arg-type]

    def put_on_wire(self) -> None:
        """Prepare receive()."""
        response = ua.PublishResponse()
        kind = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
        response.Parameters.NotificationMessage.NotificationData = [ua.ExtensionObject(kind, self.body)]
        self._wire = self._server.message_to_binary(struct_to_binary(response), request_id=1)

    def lines(self) -> bytes:
        """Line protocol."""
        batch = next(self.batches)
        self._series.require(batch)
        runs = [self._runs.of([column], self._series.rows) for column in batch.columns]
        lines = [encode(column, run) for column, run in zip(batch.columns, runs, strict=True)]
        return b"".join([b"".join(some.pieces) for some in lines])

    def metrics(self) -> list[Data]:
        """Metrics of Sparkplug by device."""
        batch, rows, state = next(self.batches), self._definitions.rows, self._state
        self._definitions.require(batch)
        found: list[Data] = []
        for load, spread in loads(batch, rows, self._spreads):
            births = [run.adapt(state, column) for run, column in spread.each(load)]
            assert not any(births)
            found += encoded(load, spread, state, historical=False)
            state.told(spread, load)
        return found


def _series(tag: Tag) -> Series:
    return Series.of(tag, "load", {"group": tag.path[1], "tag": tag.path[2]})


def _definition(tag: Tag) -> Definition:
    return Definition(tag, tag.path[1], tag.path[2], tag.id // GROUP)


async def cost_us(act: Callable[[], object | Awaitable[object]], values: int) -> float:
    """CPU microseconds a value."""
    runs, began, cpu = 0, time.monotonic(), time.process_time()
    while time.monotonic() < began + SPAN_S:
        result = act()
        if isinstance(result, Awaitable):
            await result
        runs += 1
    return (time.process_time() - cpu) / runs / values * 1e6


async def measured(kind: Kind, size: int, folder: Path, connection: Connection, poster: Poster) -> dict[str, float]:
    """Microseconds a value, by stage."""
    stages, latest = Stages(kind, size), Latest()
    await stages.prepare()
    stages.put_on_wire()
    journal = await Journal.open(folder / f"{kind}{size}.sqlite", JournalSettings(), JournalStatus())
    lines = stages.lines()
    messages = [Message(f"bench/{data.device}", data.metrics) for data in stages.metrics()]

    acts: dict[str, Callable[[], object | Awaitable[object]]] = {
        "receive": stages.receive,
        "decode": lambda: decode_data(next(stages.bodies), 1),
        "journal": lambda: journal.append([Draft(RecordKind.DATA, "load", stages.body, stages.size)]),
        "page": lambda: latest.write(next(stages.batches)),
        "line protocol": stages.lines,
        "HTTP": lambda: poster.post(lines),
        "Sparkplug": stages.metrics,
        "MQTT": lambda: connection.publish(messages, fenced=True),
    }
    found = {name: await cost_us(act, stages.size) for name, act in acts.items()}
    await journal.close()
    return found


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[tuple[Connection, Poster]]:
    """A broker and a database."""
    mqtt, http = free_ports(2)
    database = Peer("database.py", "--port", str(http))
    poster = Poster(InfluxSettings(url=f"http://127.0.0.1:{http}", org="o", bucket="b", token="t"))  # type: ignore[arg-type]
    with mosquitto(mqtt, folder):
        connection = Connection(BrokerSettings(port=mqtt), "bench")
        await connection.open(Message("bench", b""))
        try:
            yield connection, poster
        finally:
            await connection.close()
            poster.close()
            database.end()


async def _all(folder: Path) -> list[Figure]:
    async with connected(folder) as (connection, poster):
        found = []
        for kind in Kind:
            for size in SIZES:
                costs = await measured(kind, size, folder, connection, poster)
                found += [Figure(f"stage, {size} {kind}: {name}", cost, "us/value") for name, cost in costs.items()]
        return found


def figures() -> Iterator[Figure]:
    """Every stage."""
    with tempfile.TemporaryDirectory(prefix="conche-stages-") as folder:
        yield from asyncio.run(_all(Path(folder)))
