"""Our own types: the plant's objects and events, in the namespace urn:conche:types."""

from __future__ import annotations

from dataclasses import dataclass

from asyncua import ua

from opcua_server.model.builder import Builder, Ids

TYPES_URI = "urn:conche:types"
_T = ua.VariantType

OBJECT_TYPES = {
    "ChocolateLineType": "A line that makes chocolate from beans to packed bars.",
    "StationType": "A station of a line.",
    "UnitType": "One of several equal machines of a station.",
    "WarehouseType": "A store of materials and finished goods.",
    "MaterialType": "The stock of one material.",
    "SimulationType": "Control of the simulation behind the plant.",
}


@dataclass(frozen=True)
class EventType:
    """A type of events and the properties it adds, by browse name."""

    name: str
    description: str
    fields: dict[str, tuple[_T, str]]


_DELIVERY = {
    "Material": (_T.String, "what is delivered"),
    "Supplier": (_T.String, "who delivers"),
    "Quantity": (_T.Double, "how much, kg"),
    "DeliveryId": (_T.String, "number of the delivery"),
    "DueTime": (_T.DateTime, "when it is or was expected"),
}
EVENT_TYPES = {
    "bulk_order": EventType(
        "BulkOrderEventType",
        "A customer placed a bulk order.",
        {
            "Customer": (_T.String, "who ordered"),
            "Address": (_T.String, "mail address of the customer"),
            "Product": (_T.String, "what is ordered"),
            "Quantity": (_T.Double, "how much"),
            "OrderId": (_T.String, "number of the order"),
        },
    ),
    "delivery_ordered": EventType("DeliveryOrderedEventType", "Material was ordered from a supplier.", _DELIVERY),
    "delivery_arrived": EventType("DeliveryArrivedEventType", "A delivery arrived from a supplier.", _DELIVERY),
    "machine_failure": EventType(
        "MachineFailureEventType",
        "A machine failed.",
        {
            "Station": (_T.String, "station of the machine"),
            "Unit": (_T.String, "unit of the station, empty where it has none"),
            "Fault": (_T.String, "what failed"),
        },
    ),
    "process_warning": EventType(
        "ProcessWarningEventType",
        "A control chart warns: what a machine makes drifts, and will leave its limits.",
        {
            "Station": (_T.String, "station of the machine"),
            "Unit": (_T.String, "unit of the station, its name where it has none"),
            "Tag": (_T.String, "what drifts"),
            "Value": (_T.Double, "its mean"),
            "Limit": (_T.Double, "of the mean"),
        },
    ),
    "delivery_short": EventType(
        "DeliveryShortEventType",
        "A supplier brings less than was ordered; the rest comes later.",
        {**_DELIVERY, "Missing": (_T.Double, "what is to come, kg")},
    ),
    "delivery_rejected": EventType(
        "DeliveryRejectedEventType",
        "Receiving inspection sent a delivery back.",
        {**_DELIVERY, "Reason": (_T.String, "why it was not taken")},
    ),
    "stock_expired": EventType(
        "StockExpiredEventType",
        "A lot in the warehouse has expired and was written off.",
        {
            "Material": (_T.String, "what has expired"),
            "LotId": (_T.String, "number of the lot"),
            "Quantity": (_T.Double, "how much, kg"),
        },
    ),
}
"""By the kind of the plant's event."""


@dataclass(frozen=True)
class Types:
    """NodeIds of our types: objects by name, events by the kind of the plant's event."""

    objects: dict[str, ua.NodeId]
    events: dict[str, ua.NodeId]


def build_types(builder: Builder) -> Types:
    """Add our types."""
    objects = {name: builder.object_type(name, Ids.BaseObjectType, words) for name, words in OBJECT_TYPES.items()}
    return Types(objects, {kind: _build_event_type(builder, type_) for kind, type_ in EVENT_TYPES.items()})


def _build_event_type(builder: Builder, type_: EventType) -> ua.NodeId:
    node = builder.object_type(type_.name, Ids.BaseEventType, type_.description)
    for name, (data_type, words) in type_.fields.items():
        builder.own_property(node, name, data_type, words)
    return node
