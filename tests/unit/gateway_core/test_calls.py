"""A call of a sink has its time, no more; and who wants the caller to end is not mistaken for a peer that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.calls import Calls
from gateway.contract import NotConnected

LONG_S = 60.0
SHORT_S = 0.02


async def for_ever() -> None:
    await asyncio.Event().wait()


async def soon() -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the timers are due that are set from now on."""
    loop = asyncio.get_running_loop()
    call_at, found = loop.call_at, []

    def counted(when: float, callback: Callable[..., object], *arguments: object) -> asyncio.TimerHandle:
        found.append(when)
        return call_at(when, callback, *arguments)

    monkeypatch.setattr(loop, "call_at", counted)
    return found


async def test_a_peer_that_does_not_answer_in_time_is_away() -> None:
    calls = Calls()
    with pytest.raises(NotConnected, match=r"no answer within 0\.02 s"):
        await calls.answered(for_ever(), SHORT_S)
    assert not calls.is_waiting
    await calls.answered(soon(), SHORT_S)


async def test_each_call_has_the_whole_of_its_time() -> None:
    calls = Calls()
    for _ in range(120):
        await calls.answered(asyncio.sleep(0.01), 1.0)


async def test_a_shorter_limit_after_a_longer_one_is_kept() -> None:
    calls = Calls()
    await calls.answered(soon(), LONG_S)
    async with asyncio.timeout(10):
        with pytest.raises(NotConnected):
            await calls.answered(for_ever(), SHORT_S)


async def test_a_longer_limit_after_a_shorter_one_is_kept() -> None:
    calls = Calls()
    await calls.answered(soon(), SHORT_S)
    call = asyncio.create_task(calls.answered(for_ever(), LONG_S))
    await asyncio.sleep(5 * SHORT_S)
    assert calls.is_waiting
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_one_timer_does_for_many_calls(timers: list[float]) -> None:
    calls = Calls()
    for _ in range(100):
        await calls.answered(soon(), LONG_S)
    assert len(timers) == 1


async def test_what_a_call_raises_comes_through() -> None:
    async def broken() -> None:
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own"):
        await Calls().answered(broken(), LONG_S)


async def test_a_late_call_that_fails_in_its_own_way_leaves_no_cancellation_behind() -> None:
    async def stubborn() -> None:
        try:
            await for_ever()
        except asyncio.CancelledError:
            raise ValueError("interrupted") from None

    calls, task = Calls(), asyncio.current_task()
    assert task is not None
    with pytest.raises(ValueError, match="interrupted"):
        await calls.answered(stubborn(), SHORT_S)
    assert task.cancelling() == 0


async def test_who_ends_the_caller_ends_it_also_when_the_call_is_late() -> None:
    async def heedless() -> None:
        try:
            await for_ever()
        finally:
            was_late.set()
            await for_ever()

    was_late = asyncio.Event()
    caller = asyncio.create_task(Calls().answered(heedless(), SHORT_S))
    await was_late.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
