"""Keeps the parts of a site running together: started side by side, stopped in order, nothing left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial

from conche.child import Child, Say, Service, StartError, keep_log_short
from conche.stopping import until_signal

_LOOK_AT_LOGS_S = 60.0
_STILL_STARTING_S = 5.0


async def supervise(services: Sequence[Service], announce: Callable[[], None], say: Say) -> bool:
    """Run all services until SIGINT, SIGTERM or the end of the terminal, then stop them, the last one first.

    Any other SIGHUP is passed on to those that read their settings again.
    `announce` is called once, when all are ready. Raises StartError when one of them never was. False when a service
    had to be killed. Whatever happens, no process is left: each of them sees the end of this one by its lifeline.
    """
    alive, mine = os.pipe()
    children = [Child(service, alive, say) for service in services]
    try:
        await until_signal(_run(children, announce, say), partial(_reload, children))
    finally:
        clean = await _stop(children, say)
        os.close(alive)
        os.close(mine)
    return clean


def _reload(children: Sequence[Child]) -> None:
    for child in children:
        child.reload()


async def _run(children: Sequence[Child], announce: Callable[[], None], say: Say) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for child in children:
                group.create_task(child.keep(), name=child.service.name)
            group.create_task(_look_at_logs(children), name="logs")
            await asyncio.gather(*(_until_ready(child, say) for child in children))
            announce()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _until_ready(child: Child, say: Say) -> None:
    name, patience_s = child.service.name, child.service.start_s
    try:
        async with asyncio.timeout(_STILL_STARTING_S):
            await child.ready.wait()
    except TimeoutError:
        say(f"{name} is still starting, see {child.service.log}")
    try:
        async with asyncio.timeout(patience_s):
            await child.ready.wait()
    except TimeoutError:
        raise StartError(f"{name} is not ready after {patience_s:g} s: see {child.service.log}") from None


async def _look_at_logs(children: Sequence[Child]) -> None:
    while True:
        for child in children:
            keep_log_short(child.service.log)
        await asyncio.sleep(_LOOK_AT_LOGS_S)


async def _stop(children: Sequence[Child], say: Say) -> bool:
    clean = True
    for child in reversed(children):
        if not await child.stop():
            say(f"{child.service.name} did not stop in {child.service.stop_s:g} s and was killed")
            clean = False
    return clean
