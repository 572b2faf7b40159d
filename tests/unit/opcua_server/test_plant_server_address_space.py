"""What an engineer sees in UaExpert."""

from __future__ import annotations

import re

import pytest
from asyncua import Client, ua
from support_plant_server import node

from opcua_server.model.instances import PLANT_URI
from opcua_server.model.types import TYPES_URI
from opcua_server.simulation import SIMULATION
from plant_model.signals import SignalType, signals
from plant_model.spec import PlantSpec

pytestmark = pytest.mark.asyncio(loop_scope="session")
TEMPERATURE = "Line1.Tempering.Process.Zone2Temperature"


async def names(client: Client, path: str) -> set[str]:
    """Browse names of the children of a path below Objects."""
    found = client.nodes.objects
    index = await client.get_namespace_index(PLANT_URI)
    for name in filter(None, path.split("/")):
        found = await found.get_child(ua.QualifiedName(name, index))
    return {(await child.read_browse_name()).Name for child in await found.get_children()}


async def properties(client: Client, name: str) -> dict[str, ua.Variant]:
    found = await (await node(client, name)).get_properties()
    return {(await p.read_browse_name()).Name: (await p.read_value()) for p in found}


async def test_the_plant_hangs_below_objects(client: Client) -> None:
    assert {"Machines", "Warehouse", "Simulation"} <= await names(client, "")
    stations = {"Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding"}
    assert await names(client, "Machines/ChocolateLine1/Components") == stations
    assert {"Process", "Production", "Energy", "Status"} <= await names(
        client, "Machines/ChocolateLine1/Components/Tempering"
    )
    conches = await names(client, "Machines/ChocolateLine1/Components/Conching/Components")
    assert conches == {"Conche1", "Conche2", "Conche3"}
    assert {"Level", "ReorderPoint", "OnOrder"} <= await names(client, "Warehouse/Beans")
    assert {"Speed", "PlantTime", "Running", "Heartbeat", "Pause", "Resume", "InjectFault", "Reset"} == await names(
        client, "Simulation"
    )


async def test_every_signal_is_a_variable_with_its_node_id_at_its_path(client: Client, spec: PlantSpec) -> None:
    index = await client.get_namespace_index(PLANT_URI)
    for signal in (*signals(spec), *SIMULATION):
        path = [ua.QualifiedName(name, index) for name in signal.path]
        found = await client.nodes.objects.get_child(path)
        assert found.nodeid == ua.NodeId(signal.node, index)


async def test_a_measured_value_has_range_unit_and_words(client: Client, spec: PlantSpec) -> None:
    found = await properties(client, TEMPERATURE)
    (signal,) = (signal for signal in signals(spec) if signal.node == TEMPERATURE)
    assert (found["EURange"].Low, found["EURange"].High) == (signal.low, signal.high)
    unit = found["EngineeringUnits"]
    assert (unit.UnitId, unit.DisplayName.Text) == (4408652, "°C")
    assert unit.NamespaceUri == "http://www.opcfoundation.org/UA/units/un/cefact"
    variable = await node(client, TEMPERATURE)
    assert await variable.read_type_definition() == ua.NodeId(17570)
    assert (await variable.read_description()).Text
    assert await variable.read_data_type() == ua.NodeId(ua.ObjectIds.Double)


async def test_a_packml_state_is_an_enumeration_with_its_texts(client: Client) -> None:
    state = await node(client, "Line1.Roasting.Status.State")
    texts = (await properties(client, "Line1.Roasting.Status.State"))["EnumStrings"]
    assert await state.read_type_definition() == ua.NodeId(ua.ObjectIds.MultiStateDiscreteType)
    assert texts[6].Text == "Execute"
    assert 0 <= await state.read_value() < len(texts)


async def test_values_say_when_they_were_sampled(client: Client) -> None:
    value = await (await node(client, TEMPERATURE)).read_data_value()
    now = await client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime).read_value()
    assert value.StatusCode.is_good()
    assert value.SourceTimestamp.microsecond % 100_000 == 0
    assert abs((now - value.SourceTimestamp).total_seconds()) < 60


