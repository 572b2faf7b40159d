"""Events of the Server object: what to ask for, and the drafts that arrive. Cold path: one event at a time."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import structlog
from asyncua import ua

from gateway.journal import Draft, Kind
from gateway.opcua.browse import browse_children
from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.nodes import standard
from gateway.opcua.variant import Reader, variant
from gateway.opcua.wire import event_fields
from gateway.store.bodies import event_body
from gateway.values import DataType, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.opcua.session import Session

BASE_FIELDS = ("EventId", "EventType", "SourceName", "Time", "Severity", "Message")
WINDOW = 10_000
"""EventIds that are remembered, so that an event that comes twice (by republishing, or on two ways) is told once."""

_BASE_TYPE = standard(ua.ObjectIds.BaseEventType)
_SERVER = standard(ua.ObjectIds.Server)
_HANDLE = 0  # tags begin at 1
_QUEUE = 1_000
_MOST_FIELDS = 500
_SEVERITIES = (1, 1_000)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EventField:
    """A field that an event type of the server's own adds."""

    declared: ua.NodeId  # the type that declares it
    name: ua.QualifiedName


@dataclass(slots=True)
class EventTypes:
    """The event types of a server."""

    names: dict[str, str] = field(default_factory=dict)  # type (as in variants) -> browse name
    fields: dict[str, tuple[int, ...]] = field(default_factory=dict)  # type -> its own and inherited fields, by place
    clauses: list[EventField] = field(default_factory=list)  # all of them


async def find_event_types(session: Session) -> EventTypes:
    """BaseEventType and everything below it; fields are looked for in the server's own namespaces only."""
    types = EventTypes({_key(_BASE_TYPE): "BaseEventType"}, {_key(_BASE_TYPE): ()})
    level = [_BASE_TYPE]
    while level:
        below = await browse_children(
            session, level, reference=ua.ObjectIds.HasSubtype, classes=ua.NodeClass.ObjectType
        )
        level = [
            child for above, found in zip(level, below, strict=True) for child in _new(session, types, above, found)
        ]
        await _add_fields(session, types, [node for node in level if node.NamespaceIndex])
    return types


def _key(node: ua.NodeId) -> str:
    """A NodeId as variant.node_id() writes it."""
    return str(node.to_string())


def _new(
    session: Session, types: EventTypes, above: ua.NodeId, found: Iterable[ua.ReferenceDescription]
) -> list[ua.NodeId]:
    nodes = [(one, node) for one in found if (node := session.namespaces.local(one.NodeId)) is not None]
    fresh = [(one, node) for one, node in nodes if _key(node) not in types.names]
    for one, node in fresh:
        types.names[_key(node)] = str(one.BrowseName.Name)
        types.fields[_key(node)] = types.fields[_key(above)]
    return [node for _, node in fresh]


async def _add_fields(session: Session, types: EventTypes, nodes: Sequence[ua.NodeId]) -> None:
    children = await browse_children(session, nodes, reference=ua.ObjectIds.Aggregates, classes=ua.NodeClass.Variable)
    for node, found in zip(nodes, children, strict=True):
        own = [EventField(node, one.BrowseName) for one in found][: _MOST_FIELDS - len(types.clauses)]
        places = range(len(types.clauses), len(types.clauses) + len(own))
        types.clauses += own
        types.fields[_key(node)] += tuple(places)


async def monitor_events(session: Session, subscription: int, types: EventTypes) -> str:
    """Add an item for all events of the Server object. Why the server refuses, "" if it does not."""
    wanted = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=_SERVER, AttributeId=ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=_HANDLE, SamplingInterval=0, QueueSize=_QUEUE, DiscardOldest=True, Filter=_filter(types)
        ),
    )
    parameters = ua.CreateMonitoredItemsParameters(
        SubscriptionId=subscription, TimestampsToReturn=ua.TimestampsToReturn.Source, ItemsToCreate=[wanted]
    )
    try:
        (result,) = await session.ask(session.services.create_monitored_items, parameters)
    except ServiceFault as fault:
        return str(fault)
    return in_words(result.StatusCode.value) if is_bad(result.StatusCode.value) else ""


def _filter(types: EventTypes) -> ua.EventFilter:
    base = [_operand(_BASE_TYPE, ua.QualifiedName(name, 0)) for name in BASE_FIELDS]
    return ua.EventFilter(SelectClauses=base + [_operand(one.declared, one.name) for one in types.clauses])


def _operand(declared: ua.NodeId, name: ua.QualifiedName) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(TypeDefinitionId=declared, BrowsePath=[name], AttributeId=ua.AttributeIds.Value)


class EventReader:
    """Reads the events of one source. `types` is replaced at every connect."""

    def __init__(self, source: str) -> None:
        self.types = EventTypes()
        self._source = source
        self._window: deque[bytes] = deque(maxlen=WINDOW)
        self._known: set[bytes] = set()

    def drafts(self, body: bytes, received: int) -> list[tuple[bytes, Draft]]:
        """EventId and draft of every event in an EventNotificationList that is not known yet. Raises Malformed."""
        drafts: dict[bytes, Draft] = {}
        for fields in event_fields(body, _field):
            if len(fields) < len(BASE_FIELDS):
                _log.warning("event without the fields that were asked for", source=self._source, fields=len(fields))
                continue
            event_id = bytes(fields[0] or b"") if isinstance(fields[0], bytes) else repr(fields).encode()
            if event_id not in self._known and event_id not in drafts:
                drafts[event_id] = Draft(
                    Kind.EVENT, self._source, event_body(self._event(fields, received)), received=received
                )
        return list(drafts.items())

    def remember(self, event_ids: Iterable[bytes]) -> None:
        """These events are in the journal."""
        for event_id in event_ids:
            if len(self._window) == WINDOW:
                self._known.discard(self._window[0])
            self._window.append(event_id)
            self._known.add(event_id)

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


def _field(reader: Reader) -> Any:  # noqa: ANN401 - any OPC UA value
    """One Variant, a DateTime told from a number."""
    is_moment = reader.data[reader.pos] == DataType.DATETIME
    value = variant(reader)
    return _Moment(value) if is_moment and isinstance(value, int) else value


def _simple(value: Any) -> str | int | float | bool | None:  # noqa: ANN401 - any OPC UA value
    """Times as ISO 8601 in UTC, lists and structures as JSON text, bytes as hexadecimal text."""
    if isinstance(value, _Moment):
        return f"{np.datetime_as_string(np.datetime64(int(value), 'ns'), unit='ms')}Z" if value > 0 else None
    if value is None or isinstance(value, str | int | float):
        return value
    return value.hex() if isinstance(value, bytes) else orjson.dumps(value, default=str).decode()
