"""One blocking call in a thread that nobody has to wait for at the end of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T], name: str, discard: Callable[[T], None] = lambda _: None) -> T:
    """The result of a blocking call; its exceptions come through.

    Unlike in asyncio.to_thread, a call that hangs delays neither cancellation nor the end of the process: the
    thread is a daemon. A result that comes after a cancellation goes to `discard`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def succeed(result: T) -> None:
        if done.cancelled():
            discard(result)
        else:
            done.set_result(result)

    def fail(error: BaseException) -> None:
        if not done.cancelled():
            done.set_exception(error)

    def run() -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - handed over, not swallowed
            _tell(loop, fail, error)
        else:
            _tell(loop, succeed, result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await done


def _tell(loop: asyncio.AbstractEventLoop, callback: Callable[[T], None], argument: T) -> None:
    with suppress(RuntimeError):  # the loop is closed: the program ends, nobody wants to know
        loop.call_soon_threadsafe(callback, argument)