async def test_a_client_gets_the_timestamps_it_asks_for(client: Client) -> None:
    asked = ua.ReadValueId(NodeId=(await node(client, TEMPERATURE)).nodeid, AttributeId=ua.AttributeIds.Value)
    stamps = {}
    for wanted in ua.TimestampsToReturn:
        if wanted.name != "Invalid":
            params = ua.ReadParameters(TimestampsToReturn=wanted, NodesToRead=[asked])
            (value,) = await client.uaclient.read(params)
            stamps[wanted.name] = (value.SourceTimestamp is not None, value.ServerTimestamp is not None)
    assert stamps == {
        "Source": (True, False), "Server": (False, True), "Both": (True, True), "Neither": (False, False)
    }  # fmt: skip


async def test_variables_say_that_they_have_history_and_how_often_they_are_sampled(
    client: Client, spec: PlantSpec
) -> None:
    for signal in (*signals(spec)[::20], *SIMULATION):
        variable = await node(client, signal.node)
        access = await variable.get_access_level()
        historizing = await variable.read_attribute(ua.AttributeIds.Historizing)
        period = await variable.read_attribute(ua.AttributeIds.MinimumSamplingInterval)
        assert ua.AccessLevel.HistoryRead in access
        assert historizing.Value.Value is True
        assert period.Value.Value == signal.period_s * 1000


async def test_no_variable_waits_for_its_first_sample(client: Client, spec: PlantSpec) -> None:
    nodes = [await node(client, signal.node) for signal in (*signals(spec), *SIMULATION)]
    values = await client.read_attributes(nodes)
    assert [n.nodeid.Identifier for n, v in zip(nodes, values, strict=True) if v.SourceTimestamp is None] == []


async def test_values_have_the_type_of_their_variable(client: Client, spec: PlantSpec) -> None:
    table = signals(spec)
    values = await client.read_attributes([await node(client, signal.node) for signal in table])
    expected = {SignalType.DOUBLE: "Double", SignalType.STRING: "String", SignalType.ENUM: "UInt32"}
    for signal, value in zip(table, values, strict=True):
        if value.Value.Value is not None and signal.type in expected:
            assert value.Value.VariantType.name == expected[signal.type], signal.node


async def test_the_server_says_what_it_is_and_can(client: Client) -> None:
    uris = await client.get_namespace_array()
    assert uris[1:] == ["urn:conche:server", TYPES_URI, PLANT_URI]
    build = await client.get_node(ua.ObjectIds.Server_ServerStatus_BuildInfo).read_value()
    assert (build.ProductName, build.ManufacturerName) == ("Conche chocolate plant", "Conche")
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", build.SoftwareVersion)
    capabilities = client.get_node(ua.ObjectIds.Server_ServerCapabilities)
    unknown = [
        (await child.read_browse_name()).Name
        for child in await capabilities.get_properties()
        if (await child.read_data_value(raise_on_bad_status=False)).Value.Value is None
    ]
    assert unknown == []


async def test_our_namespaces_are_described(client: Client) -> None:
    namespaces = client.get_node(ua.ObjectIds.Server_Namespaces)
    described = {(await child.read_browse_name()).Name for child in await namespaces.get_children()}
    assert {TYPES_URI, PLANT_URI} <= described


async def test_references_come_in_pages_of_the_size_asked_for(client: Client) -> None:
    asked = ua.BrowseDescription(
        NodeId=(await node(client, "Line1.Tempering.Process")).nodeid,
        ReferenceTypeId=ua.NodeId(ua.ObjectIds.HierarchicalReferences),
        IncludeSubtypes=True,
        ResultMask=63,
    )
    (whole,) = await client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[asked]))
    (page,) = await client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[asked], RequestedMaxReferencesPerNode=3))
    pages = [page.References]
    while page.ContinuationPoint:
        (page,) = await client.uaclient.browse_next(
            ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[page.ContinuationPoint])
        )
        pages.append(page.References)
    assert {len(references) for references in pages[:-1]} == {3}
    assert [r.NodeId for references in pages for r in references] == [r.NodeId for r in whole.References]


async def test_a_node_that_is_not_there_is_unknown(client: Client) -> None:
    missing = ua.BrowseDescription(NodeId=ua.NodeId("Line1.Nothing", 3))
    (result,) = await client.uaclient.browse(ua.BrowseParameters(NodesToBrowse=[missing]))
    assert result.StatusCode.name == "BadNodeIdUnknown"
