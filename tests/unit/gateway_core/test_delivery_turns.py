"""Delivery takes few turns of the event loop, and leaves others theirs."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from support_delivery import QUICK, until
from support_records import draft

from gateway.delivery import Delivery
from gateway.journal import Journal
from gateway.sinks.memory import MemorySink
from gateway.values import Batch


class Turns:
    """Counts how often the event loop resumes what serves sinks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        work = Delivery._work
        monkeypatch.setattr(Delivery, "_work", lambda delivery: self._watched(work(delivery)))

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        await self._counting(work)

    @types.coroutine
    def _counting(self, work: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
        resume = partial(work.send, None)
        with suppress(StopIteration):
            while True:
                self.taken += 1
                awaited = resume()
                try:
                    yield awaited
                except asyncio.CancelledError as end:
                    resume = partial(work.throw, end)
                else:
                    resume = partial(work.send, None)


async def test_a_batch_wakes_its_sink_once(journal: Journal, serve, monkeypatch) -> None:
    turns = Turns(monkeypatch)
    served = serve()
    await until(lambda: served.sink.is_open)
    turns.taken = 0
    for i in range(20):
        await journal.append([draft(i)])
        await until(lambda i=i: len(served.live) == i + 1)
    assert turns.taken == len(served.sink.received) == 20


async def test_between_two_batches_of_a_sink_in_memory_others_have_their_turn(journal: Journal, serve) -> None:
    turn = 0

    class Noting(MemorySink):
        async def write(self, batch: Batch) -> None:
            at.append(turn)
            await super().write(batch)

    async def others() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    at: list[int] = []
    await journal.append([draft(i) for i in range(200)])
    other = asyncio.create_task(others())
    served = serve(Noting(), QUICK.model_copy(update={"max_batch_values": 1}))
    await until(lambda: served.status.connection.connects > 0 and served.status.behind == 0)
    other.cancel()
    assert len(at) == len(set(at)) == 200
