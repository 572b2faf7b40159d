"""What the tests of several rooms share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest_asyncio

if TYPE_CHECKING:
    from support_opcua import Plant


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Plant]:
    """A real OPC UA server, one for all tests of a module."""
    from support_opcua import Plant, free_port  # noqa: PLC0415 - slow to import, and most rooms do without

    plant = await Plant(free_port()).build()
    async with plant.server:
        yield plant
