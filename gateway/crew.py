"""Tasks that work until they are ended. One that ends by itself is a defect that nobody may overlook."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, NoReturn

import structlog

from gateway.contract import GatewayError

Task = asyncio.Task[None]
log = structlog.get_logger(__name__)


class Crew:
    """Begins tasks, ends them at any time, and watches over the others."""

    def __init__(self) -> None:
        self._working: set[Task] = set()
        self._fallen: asyncio.Queue[Task] = asyncio.Queue()

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> Task:
        """Have this done from now on."""
        task = asyncio.create_task(work, name=name)
        self._working.add(task)
        task.add_done_callback(self._ended)
        return task

    async def end(self, tasks: Iterable[Task]) -> None:
        """Cancel them together and wait; an error on the way is said, and does not keep the others from ending."""
        ending = list(tasks)
        self._working.difference_update(ending)
        for task in ending:
            task.cancel()
        for task, outcome in zip(ending, await asyncio.gather(*ending, return_exceptions=True), strict=True):
            if isinstance(outcome, Exception):
                log.error("ended with an error", part=task.get_name(), error=repr(outcome))

    async def watch(self) -> NoReturn:
        """Until a task ends by itself: raises its error, GatewayError where it has none."""
        task = await self._fallen.get()
        await task
        raise GatewayError(f"{task.get_name()} ended by itself: please report this defect")

    def _ended(self, task: Task) -> None:
        if task in self._working:
            self._working.remove(task)
            self._fallen.put_nowait(task)
