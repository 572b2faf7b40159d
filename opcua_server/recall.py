"""The method Recall of the warehouse: from a lot to its cases, customers and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from asyncua import ua

from opcua_server.model.builder import Builder
from opcua_server.operation import argument
from opcua_server.pacer import Pacer
from opcua_server.services.method import ArgumentError, Method
from opcua_server.services.stack import Services
from plant_model.genealogy import Recall
from plant_model.plant import PlantError

_T = ua.VariantType
_RESULTS = (
    ("PackedLots", _T.String, "packed lots that hold some of it"),
    ("Cases", _T.UInt32, "cases of each packed lot"),
    ("CasesInStock", _T.UInt32, "… of these still here"),
    ("Orders", _T.String, "orders that got cases of them"),
    ("Customers", _T.String, "customer of each order"),
    ("CasesShipped", _T.UInt32, "cases that the order got"),
    ("Deliveries", _T.String, "deliveries, first stocks and folded lots that went into it"),
    ("Masses", _T.Double, "kg of each of them in it"),
)
"""What the method returns, an array each: name, type, meaning."""
_log = structlog.get_logger(__name__)


def build_recall(builder: Builder, server: Services, warehouse: ua.NodeId, pacer: Pacer) -> None:
    """Add the method to the warehouse's object and bind it."""

    async def recall(lot: str) -> list[ua.Variant]:
        try:
            found = pacer.twin.plant.recall(lot)
        except PlantError as error:
            raise ArgumentError(0, "BadOutOfRange", str(error)) from error
        _log.info("the operator recalled a lot", lot=lot, packed_lots=len(found.packed), orders=len(found.shipments))
        return results(found)

    lot = argument("Lot", "any lot: a delivery, or what LotId of a station or a store says")
    outputs = [argument(name, words, type_, is_array=True) for name, type_, words in _RESULTS]
    node = builder.method(warehouse, "Recall", (lot,), "Where a lot went, and what it was made from.", outputs)
    server.method_service.bind(node, Method(warehouse, (_T.String,), recall))


def results(found: Recall) -> list[ua.Variant]:
    """The arrays that the method returns; those of packed lots, of orders and of deliveries are equally long."""
    columns: tuple[Sequence[Any], ...] = (
        [packed.lot for packed in found.packed],
        [packed.cases for packed in found.packed],
        [packed.in_stock for packed in found.packed],
        [shipment.order for shipment in found.shipments],
        [shipment.customer for shipment in found.shipments],
        [shipment.cases for shipment in found.shipments],
        list(found.deliveries),
        list(found.deliveries.values()),
    )
    kinds = [type_ for _, type_, _ in _RESULTS]
    return [ua.Variant(column, kind, is_array=True) for column, kind in zip(columns, kinds, strict=True)]
