"""Sinks with their running delivery."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from support_records import values

from gateway.delivery import Delivery, DeliverySettings
from gateway.journal import Journal
from gateway.sinks.memory import MemorySink
from gateway.status import SinkStatus

QUICK = DeliverySettings(flush_ms=1, backoff_base_s=0.01, backoff_cap_s=0.02)


async def until(promise: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for what must come true soon."""
    async with asyncio.timeout(seconds):
        while not promise():
            await asyncio.sleep(0.002)


class Served:
    """A sink with its running delivery."""

    def __init__(self, sink: MemorySink, journal: Journal, settings: DeliverySettings) -> None:
        self.sink, self.status = sink, SinkStatus(sink.name)
        self.task = asyncio.create_task(Delivery(sink, journal, self.status, settings).run())

    @property
    def live(self) -> list[float]:
        return values(batch for batch in self.sink.received if not batch.historical)

    @property
    def late(self) -> list[float]:
        return values(batch for batch in self.sink.received if batch.historical)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})
