"""Calls of a sink with a time limit, finished or abandoned in good order when the task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from gateway.contract import NotConnected

_FINISH_S = 0.8
_ABANDON_S = 0.2


async def answered(call: Coroutine[Any, Any, None], timeout_s: float) -> bool:
    """Await the call; True if this task was cancelled meanwhile: it should end now, the call has succeeded.

    Raises what the call raises, NotConnected after timeout_s, and CancelledError if a call under way when this task
    is cancelled takes more than a second to end.
    """
    task = asyncio.ensure_future(call)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_FINISH_S)
        if task.done() and not task.cancelled() and task.exception() is None:
            return True
        await _abandon(task)
        raise
    if not task.done():
        await _abandon(task)
        raise NotConnected(f"no answer within {timeout_s:g} s: is the peer overloaded, or the link dead?")
    task.result()
    return False


async def _abandon(task: asyncio.Task[None]) -> None:
    """Cancel, and do not wait for one that will not end."""
    task.add_done_callback(_seen)
    task.cancel()
    await asyncio.wait({task}, timeout=_ABANDON_S)


def _seen(task: asyncio.Task[None]) -> None:
    """However late it ends, its exception is no news."""
    if not task.cancelled():
        task.exception()
