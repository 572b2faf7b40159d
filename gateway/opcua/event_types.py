"""Event types of a server, and the monitored item that reports all of them with all of their fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncua import ua

from gateway.opcua.browse import browse_children
from gateway.opcua.describe import read_attributes, structures_among
from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.nodes import standard

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.opcua.session import Session

BASE_FIELDS = ("EventId", "EventType", "SourceName", "Time", "Severity", "Message")
SERVER = standard(ua.ObjectIds.Server)

_BASE_TYPE = standard(ua.ObjectIds.BaseEventType)
_HANDLE = 0  # tags begin at 1
_QUEUE = 1_000
_MOST_FIELDS = 500


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


async def find_event_types(session: Session) -> tuple[EventTypes, set[ua.NodeId]]:
    """BaseEventType and everything below it, and the data types among the fields' that may hold structures.

    Fields are looked for in the server's own namespaces only.
    """
    kinds: set[ua.NodeId] = set()
    types = EventTypes({_key(_BASE_TYPE): "BaseEventType"}, {_key(_BASE_TYPE): ()})
    level = [_BASE_TYPE]
    while level:
        below = await browse_children(
            session, level, reference=ua.ObjectIds.HasSubtype, classes=ua.NodeClass.ObjectType
        )
        level = [
            child for above, found in zip(level, below, strict=True) for child in _new(session, types, above, found)
        ]
        kinds |= await _add_fields(session, types, [node for node in level if node.NamespaceIndex])
    return types, await structures_among(session, kinds)


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


async def _add_fields(session: Session, types: EventTypes, nodes: Sequence[ua.NodeId]) -> set[ua.NodeId]:
    """Have the fields of these types; their data types."""
    children = await browse_children(session, nodes, reference=ua.ObjectIds.Aggregates, classes=ua.NodeClass.Variable)
    for node, found in zip(nodes, children, strict=True):
        own = [EventField(node, one.BrowseName) for one in found][: _MOST_FIELDS - len(types.clauses)]
        places = range(len(types.clauses), len(types.clauses) + len(own))
        types.clauses += own
        types.fields[_key(node)] += tuple(places)
    fields = (session.namespaces.local(one.NodeId) for found in children for one in found)
    wanted = [(field, ua.AttributeIds.DataType) for field in fields if field is not None]
    return {kind for kind in await read_attributes(session, wanted) if isinstance(kind, ua.NodeId)}


async def monitor_events(session: Session, subscription: int, types: EventTypes) -> str:
    """Add an item for all events of the Server object. Why the server refuses, "" if it does not."""
    wanted = ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=SERVER, AttributeId=ua.AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=_HANDLE, SamplingInterval=0, QueueSize=_QUEUE, DiscardOldest=True, Filter=event_filter(types)
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


def event_filter(types: EventTypes) -> ua.EventFilter:
    """Every event with the base fields, then those of all types."""
    base = [_operand(_BASE_TYPE, ua.QualifiedName(name, 0)) for name in BASE_FIELDS]
    return ua.EventFilter(SelectClauses=base + [_operand(one.declared, one.name) for one in types.clauses])


def _operand(declared: ua.NodeId, name: ua.QualifiedName) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(TypeDefinitionId=declared, BrowsePath=[name], AttributeId=ua.AttributeIds.Value)
