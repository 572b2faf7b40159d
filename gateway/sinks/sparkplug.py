"""A Sparkplug B 3.0 edge node: the gateway announces every tag as a metric and sends what changes by alias."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from time import time_ns
from typing import Any, Literal

import structlog
from google.protobuf.message import DecodeError
from pydantic import BaseModel, ConfigDict, Field

from gateway.contract import Catalogue, NotConnected, Rejected
from gateway.naming import Naming, Template, fill
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.json_text import event_text, gap_text
from gateway.sinks.message import Message, level
from gateway.sinks.mqtt import Connection
from gateway.sinks.plans import Plans
from gateway.sinks.sparkplug_codec import payload, sent
from gateway.sinks.sparkplug_data import encoded
from gateway.sinks.sparkplug_deaths import DeathCounter
from gateway.sinks.sparkplug_loads import loads
from gateway.sinks.sparkplug_metric import FIELDS, Definition, Sample, birth_metric, milliseconds, node_metric
from gateway.sinks.sparkplug_schema import Datatype, Payload
from gateway.sinks.sparkplug_spread import Load, Spread
from gateway.sinks.sparkplug_state import TagState
from gateway.sinks.tag_table import TagTable
from gateway.values import Batch, Tag

log = structlog.get_logger(__name__)

_REBIRTH = "Node Control/Rebirth"
_EVENT, _GAP = "Event", "Gap"  # metrics of the node: the last event and gap as JSON
_AROUND = 1000  # bytes of a message beside its metrics, at most
_SLICE = 200  # metrics of a birth between two turns of the event loop


class SparkplugSettings(BaseModel):
    """A Sparkplug edge node on an MQTT broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["sparkplug"] = "sparkplug"
    name: str = Field(default="sparkplug", description="Unique. What was delivered is remembered by it.")
    broker: BrokerSettings = Field(default=BrokerSettings(), description="The MQTT broker.")
    client_id: str = Field(default="conche-sparkplug", min_length=1, description="Unique on the broker.")
    group: Template = Field(default="{enterprise}", description="Group id; formed from constants.")
    node: Template = Field(default="conche", description="Edge node id, unique in the group; formed from constants.")
    device: Template = Field(default="{line}.{station}", description="Device id of a tag.")
    metric: Template = Field(default="{group}/{tag}", description="Metric name of a tag, unique in the device.")


