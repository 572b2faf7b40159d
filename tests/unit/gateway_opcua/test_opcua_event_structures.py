"""Structures in the fields of events are nested JSON, like those in tags."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import orjson
import pytest
from asyncua import ua
from asyncua.common.structures104 import new_struct, new_struct_field
from asyncua.server.event_generator import EventGenerator
from support_opcua import FakeJournal, Hall, Plant, Proxy, running
from support_outages import leave_cut_off, ready

from gateway.journal import Kind

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("mended_transfer", "sessions_ended")]
T = ua.VariantType


async def alarm(plant: Plant, name: str) -> tuple[EventGenerator, ua.NodeId]:
    """A type of events with a field "Valve" that holds a structure; and the id of its encoding."""
    parts = [new_struct_field("Open", T.Double)]
    kind, (encoding,) = await new_struct(plant.server, plant.index, f"{name}Valve", parts)
    event_type = await plant.server.create_custom_event_type(plant.index, f"{name}Event")
    await event_type.add_property(plant.index, "Valve", valve(encoding.nodeid, 0.0), datatype=kind.nodeid)
    await event_type.add_property(plant.index, "Limits", [0.0])
    return await plant.server.get_event_generator(event_type, plant.server.nodes.server), encoding.nodeid


def valve(encoding: ua.NodeId, position: float) -> ua.Variant:
    return ua.Variant(ua.ExtensionObject(encoding, struct.pack("<d", position)), T.ExtensionObject)


def fields(journal: FakeJournal) -> list[dict[str, Any]]:
    return [orjson.loads(record.body)["fields"] for record in journal.of(Kind.EVENT)]


async def test_structures_and_lists_in_events_are_nested_json(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    generator, encoding = await alarm(server, hall.name)
    await hall.add("Count")
    journal = FakeJournal()

    async def happen(position: float) -> None:
        generator.event.Valve = valve(encoding, position).Value
        generator.event.Limits = [1.0, position]
        await generator.trigger()

    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await ready(run)
        await happen(0.25)
        await journal.until(lambda: bool(fields(journal)))
        await leave_cut_off(proxy, run)
    assert fields(journal) == [{"Valve": {"Open": 0.25}, "Limits": [1.0, 0.25]}]
    await happen(0.5)
    proxy.refuses = False
    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True):
        await journal.until(lambda: len(fields(journal)) > 1)
        assert fields(journal)[1] == {"Valve": {"Open": 0.5}, "Limits": [1.0, 0.5]}, "known before the first event"
