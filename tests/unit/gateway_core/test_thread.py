"""Blocking calls: their results come through, and one that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.thread import Worker


async def test_calls_share_a_thread_and_their_errors_come_through() -> None:
    worker = Worker("work")
    first, second = await worker.run(threading.get_ident), await worker.run(threading.get_ident)
    assert first == second != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: "goes on") == "goes on"
    worker.close()
    worker.close()


async def test_a_call_that_hangs_is_left_behind() -> None:
    worker, begun, release = Worker("work"), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        release.wait(30)

    hanging = asyncio.create_task(worker.run(hang))
    await asyncio.to_thread(begun.wait, 10)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    async with asyncio.timeout(10):
        assert await worker.run(lambda: "another thread") == "another thread"
    release.set()
    worker.close()