class Sparkplug:
    """Births, data, death; data at QoS 0 as the specification demands, and a fence behind each batch."""

    def __init__(self, name: str, settings: SparkplugSettings, naming: Naming, state: Path) -> None:
        """`state` is the JSON file that keeps the birth/death sequence number over restarts."""
        naming.require(settings.device, settings.metric)
        naming.require(settings.group, settings.node, constants_only=True)
        self.name = name
        self._settings = settings
        self._naming = naming
        self._deaths = DeathCounter(state)
        self._group, self._node = (level(fill(part, naming.constants)) for part in (settings.group, settings.node))
        self._connection = Connection(settings.broker, settings.client_id, self._receive)
        self._table: TagTable[Definition] = TagTable(self._make, FIELDS)
        self._spreads: Plans[Definition, Spread] = Plans(Spread)
        self._device_numbers: dict[str, int] = {}
        self._state = TagState()
        self._tags: Catalogue | None = None
        self._death_number = 0
        self._sequence = 0
        self._announced = 0  # metrics of tags that the last births told of
        self._busy = asyncio.Lock()
        self._rebirth: asyncio.Task[None] | None = None

    async def open(self, tags: Catalogue) -> None:
        """Connect with a new death sequence number, listen to commands, and give all births. Raises NotConnected."""
        self._stop_rebirth()
        async with self._busy:
            self._tags = tags
            self._death_number = await self._deaths.advance()
            await self._connection.open(Message(self._topic("NDEATH"), self._death(), qos=1))
            await self._connection.subscribe(self._topic("NCMD"), self._topic("DCMD", "+"))
            await self._table.refresh(tags)
            await self._announce()

    async def write(self, batch: Batch) -> None:
        """Return when the broker has read all messages. Raises NotConnected or Rejected."""
        async with self._busy:
            try:
                await self._write(batch)
            except asyncio.CancelledError:
                self._connection.drop()  # sequence numbers may have been used up that nobody ever sees
                raise

    async def close(self) -> None:
        """Die in good order: NDEATH, DISCONNECT."""
        self._stop_rebirth()
        await self._connection.close(Message(self._topic("NDEATH"), self._death()), with_will=True)

    async def _write(self, batch: Batch) -> None:
        if self._tags is None:
            raise NotConnected("not opened yet")
        births_due = await self._table.refresh(self._tags)
        self._table.require(batch)
        send = loads(batch, self._table.rows, self._spreads)
        adapted = [run.adapt(self._state, column) for load, spread in send for run, column in spread.each(load)]
        has_former = len(self._table.rows) > self._announced  # values of tags that their server no longer has
        if births_due or any(adapted) or has_former:
            await self._announce()
        oversized: list[int] = []
        await self._connection.publish(self._data(batch, send, oversized), fenced=True)
        if oversized:
            limit = self._connection.largest
            raise Rejected(oversized, f"the message has more bytes than the broker takes ({limit})")

    def _make(self, tag: Tag) -> Definition:
        names = self._naming.of(tag)
        self._state.declare(tag)
        device = level(fill(self._settings.device, names))
        number = self._device_numbers.setdefault(device, len(self._device_numbers))
        return Definition(tag, device, fill(self._settings.metric, names), number)

    def _data(self, batch: Batch, send: list[tuple[Load, Spread]], oversized: list[int]) -> Iterator[Message]:
        """Messages, numbered as they leave; `oversized` gets the positions of those that the broker would not take."""
        largest, beginning = self._connection.largest - _AROUND, _beginning()
        for load, spread in send:
            for whole in encoded(load, spread, self._state, historical=batch.historical):
                for data in whole.cut(largest):
                    if len(data.metrics) <= largest:
                        yield self._message("DDATA", data.metrics, data.device, beginning)
                    else:
                        oversized += data.positions.tolist()
            if not batch.historical:
                self._state.told(spread, load)
        for position, metric in self._notices(batch):
            if len(metric) <= largest:
                yield self._message("NDATA", metric)
            else:
                oversized.append(position)

    def _notices(self, batch: Batch) -> Iterator[tuple[int, bytes]]:
        """Events and gaps as metrics of the node, with their positions."""
        assert self._tags is not None
        late = batch.historical
        for event in batch.events:
            body = event_text(event, historical=late).decode()
            yield event.position, node_metric(_EVENT, Datatype.STRING, Sample(body, 0, event.time), historical=late)
        for gap in batch.gaps:
            body = gap_text(gap, self._tags, historical=late).decode()
            yield gap.position, node_metric(_GAP, Datatype.STRING, Sample(body, 0, gap.end), historical=late)

    async def _announce(self) -> None:
        """All births, sequence numbers from 0."""
        self._announced = len(self._table.rows)
        self._state.forget_quality()
        self._sequence = 0
        messages = [self._message("NBIRTH", self._node_metrics())]
        by_device = sorted(self._table.rows, key=lambda definition: (definition.device, definition.tag.id))
        for device, definitions in groupby(by_device, key=lambda definition: definition.device):
            messages.append(self._message("DBIRTH", await self._device_metrics(list(definitions)), device))
        refused = await self._connection.publish(messages, fenced=True)
        if refused:
            index, reason = next(iter(refused.items()))
            self._connection.drop()
            raise NotConnected(f"{messages[index].topic}: {reason}; raise the broker's limit or use more devices")
        log.info("sparkplug births sent", sink=self.name, devices=len(messages) - 1, metrics=self._announced)

    def _node_metrics(self) -> bytes:
        now = time_ns()
        metrics = (
            ("bdSeq", Datatype.INT64, self._death_number),
            (_REBIRTH, Datatype.BOOLEAN, False),
            (_EVENT, Datatype.STRING, None),
            (_GAP, Datatype.STRING, None),
        )
        return b"".join(node_metric(name, kind, Sample(value, 0, now), birth=True) for name, kind, value in metrics)

    async def _device_metrics(self, definitions: list[Definition]) -> bytes:
        now = time_ns()
        metrics: list[bytes] = []
        for number, definition in enumerate(definitions, 1):
            tag_id = definition.tag.id
            sample = self._state.sample(tag_id)
            metrics.append(birth_metric(definition, self._state.datatype(tag_id), sample, now))
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        return b"".join(metrics)

    def _message(self, kind: str, metrics: bytes, device: str = "", beginning: bytes = b"") -> Message:
        body = payload(beginning or _beginning(), metrics, self._sequence)
        self._sequence = (self._sequence + 1) % 256
        return Message(self._topic(kind, device), body)

    def _death(self) -> bytes:
        now = time_ns()
        number = node_metric("bdSeq", Datatype.INT64, Sample(self._death_number, 0, now), birth=True)
        return payload(sent(milliseconds(now)), number, None)

    def _topic(self, kind: str, device: str = "") -> str:
        where = f"spBv1.0/{self._group}/{kind}/{self._node}"
        return f"{where}/{device}" if device else where

    def _receive(self, where: str, body: bytes) -> None:
        """A command. Only a rebirth is obeyed; whatever else comes is logged and changes nothing."""
        try:
            command = Payload.FromString(body)
        except DecodeError as error:
            log.warning("command is not Sparkplug, ignored", sink=self.name, topic=where, reason=str(error))
            return
        for metric in command.metrics:
            if where == self._topic("NCMD") and metric.name == _REBIRTH and metric.boolean_value:
                self._start_rebirth()
            else:
                log.warning("command is not supported, ignored", sink=self.name, topic=where, metric=_called(metric))

    def _start_rebirth(self) -> None:
        if self._rebirth is None or self._rebirth.done():
            self._rebirth = asyncio.create_task(self._give_birth_again(), name=f"{self.name}-rebirth")

    def _stop_rebirth(self) -> None:
        if self._rebirth is not None:
            self._rebirth.cancel()

    async def _give_birth_again(self) -> None:
        async with self._busy:
            log.info("rebirth requested", sink=self.name)
            try:
                await self._announce()
            except NotConnected as error:
                log.info("rebirth waits for the next connection", sink=self.name, reason=str(error))


def _beginning() -> bytes:
    return sent(milliseconds(time_ns()))


def _called(metric: Any) -> str:  # noqa: ANN401 - a protobuf class
    return metric.name or f"alias {metric.alias}"
