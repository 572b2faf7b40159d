"""A recall over OPC UA: from a delivery to every case and customer, from a case to every delivery."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import Client, ua
from support_plant_server import Served, node

from plant_model.plant import Plant

shared = pytest.mark.asyncio(loop_scope="session")
NAMES = ("PackedLots", "Cases", "CasesInStock", "Orders", "Customers", "CasesShipped", "Deliveries", "Masses")


async def recall(client: Client, lot: str) -> dict[str, list[Any]]:
    warehouse = await node(client, "Warehouse")
    found = await warehouse.call_method(await node(client, "Warehouse.Recall"), lot)
    return dict(zip(NAMES, found, strict=True))


def plant(served: Served) -> Plant:
    return served.server._pacer.twin.plant


@shared
async def test_a_delivery_leads_to_all_cases_and_customers(served: Served, operator: Client) -> None:
    model = plant(served)
    delivery = model.state.buffers["Sugar"].lots[0].id
    found = await recall(operator, delivery)
    told = model.recall(delivery)
    assert found["PackedLots"] == [packed.lot for packed in told.packed]
    assert found["Orders"] == [shipment.order for shipment in told.shipments]
    assert found["Deliveries"] == [delivery]


@shared
async def test_a_case_leads_to_its_customers_and_deliveries(served: Served, operator: Client) -> None:
    model = plant(served)
    shown = await (await node(operator, "Warehouse.FinishedDark.LotId")).read_value()
    lot = model.state.buffers["FinishedDark"].lots[0]
    assert shown == lot.id
    found = await recall(operator, shown)
    assert found["PackedLots"] == [lot.id]
    assert found["Cases"][0] - found["CasesInStock"][0] == sum(found["CasesShipped"])
    assert found["Customers"] == [customer for _, customer, _ in model.state.lots[lot.id].shipped]
    assert found["Masses"] == pytest.approx(list(model.origins(lot.id).values()))


@shared
async def test_the_results_are_told_by_the_method(client: Client) -> None:
    outputs = await client.get_node(
        ua.NodeId("Warehouse.Recall.OutputArguments", (await node(client, "Warehouse")).nodeid.NamespaceIndex)
    ).read_value()
    assert [(output.Name, output.ValueRank) for output in outputs] == [(name, 1) for name in NAMES]


@shared
async def test_a_lot_that_nobody_knows_is_said_so(operator: Client) -> None:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await recall(operator, "Packed-999999")
    assert refused.value.code == ua.StatusCodes.BadInvalidArgument


@shared
async def test_only_the_operator_recalls(client: Client) -> None:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await recall(client, "Packed-999999")
    assert refused.value.code == ua.StatusCodes.BadUserAccessDenied
