"""Folders of a module's server for a test each, and a proxy before it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from support_opcua import Hall, Plant, Proxy
from support_standard_space import copied_standard_space


@pytest.fixture(scope="session", autouse=True)
def _quick_standard_space() -> Iterator[None]:
    with copied_standard_space():
        yield


@pytest_asyncio.fixture(loop_scope="module")
async def hall(server: Plant) -> Hall:
    """A test's own part of it."""
    return await server.hall()


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(server: Plant) -> AsyncIterator[Proxy]:
    one = await Proxy(server.port).start()
    yield one
    await one.stop()


@pytest.fixture(scope="module")
def mended_transfer(server: Plant) -> None:
    """The server hands subscriptions over, as asyncua's own does not."""
    server.mend_transfer()


@pytest_asyncio.fixture(loop_scope="module")
async def sessions_ended(server: Plant) -> AsyncIterator[None]:
    """What a test leaves at the server, sessions and subscriptions, is gone before the next one."""
    yield
    await server.end_sessions()
