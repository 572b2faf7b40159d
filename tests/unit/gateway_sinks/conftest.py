"""Brokers for the tests of a sink, and an edge node at one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support_broker import ScriptedBroker
from support_edge_node import World


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with ScriptedBroker() as running:
        yield running


@pytest.fixture
async def world(broker: ScriptedBroker, tmp_path: Path) -> AsyncIterator[World]:
    world = World(broker, tmp_path / "sparkplug.json")
    yield world
    await world.sink.close()
