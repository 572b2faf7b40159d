"""Who waits for the journal is woken when it is worth while, and not before."""

from __future__ import annotations

import asyncio

import pytest

from gateway.store.growth import Growth

LONG_S = 30.0


async def test_a_record_that_is_there_is_not_waited_for() -> None:
    growth = Growth(3)
    assert await growth.wait(2, 0, 0.0) == 3
    growth.grow(4, 100)
    assert (growth.head, growth.volume) == (4, 100)
    assert await growth.wait(3, 100, LONG_S) == 4


async def test_it_waits_until_there_is_enough() -> None:
    growth = Growth(0)
    waiting = asyncio.create_task(growth.wait(0, 150, LONG_S))
    for head in (1, 2):
        await asyncio.sleep(0)
        assert not waiting.done()
        growth.grow(head, 100)
    async with asyncio.timeout(10):
        assert await waiting == 2


async def test_patience_begins_with_the_first_record() -> None:
    growth = Growth(5)
    waiting = asyncio.create_task(growth.wait(5, 10**9, 0.01))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "there is nothing yet"
    growth.grow(6, 1)
    async with asyncio.timeout(10):
        assert await waiting == 6


async def test_who_gives_up_is_forgotten() -> None:
    growth = Growth(0)
    waiting = asyncio.create_task(growth.wait(0, 10**9, LONG_S))
    await asyncio.sleep(0)
    growth.grow(1, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not growth._waiting
