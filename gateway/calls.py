"""A time limit for the calls of a sink, and a good end for the task that makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from gateway.contract import NotConnected

_ABANDON_S = 0.2


async def answered(call: Awaitable[None], timeout_s: float) -> None:
    """Await the call. NotConnected where it takes longer than timeout_s; it is cancelled then."""
    try:
        async with asyncio.timeout(timeout_s) as limit:
            await call
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise NotConnected(f"no answer within {timeout_s:g} s: is the peer overloaded, or the link dead?") from error


async def ended(task: asyncio.Task[Any], patience_s: float) -> None:
    """Have the task end: by itself within patience_s, else cancelled; one that does not heed that is left behind."""
    await asyncio.wait({task}, timeout=patience_s)
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_ABANDON_S)
    task.add_done_callback(_seen)


def _seen(task: asyncio.Task[Any]) -> None:
    """However late it ends, its exception is no news."""
    if not task.cancelled():
        task.exception()
