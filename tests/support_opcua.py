"""A journal in memory, asyncua servers on loopback, a TCP proxy that can be cut or go silent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MethodType

import numpy as np
import pytest
from asyncua import Server, ua
from asyncua.common.node import Node
from asyncua.server.internal_subscription import InternalSubscription

from gateway.catalogue import TagCatalogue
from gateway.journal import Draft, Heard, JournalError, Kind, Record
from gateway.opcua.datatypes import DataTypes
from gateway.opcua.decode import decode_data
from gateway.opcua.settings import SourceSettings
from gateway.opcua.source import OpcUaSource
from gateway.status import SourceStatus
from gateway.values import Tag

URI = "urn:test:plant"


@dataclass
class FakeJournal:
    """The journal's API in memory; `refuses` makes commits fail, `on_append` looks on."""

    records: list[Record] = field(default_factory=list)
    catalogue: TagCatalogue = field(default_factory=TagCatalogue)
    numbers: dict[str, int] = field(default_factory=dict)
    refuses: bool = False
    refused: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def head(self) -> int:
        return len(self.records)

    def append(self, drafts: Sequence[Draft], heard: Heard | None = None) -> asyncio.Future[int]:
        return asyncio.ensure_future(self._append(drafts, heard))

    async def _append(self, drafts: Sequence[Draft], heard: Heard | None) -> int:
        await asyncio.sleep(0)
        if self.refuses:
            self.refused += 1
            raise JournalError("disk full")
        for draft in drafts:
            self.records.append(
                Record(
                    self.head + 1, draft.kind, draft.source, draft.received, draft.historical, draft.count, draft.body
                )
            )
        self.numbers |= heard.numbers if heard else {}
        self.changed.set()
        return self.head

    async def hear_only(self, source: str, tokens: Collection[str]) -> None:
        if self.refuses:
            raise JournalError("disk full")
        self.numbers = {token: self.numbers.get(token, 0) for token in tokens}

    async def heard(self, source: str) -> dict[str, int]:
        return dict(self.numbers)

    async def adopt(self, source: str, tags: Sequence[Tag]) -> list[Tag]:
        if self.refuses:
            raise JournalError("disk full")
        plan = self.catalogue.plan(source, tags, 1)
        self.catalogue.apply(plan)
        return list(plan.tags)

    async def note_data_types(self, source: str, types: DataTypes) -> None:
        if self.refuses:
            raise JournalError("disk full")
        self.catalogue.begin(self.catalogue.era(source, types, self.head + 1))

    async def read(self, first: int, last: int, max_bytes: int) -> list[Record]:
        return self.records[first - 1 : last]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def values(self, name: str, historical: bool | None = None) -> list[tuple[int, object, int]]:
        """Time, value and status of a tag by the last name of its path, in the order of the journal."""
        (wanted,) = [tag.id for tag in self.catalogue if tag.path[-1] == name]
        found = []
        for record in self.of(Kind.DATA):
            if historical is not None and record.historical != historical:
                continue
            types = self.catalogue.data_types(record.source, record.sequence)
            for part in decode_data(record.body, record.received, types):
                here = np.flatnonzero(part.tag == wanted)
                found += [(int(part.time[i]), part.value[i], int(part.status[i])) for i in here]
        return found

    async def until(self, holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Wait until something holds of what is stored."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self.changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self.changed.wait()
                except TimeoutError:
                    continue


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Plant:
    """An asyncua server; `hall` gives every test a part of it for itself."""

    def __init__(self, port: int, uris: Sequence[str] = (URI,)) -> None:
        self.port = port
        self.url = f"opc.tcp://127.0.0.1:{port}/"
        self.server = Server()
        self._uris = uris
        self._halls = 0

    async def build(self) -> Plant:
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in self._uris:
            await self.server.register_namespace(uri)
        self.index = await self.server.get_namespace_index(URI)
        return self

    async def hall(self) -> Hall:
        """A folder of its own below Objects: Hall1, Hall2 …"""
        self._halls += 1
        name = f"Hall{self._halls}"
        return Hall(self, name, await self.server.nodes.objects.add_folder(*self.names(name)))

    def names(self, node: str, name: str | None = None) -> tuple[ua.NodeId, ua.QualifiedName]:
        return ua.NodeId(node, self.index), ua.QualifiedName(name or node, self.index)

    def subscriptions(self) -> dict[int, InternalSubscription]:
        """Those of clients."""
        everything = self.server.iserver.subscription_service.subscriptions
        return {i: one for i, one in everything.items() if one.pub_request_callback}

    async def end_sessions(self, *, subscriptions: bool = True) -> None:
        """Forget all clients, as a server does that was restarted; without `subscriptions` only that they are there."""
        for session in list(self.server.iserver._external_sessions.values()):
            await session.close_session(subscriptions)
        if subscriptions:
            await self.server.iserver.subscription_service.delete_subscriptions(list(self.subscriptions()))

    def mend_transfer(self) -> None:
        """Make TransferSubscriptions work: asyncua answers Good, and goes on using the old connection's requests."""
        service = self.server.iserver.subscription_service
        broken = service.transfer_subscriptions

        async def transfer(params: object, session_id: object, callback: MethodType) -> object:
            results = await broken(params, session_id, callback)
            for number in params.SubscriptionIds:  # type: ignore[attr-defined]
                if number in service.subscriptions:
                    service.subscriptions[number].pub_request_callback = callback.__self__.get_publish_request  # type: ignore[attr-defined]
            return results

        service.transfer_subscriptions = transfer


@dataclass
class Hall:
    """Part of a server, with variables; `write` sets a value with a source time of its own."""

    plant: Plant
    name: str
    root: Node
    nodes: dict[str, Node] = field(default_factory=dict)
    clock: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def add(
        self, name: str, value: object = 0.0, kind: ua.VariantType = ua.VariantType.Double, *, history: bool = False
    ) -> Node:
        node = await self.root.add_variable(*self.plant.names(f"{self.name}.{name}", name), value, kind)
        self.nodes[name] = node
        if history:
            await self.plant.server.historize_node_data_change(node, period=None)
        return node

    async def remove(self, name: str) -> None:
        """Let the server forget a variable. asyncua's own way leaves a coroutine behind that nobody awaits."""
        node = self.nodes.pop(name)
        await self.root.delete_reference(node, ua.ObjectIds.HasComponent)
        del self.plant.server.iserver.aspace[node.nodeid]

    async def write(self, name: str, value: object, kind: ua.VariantType = ua.VariantType.Double) -> datetime:
        self.clock = max(self.clock + timedelta(milliseconds=1), datetime.now(UTC))
        changed = ua.DataValue(ua.Variant(value, kind), SourceTimestamp=self.clock)
        await self.plant.server.write_attribute_value(self.nodes[name].nodeid, changed)
        return self.clock


@dataclass
class Proxy:
    """TCP between client and server. cut() drops the links, `silent` lets bytes vanish while the link stays up."""

    target: int
    port: int = 0
    silent: bool = False
    refuses: bool = False
    accepted: int = 0
    _links: set[asyncio.StreamWriter] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self) -> Proxy:
        self._server = await asyncio.start_server(self._link, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        self.accepted += 1
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self._links |= {writer, there}
        await asyncio.gather(self._pump(reader, there), self._pump(there_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                if not self.silent:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()

    def cut(self) -> None:
        for writer in self._links:
            writer.transport.abort()
        self._links.clear()

    async def stop(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()


@dataclass
class Run:
    """A source that is running."""

    journal: FakeJournal
    status: SourceStatus
    source: OpcUaSource
    task: asyncio.Task[None]


@asynccontextmanager
async def running(
    url: str, state: Path, *roots: str, journal: FakeJournal | None = None, **settings: object
) -> AsyncIterator[Run]:
    """A source with short pauses; cancelled at the end."""
    journal = journal or FakeJournal()
    quick = {"settle_s": 0.1, "first_history_s": 0, "pause_s": 0} | dict(settings.pop("backfill", {}))  # type: ignore[call-overload]
    chosen = {
        "name": "plant",
        "url": url,
        "security": {"policy": "None"},
        "roots": roots,
        "publishing_interval_ms": 20,
        "keepalive_s": 1,
        "timeout_s": 3,
        "retry_item_s": 0.2,
        "retry_max_s": 0.3,
        "events": False,
        "rebrowse_s": 0,
        "backfill": quick,
    } | settings
    status = SourceStatus("plant", url)
    source = OpcUaSource(SourceSettings.model_validate(chosen), journal, status, state)
    task = asyncio.ensure_future(source.run())
    try:
        yield Run(journal, status, source, task)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
