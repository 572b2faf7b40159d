"""Work that lasts until a signal asks it to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any


async def until_signal(work: Coroutine[Any, Any, None], on_hangup: Callable[[], None] | None = None) -> None:
    """Do the work until it ends, fails, or SIGINT, SIGTERM or SIGHUP cancels it. Later signals change nothing.

    With `on_hangup`, SIGHUP only calls that, unless it means what its name says: the terminal is gone.
    """
    asked = asyncio.Event()
    had_terminal = has_terminal()

    def hang_up() -> None:
        if on_hangup is None or (had_terminal and not has_terminal()):
            asked.set()
        else:
            on_hangup()

    loop = asyncio.get_running_loop()
    for number, handler in ((signal.SIGINT, asked.set), (signal.SIGTERM, asked.set), (signal.SIGHUP, hang_up)):
        loop.add_signal_handler(number, handler)
    working, asking = asyncio.create_task(work), asyncio.create_task(asked.wait())
    await asyncio.wait({working, asking}, return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait({working})
    if not working.cancelled():
        await working


def has_terminal() -> bool:
    """Whether this process has a terminal that can hang up."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
