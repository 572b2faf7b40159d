"""The unified namespace: every tag a topic, its last value a retained JSON message that people and Grafana can read."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from time import time_ns
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from gateway.contract import Catalogue, NotConnected, Rejected
from gateway.naming import Naming
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.json_text import NULL, event_text, gap_text, iso_time, iso_times, text, texts
from gateway.sinks.message import Message, TopicTemplate, level, topic
from gateway.sinks.mqtt import Connection
from gateway.sinks.news import news, select
from gateway.sinks.tag_table import TagTable
from gateway.values import Batch, Column, DataType, Tag

_SLICE = 256  # values between two looks at the broker's confirmations
_QUALITIES = (b'"GOOD"', b'"UNCERTAIN"', b'"BAD"', b'"BAD"')  # by the two top bits of the status; 11 is reserved
_TYPES = (  # noqa: SIM905 - a name a word, not a name a line
    "Null Boolean SByte Byte Int16 UInt16 Int32 UInt32 Int64 UInt64 Float Double String DateTime Guid ByteString "
    "XmlElement NodeId ExpandedNodeId StatusCode QualifiedName LocalizedText Structure DataValue Variant DiagnosticInfo"
).split()
"""Names of the built-in types by DataType."""


class UnsSettings(BaseModel):
    """A unified namespace on an MQTT broker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["uns"] = "uns"
    name: str = Field(default="uns", description="Unique. What was delivered is remembered by it.")
    broker: BrokerSettings = Field(default=BrokerSettings(), description="The MQTT broker.")
    client_id: str = Field(default="conche-uns", min_length=1, description="Unique on the broker.")
    topic: TopicTemplate = Field(
        default="{enterprise}/{site}/{area}/{line}/{station}/{group}/{tag}", description="Topic of a tag."
    )
    root: TopicTemplate = Field(
        default="{enterprise}/{site}/{area}",
        description="What _status/<client_id>, <source name>/_event/<type> and _gap are below; formed from constants.",
    )


@dataclass(frozen=True, slots=True)
class _Topic:
    """What is the same in every message of a tag."""

    tag: Tag
    address: str
    unit: bytes
    end: bytes
    texts: tuple[bytes, ...]  # of an enumeration by value, as they end the message


