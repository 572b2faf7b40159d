"""A sink that keeps what it is given: for tests, for trying things out, and as the shortest example of a sink."""

from __future__ import annotations

import asyncio

import numpy as np

from gateway.contract import Catalogue, NotConnected, Rejected
from gateway.values import Batch


class MemorySink:
    """Its peer is a list. The peer can be away, hold calls back, and refuse tags."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.received: list[Batch] = []
        self.is_open = False
        self.away = False  # every call raises NotConnected
        self.refused: set[int] = set()  # tag ids that the peer will never take
        self.answering = asyncio.Event()  # writes wait while it is clear
        self.answering.set()

    async def open(self, tags: Catalogue) -> None:  # noqa: ARG002 - the contract; a list needs no announcement
        """Connect. Raises NotConnected while the peer is away."""
        self._reach()
        self.is_open = True

    async def write(self, batch: Batch) -> None:
        """Keep the batch. Raises NotConnected, or Rejected with the positions of refused tags."""
        await self.answering.wait()
        self._reach()
        if not self.is_open:
            raise NotConnected(f"{self.name} is not open")
        refused = sorted(position for tag in self.refused for position in _positions(batch, tag))
        if refused:
            raise Rejected(refused, "refused tag")
        self.received.append(batch)

    async def close(self) -> None:
        """Let go. Idempotent."""
        self.is_open = False

    def _reach(self) -> None:
        if self.away:
            self.is_open = False
            raise NotConnected(f"{self.name} is away")


def _positions(batch: Batch, tag: int) -> list[int]:
    found = [column.position[column.tag == tag] for column in batch.columns]
    return np.concatenate(found).tolist() if found else []
