"""Who waits for the journal to grow, and until it is worth while: one wake-up a waiter, however it grew."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class _Waiter:
    """Waits for a record beyond this one; then until there is so much, or for so long."""

    beyond: int
    volume: int
    patience_s: float
    done: asyncio.Future[None]
    timer: asyncio.TimerHandle | None = None

    def look(self, head: int, volume: int) -> None:
        if head <= self.beyond or self.done.done():
            return
        if volume >= self.volume or self.patience_s <= 0:
            self.done.set_result(None)
        elif self.timer is None:
            self.timer = self.done.get_loop().call_later(self.patience_s, self._end)

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


class Growth:
    """The journal's head and volume (bytes of record bodies appended since it was opened)."""

    def __init__(self, head: int) -> None:
        self.head, self.volume = head, 0
        self._waiting: set[_Waiter] = set()

    def grow(self, head: int, size: int) -> None:
        """Records up to this head have been appended, so many bytes."""
        self.head, self.volume = head, self.volume + size
        for waiter in self._waiting:
            waiter.look(head, self.volume)

    async def wait(self, beyond: int, volume: int, patience_s: float) -> int:
        """The head, once it is greater than `beyond` and the volume is reached or patience is at its end since then."""
        waiter = _Waiter(beyond, volume, patience_s, asyncio.get_running_loop().create_future())
        waiter.look(self.head, self.volume)
        self._waiting.add(waiter)
        try:
            await waiter.done
        finally:
            self._waiting.discard(waiter)
            if waiter.timer is not None:
                waiter.timer.cancel()
        return self.head
