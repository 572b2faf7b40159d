"""What the Server object says about this server, in place of asyncua's nulls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from asyncua import ua
from asyncua.server.internal_server import InternalServer

from opcua_server.clock import TICK
from opcua_server.model.builder import TELL_EVENTS, Builder, Ids, Place
from opcua_server.services import limits
from opcua_server.uatypes import Foreign, standard, variant

_T = ua.VariantType
_CAPABILITIES = "Server_ServerCapabilities_"
_OPERATIONS = f"{_CAPABILITIES}OperationLimits_MaxNodesPer"
_HISTORY = "HistoryServerCapabilities_"
_ABSTRACT_VARIABLE_TYPES = {Ids.BaseVariableType, Ids.DiscreteItemType, Ids.ArrayItemType}
PUBLISHED = datetime(2026, 11, 1, tzinfo=UTC)
"""When our namespaces last changed."""


def _of(type_: _T, *names: str, value: object) -> Iterator[tuple[str, ua.Variant]]:
    yield from ((name, variant(value, type_)) for name in names)


def facts() -> Iterator[tuple[str, ua.Variant]]:
    """Names of standard variables and their values."""
    yield from _of(_T.Boolean, "Server_Auditing", "Server_ServerDiagnostics_EnabledFlag", value=False)
    yield from _of(_T.String, f"{_CAPABILITIES}ServerProfileArray", value=[])  # none is claimed before it is tested
    yield from _of(_T.String, f"{_CAPABILITIES}LocaleIdArray", value=["en"])
    yield from _of(_T.Double, f"{_CAPABILITIES}MinSupportedSampleRate", value=TICK / 1e6)
    yield from _of(_T.UInt16, f"{_CAPABILITIES}MaxBrowseContinuationPoints", value=limits.MAX_BROWSE_POINTS)
    points = ("MaxQueryContinuationPoints", "MaxHistoryContinuationPoints")  # 0: ours hold nothing, so have no limit
    yield from _of(_T.UInt16, *(f"{_CAPABILITIES}{name}" for name in points), value=0)
    sizes = ("MaxArrayLength", "MaxStringLength", "MaxByteStringLength")
    yield from _of(_T.UInt32, *(f"{_CAPABILITIES}{name}" for name in sizes), value=limits.MAX_MESSAGE_BYTES)
    yield from _of(_T.UInt32, f"{_CAPABILITIES}MaxSessions", value=limits.MAX_SESSIONS)
    yield from _of(_T.UInt32, f"{_CAPABILITIES}MaxSubscriptions", value=limits.MAX_SUBSCRIPTIONS)
    yield from _of(_T.UInt32, f"{_CAPABILITIES}MaxMonitoredItemsQueueSize", value=limits.MAX_QUEUE)
    unlimited = (
        *("MaxMonitoredItems", "MaxMonitoredItemsPerSubscription", "MaxSubscriptionsPerSession"),
        *("MaxSelectClauseParameters", "MaxWhereClauseParameters"),
    )
    yield from _of(_T.UInt32, *(f"{_CAPABILITIES}{name}" for name in unlimited), value=0)
    yield from _of(_T.ExtensionObject, f"{_CAPABILITIES}SoftwareCertificates", value=[])
    yield from _of(_T.QualifiedName, f"{_CAPABILITIES}ConformanceUnits", value=[])
    yield from _of(_T.UInt32, "Server_ServerStatus_SecondsTillShutdown", value=0)
    yield from _of(_T.LocalizedText, "Server_ServerStatus_ShutdownReason", value=ua.LocalizedText())
    yield from operation_limits()
    yield from history_capabilities()


def operation_limits() -> Iterator[tuple[str, ua.Variant]]:
    """What one call may ask; 0 would mean no limit, so services that are not there have none to tell."""
    nodes = ("Read", "Write", "Browse")
    yield from _of(_T.UInt32, *(f"{_OPERATIONS}{name}" for name in nodes), value=limits.MAX_NODES_PER_CALL)
    items = f"{_CAPABILITIES}OperationLimits_MaxMonitoredItemsPerCall"
    yield from _of(_T.UInt32, items, value=limits.MAX_NODES_PER_CALL)
    yield from _of(_T.UInt32, f"{_OPERATIONS}MethodCall", value=limits.MAX_METHODS_PER_CALL)
    histories = ("HistoryReadData", "HistoryReadEvents")
    yield from _of(_T.UInt32, *(f"{_OPERATIONS}{name}" for name in histories), value=limits.MAX_NODES_PER_HISTORY_READ)


def history_capabilities() -> Iterator[tuple[str, ua.Variant]]:
    """Raw values and events can be read; nothing of the past can be changed."""
    kinds = ("AccessHistoryDataCapability", "AccessHistoryEventsCapability")
    yield from _of(_T.Boolean, *(f"{_HISTORY}{name}" for name in kinds), value=True)
    missing = (
        *("InsertDataCapability", "ReplaceDataCapability", "UpdateDataCapability"),
        *("DeleteRawCapability", "DeleteAtTimeCapability", "InsertEventCapability", "ReplaceEventCapability"),
        *("UpdateEventCapability", "DeleteEventCapability", "InsertAnnotationCapability", "ServerTimestampSupported"),
    )
    yield from _of(_T.Boolean, *(f"{_HISTORY}{name}" for name in missing), value=False)
    yield from _of(_T.UInt32, f"{_HISTORY}MaxReturnDataValues", value=limits.MAX_HISTORY_VALUES)
    yield from _of(_T.UInt32, f"{_HISTORY}MaxReturnEventValues", value=limits.MAX_HISTORY_EVENTS)


def fill_server_object(server: InternalServer) -> None:
    """Write the facts, and mend the standard address space where it is wrong."""
    for name, value in facts():
        node = server.aspace[standard(getattr(Ids, name))]
        held: Foreign = node.attributes[ua.AttributeIds.Value]
        held.value = ua.DataValue(value)
    notifier: Foreign = server.aspace[standard(Ids.Server)].attributes[ua.AttributeIds.EventNotifier]
    notifier.value = ua.DataValue(variant(TELL_EVENTS, _T.Byte))
    for data in server.aspace._nodes.values():  # noqa: SLF001 - it has no other way to go through all
        _mend_variable_type(data)


def _mend_variable_type(node: Foreign) -> None:
    if node.attributes[ua.AttributeIds.NodeClass].value.Value.Value == ua.NodeClass.VariableType:
        is_abstract = node.nodeid.Identifier in _ABSTRACT_VARIABLE_TYPES
        node.attributes[ua.AttributeIds.IsAbstract].value = ua.DataValue(variant(is_abstract, _T.Boolean))


def describe_namespace(builder: Builder, uri: str, version: str) -> None:
    """The NamespaceMetadata of one of our namespaces (OPC 10000-5, 6.3.13)."""
    place = Place(standard(Ids.Server_Namespaces))
    node = builder.object(place, uri, uri, standard(Ids.NamespaceMetadataType))
    properties = (
        ("NamespaceUri", Ids.String, ua.Variant(uri, _T.String)),
        ("NamespaceVersion", Ids.String, ua.Variant(version, _T.String)),
        ("NamespacePublicationDate", Ids.DateTime, ua.Variant(PUBLISHED, _T.DateTime)),
        ("IsNamespaceSubset", Ids.Boolean, ua.Variant(False, _T.Boolean)),
        ("StaticNodeIdTypes", Ids.IdType, variant([ua.IdType.String], _T.Int32)),
        ("StaticNumericNodeIdRange", Ids.NumericRange, variant([], _T.String)),
        ("StaticStringNodeIdPattern", Ids.String, ua.Variant("*", _T.String)),
    )
    for name, data_type, value in properties:
        builder.property(node, name, data_type, value)
