"""Blocking calls: their results come through, and one that hangs holds up nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from gateway.thread import in_thread


async def test_the_result_or_the_error_of_a_call_comes_through() -> None:
    assert await in_thread(threading.get_ident, "work") != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0, "work")


async def test_a_call_that_hangs_is_left_behind_and_its_late_result_discarded() -> None:
    begun, release, discarded = threading.Event(), threading.Event(), asyncio.Event()

    def hang() -> str:
        begun.set()
        release.wait(30)
        return "late"

    found: list[str] = []

    def discard(late: str) -> None:
        found.append(late)
        discarded.set()

    hanging = asyncio.create_task(in_thread(hang, "work", discard))
    await asyncio.to_thread(begun.wait, 10)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    release.set()
    async with asyncio.timeout(10):
        await discarded.wait()
    assert found == ["late"]