class Uns:
    """Publishes each value of each tag, in order, with QoS 1: retained when live, marked and not retained when late."""

    def __init__(self, name: str, settings: UnsSettings, naming: Naming) -> None:
        naming.require(settings.topic)
        naming.require(settings.root, constants_only=True)
        self.name = name
        self._template = settings.topic
        self._naming = naming
        self._root = topic(settings.root, naming.constants)
        self._status_topic = f"{self._root}/_status/{level(settings.client_id)}"
        self._connection = Connection(settings.broker, settings.client_id)
        self._table: TagTable[_Topic] = TagTable(self._make, {"tag.since": np.int64})
        self._tags: Catalogue | None = None
        self._statuses: dict[int, bytes] = {}

    async def open(self, tags: Catalogue) -> None:
        """Connect and say on the liveness topic that we are there. Raises NotConnected."""
        self._tags = tags
        await self._connection.open(self._presence(online=False))
        await self._connection.publish([self._presence(online=True)])

    async def write(self, batch: Batch) -> None:
        """Return when the broker has confirmed every message. Raises NotConnected or Rejected."""
        if self._tags is None:
            raise NotConnected("not opened yet")
        await self._table.refresh(self._tags)
        self._table.require(batch)
        positions: list[int] = []
        messages = _counted(heapq.merge(self._values(batch), self._notices(batch), key=itemgetter(0)), positions)
        refused = await self._connection.publish(messages)
        if refused:
            reasons = sorted(set(refused.values()))
            raise Rejected([positions[i] for i in sorted(refused)], f"refused by the broker: {'; '.join(reasons[:3])}")

    async def close(self) -> None:
        """Say that we go, and disconnect."""
        await self._connection.close(self._presence(online=False))

    def _presence(self, *, online: bool) -> Message:
        body = {"online": True, "since": iso_time(time_ns())} if online else {"online": False}
        return Message(self._status_topic, text(body), qos=1, retain=True)

    def _make(self, tag: Tag) -> _Topic:
        unit = b',"unit":' + text(tag.unit)
        end = b'","type":' + text(_TYPES[tag.data_type])
        enum = tuple(b',"text":' + text(word) for word in tag.enum)
        return _Topic(tag, topic(self._template, self._naming.of(tag)), unit, end, enum)

    def _values(self, batch: Batch) -> Iterator[tuple[int, Message]]:
        """Messages of all columns by rising position, formed as they are asked for."""
        columns = [news(column, self._table.rows) if batch.historical else column for column in batch.columns]
        every = np.sort(np.concatenate([column.position for column in columns])) if columns else np.empty(0, np.int64)
        for start in range(0, len(every), _SLICE):
            bounds = every[start], every[min(start + _SLICE, len(every)) - 1]
            rows = (self._slice(column, bounds, late=batch.historical) for column in columns)
            yield from sorted((row for slice_ in rows for row in slice_), key=itemgetter(0))

    def _slice(self, column: Column, bounds: tuple[np.int64, np.int64], *, late: bool) -> Iterator[tuple[int, Message]]:
        """Messages of the values whose positions lie within the bounds."""
        first, last = np.searchsorted(column.position, bounds[0]), np.searchsorted(column.position, bounds[1], "right")
        part = select(column, slice(int(first), int(last)))
        topics = self._table.rows.of(part.tag)
        bodies = self._bodies(part, topics, late=late)
        for position, row, body in zip(part.position.tolist(), topics, bodies, strict=True):
            yield position, Message(row.address, body, qos=1, retain=not late)

    def _bodies(self, column: Column, topics: list[_Topic], *, late: bool) -> Iterator[bytes]:
        """One JSON object a value."""
        tail = b',"historical":true}' if late else b"}"
        is_time = [row.tag.data_type == DataType.DATETIME for row in topics]
        shown = _shown(column.value, column.status, is_time)
        codes, stamps = column.status.tolist(), iso_times(column.time)
        for row, raw, json, code, stamp in zip(topics, column.value, shown, codes, stamps, strict=True):
            words = _enum_text(row, raw, json) if row.texts else b""
            head = (b'{"value":', json, row.unit, self._status(code), stamp.encode(), row.end, words, tail)
            yield b"".join(head)

    def _status(self, code: int) -> bytes:
        known = self._statuses.get(code)
        if known is None:
            known = b',"quality":%b,"status":%d,"ts":"' % (_QUALITIES[code >> 30], code)
            self._statuses[code] = known
        return known

    def _notices(self, batch: Batch) -> Iterator[tuple[int, Message]]:
        """Messages of events and gaps by rising position."""
        assert self._tags is not None
        found = []
        for event in batch.events:
            where = f"{self._root}/{level(event.source_name)}/_event/{level(event.type)}"
            found.append((event.position, Message(where, event_text(event, historical=batch.historical), qos=1)))
        for gap in batch.gaps:
            body = gap_text(gap, self._tags, historical=batch.historical)
            found.append((gap.position, Message(f"{self._root}/_gap", body, qos=1)))
        return iter(sorted(found, key=itemgetter(0)))


def _shown(value: NDArray[Any], status: NDArray[np.uint32], is_time: list[bool]) -> list[bytes]:
    """The values as JSON: null where the status is bad, dates as text."""
    shown = texts(value)
    if value.dtype == np.int64 and any(is_time):
        dates = iso_times(value)
        shown = [b'"%b"' % dates[i].encode() if is_date else shown[i] for i, is_date in enumerate(is_time)]
    for i in np.flatnonzero(status >> 31):
        shown[i] = NULL
    return shown


def _enum_text(row: _Topic, raw: Any, json: bytes) -> bytes:  # noqa: ANN401 - a value
    """The name of an enumeration's value; null where it has none."""
    is_number = isinstance(raw, np.integer) and json != NULL
    return row.texts[raw] if is_number and 0 <= raw < len(row.texts) else b',"text":null'


def _counted(rows: Iterator[tuple[int, Message]], positions: list[int]) -> Iterator[Message]:
    """The messages; their positions are noted on the way."""
    for position, message in rows:
        positions.append(position)
        yield message
