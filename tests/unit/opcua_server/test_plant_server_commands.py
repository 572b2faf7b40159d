"""The operator commands machines over OPC UA; what a machine's state does not take is answered BadInvalidState."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import Client, ua
from support_plant_server import Serve, Served, node

shared = pytest.mark.asyncio(loop_scope="session")


async def call(client: Client, unit: str, method: str, *arguments: Any) -> None:
    machine = await node(client, unit)
    await machine.call_method(await node(client, f"{unit}.{method}"), *arguments)


async def test_a_machine_obeys_the_operator_and_its_state(serve: Serve) -> None:
    async with serve() as served, served.user() as client:
        unit = served.server._pacer.twin.plant.state.units["Conche2"]
        await call(client, "Line1.Conching.Conche2", "Abort")
        assert unit.state.name in ("Aborting", "Aborted")
        with pytest.raises(ua.UaStatusCodeError) as refused:
            await call(client, "Line1.Conching.Conche2", "Abort")
        assert refused.value.code == ua.StatusCodes.BadInvalidState
        await call(client, "Line1.Moulding", "SetSpeed", ua.Variant(0.5, ua.VariantType.Double))
        assert served.server._pacer.twin.plant.state.units["Moulding"].control.share == 0.5


@shared
@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("SetMode", ua.Variant(7, ua.VariantType.UInt32)),
        ("SetMode", ua.Variant(0, ua.VariantType.UInt32)),
        ("SetSpeed", ua.Variant(1.5, ua.VariantType.Double)),
        ("SetSpeed", ua.Variant(float("nan"), ua.VariantType.Double)),
    ],
)
async def test_impossible_modes_and_speeds_are_out_of_range(
    operator: Client, method: str, argument: ua.Variant
) -> None:
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await call(operator, "Line1.Mixing", method, argument)
    assert refused.value.code == ua.StatusCodes.BadInvalidArgument


@shared
async def test_only_the_operator_commands(served: Served, client: Client) -> None:
    before = served.server._pacer.twin.plant.state.units["Mixing"].control.kept
    with pytest.raises(ua.UaStatusCodeError) as refused:
        await call(client, "Line1.Mixing", "Stop")
    assert refused.value.code == ua.StatusCodes.BadUserAccessDenied
    assert served.server._pacer.twin.plant.state.units["Mixing"].control.kept is before
