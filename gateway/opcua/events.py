"""Events that arrive, as drafts for the journal. Cold path: one event at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from gateway.journal import Draft, Kind
from gateway.opcua.event_types import BASE_FIELDS, EventTypes, find_event_types
from gateway.opcua.variant import Reader, variant
from gateway.opcua.wire import event_fields, historical_event_fields
from gateway.store.bodies import event_body, read_event
from gateway.values import DataType, Event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gateway.opcua.session import Session
    from gateway.opcua.typebook import TypeBook

WINDOW = 10_000
"""Events that are remembered, so that one that comes twice (republished, on two ways, from history) is told once."""

_SEVERITIES = (1, 1_000)
_MODEL_CHANGES = frozenset({"i=2132", "i=2133"})  # BaseModelChangeEventType, GeneralModelChangeEventType
_SEMANTIC_CHANGE = "i=2738"  # SemanticChangeEventType: a property such as the unit is another one

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An event that is to be stored, and what it is known by."""

    key: bytes
    time: int
    draft: Draft


def _nobody(*, semantics: bool) -> None:
    """Nobody wants to know."""


class EventReader:
    """Reads the events of one source. `types` is replaced at every connect."""

    def __init__(
        self, source: str, on_change: Callable[..., None] = _nobody, structures: TypeBook | None = None
    ) -> None:
        self.types = EventTypes()
        self._structures = structures  # knows those of the server, as they are now
        self._source = source
        self._on_change = on_change  # told of changes of the address space; `semantics`: of its properties
        self._window: deque[bytes] = deque(maxlen=WINDOW)
        self._known: set[bytes] = set()

    async def learn(self, session: Session) -> None:
        """Have the server's types of events, and the structures that these may carry. JournalError."""
        self.types, kinds = await find_event_types(session)
        if self._structures is not None:
            await self._structures.learn(session, kinds)

    def fields(self, body: bytes) -> list[list[Any]]:
        """The fields of each event of an EventNotificationList. Malformed."""
        return event_fields(body, event_field, self._structures)

    def history(self, body: bytes) -> list[list[Any]]:
        """The fields of each event of a HistoryEvent. Malformed."""
        return historical_event_fields(body, event_field, self._structures)

    def read(self, events: Iterable[Sequence[Any]], received: int, *, historical: bool = False) -> list[Told]:
        """The events (their fields, by select clause) that are not known yet."""
        told: dict[bytes, Told] = {}
        for fields in events:
            if len(fields) < len(BASE_FIELDS):
                _log.warning("event without the fields that were asked for", source=self._source, fields=len(fields))
                continue
            one = self._told(fields, received, historical=historical)
            if one.key not in self._known and _digest(one.draft.body) not in self._known:
                told.setdefault(one.key, one)
        return list(told.values())

    def _told(self, fields: Sequence[Any], received: int, *, historical: bool) -> Told:
        event_id, kind = fields[0], str(fields[1])
        if kind in _MODEL_CHANGES or kind == _SEMANTIC_CHANGE:
            self._on_change(semantics=kind == _SEMANTIC_CHANGE)
        key = event_id if isinstance(event_id, bytes) and event_id else repr(fields).encode()
        event = self._event(fields, received)
        draft = Draft(Kind.EVENT, self._source, event_body(event), historical=historical, received=received)
        return Told(key, event.time, draft)

    def remember(self, told: Iterable[Told]) -> None:
        """These events are in the journal."""
        for one in told:
            self._know(one.key)

    def recall(self, body: bytes) -> int:
        """An event is in the journal, from an earlier run: it is known by its body then. Its time."""
        self._know(_digest(body))
        return read_event(body, 0).time

    def _know(self, key: bytes) -> None:
        if len(self._window) == WINDOW:
            self._known.discard(self._window[0])
        self._window.append(key)
        self._known.add(key)

    def _event(self, fields: Sequence[Any], received: int) -> Event:
        _, kind, source_name, time, severity, message, *own = fields
        key = str(kind)
        low, high = _SEVERITIES
        return Event(
            position=0,
            source=self._source,
            type=self.types.names.get(key, key),
            source_name=str(source_name or ""),
            time=time if isinstance(time, int) and time > 0 else received,
            severity=min(max(severity, low), high) if isinstance(severity, int) else low,
            message=str(message or ""),
            fields=self._own(key, own),
        )

    def _own(self, key: str, values: Sequence[Any]) -> Mapping[str, Any]:
        """What the event's type adds; of an unknown type, whatever has a value."""
        places = self.types.fields.get(key)
        if places is None:
            places = tuple(place for place, value in enumerate(values) if value is not None)
        names = [str(clause.name.Name) for clause in self.types.clauses]
        return {names[place]: _simple(values[place]) for place in places if place < min(len(values), len(names))}


class _Moment(int):
    """A DateTime among the other numbers: Unix nanoseconds."""


def event_field(reader: Reader) -> Any:  # noqa: ANN401 - any OPC UA value
    """One Variant of an event, a DateTime told from a number."""
    is_moment = reader.data[reader.pos] == DataType.DATETIME
    value = variant(reader)
    return _Moment(value) if is_moment and isinstance(value, int) else value


def iso_text(time: int) -> str:
    """Unix nanoseconds as ISO 8601 in UTC, to the millisecond."""
    return f"{np.datetime_as_string(np.datetime64(int(time), 'ns'), unit='ms')}Z"


def _simple(value: Any) -> Any:  # noqa: ANN401 - any OPC UA value
    """Times as ISO 8601 in UTC, bytes as hexadecimal text; lists and structures as those of tags."""
    if isinstance(value, _Moment):
        return iso_text(value) if value > 0 else None
    return value.hex() if isinstance(value, bytes) else value


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=16).digest()
