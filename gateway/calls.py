"""Time limits for the calls of a sink, and a good end for the task that makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from gateway.contract import NotConnected

_ABANDON_S = 0.2


class Calls:
    """Calls of one task, one after another, each with its time limit; one timer watches over all of them."""

    def __init__(self) -> None:
        self._caller: asyncio.Task[Any] | None = None  # who waits for an answer now
        self._deadline = 0.0
        self._is_late = False
        self._timer: asyncio.TimerHandle | None = None  # rings at the deadline of the call or of one before it

    @property
    def is_waiting(self) -> bool:
        """Whether a call is under way."""
        return self._caller is not None

    async def answered(self, call: Awaitable[None], timeout_s: float) -> None:
        """Await the call. NotConnected where it takes longer than timeout_s; it is cancelled then."""
        caller = asyncio.current_task()
        assert caller is not None
        cancellations = caller.cancelling()
        self._watch(caller, timeout_s)
        try:
            await call
        except asyncio.CancelledError as error:
            if self._is_late and caller.cancelling() == cancellations + 1:  # nobody else wants it to end
                raise NotConnected(_silent(timeout_s)) from error
            raise
        finally:
            self._caller = None
            if self._is_late:
                caller.uncancel()

    def _watch(self, caller: asyncio.Task[Any], timeout_s: float) -> None:
        loop = caller.get_loop()
        self._caller, self._is_late = caller, False
        self._deadline = loop.time() + timeout_s
        if self._timer is not None and self._timer.when() > self._deadline:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._ring)

    def _ring(self) -> None:
        """End the call that is late; watch on where it is not. Without a call, the next one sets the timer."""
        self._timer = None
        if self._caller is None:
            return
        loop = self._caller.get_loop()
        if loop.time() < self._deadline:
            self._timer = loop.call_at(self._deadline, self._ring)
        else:
            self._is_late = True
            self._caller.cancel()


async def ended(task: asyncio.Task[Any], patience_s: float) -> None:
    """Have the task end: by itself within patience_s, else cancelled; one that does not heed that is left behind."""
    await asyncio.wait({task}, timeout=patience_s)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_ABANDON_S)
    task.add_done_callback(_seen)


def _silent(timeout_s: float) -> str:
    return f"no answer within {timeout_s:g} s: is the peer overloaded, or the link dead?"


def _seen(task: asyncio.Task[Any]) -> None:
    """However late it ends, its exception is no news."""
    if not task.cancelled():
        task.exception()
