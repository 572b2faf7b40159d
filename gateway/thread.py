"""Blocking calls in threads that nobody has to wait for at the end of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T], name: str, discard: Callable[[T], None] = lambda _: None) -> T:
    """The result of a blocking call; its exceptions come through.

    Unlike in asyncio.to_thread, a call that hangs delays neither cancellation nor the end of the process: the
    thread is a daemon. A result that comes after a cancellation goes to `discard`.
    """
    done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    threading.Thread(target=_run, args=(call, done, discard), name=name, daemon=True).start()
    return await done


def _run(call: Callable[[], T], done: asyncio.Future[T], discard: Callable[[T], None]) -> None:
    """Make the call here, and tell the event loop what came of it."""
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - handed over, not swallowed
        _tell(done, partial(_fail, done, error))
    else:
        _tell(done, partial(_succeed, done, result, discard))


def _succeed(done: asyncio.Future[T], result: T, discard: Callable[[T], None]) -> None:
    if done.cancelled():
        discard(result)
    else:
        done.set_result(result)


def _fail(done: asyncio.Future[T], error: BaseException) -> None:
    if not done.cancelled():
        done.set_exception(error)


def _tell(done: asyncio.Future[T], callback: Callable[[], None]) -> None:
    with suppress(RuntimeError):  # the loop is closed: the program ends, nobody wants to know
        done.get_loop().call_soon_threadsafe(callback)
