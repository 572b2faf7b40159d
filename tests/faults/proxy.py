"""TCP between two peers as it is in plants: cut, silent, slow, thin."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Self


@dataclass
class Manners:
    """How the line behaves now; change it while it runs."""

    refuses: bool = False  # nobody gets through, new connections are reset
    silent: bool = False  # bytes vanish, connections stay up; a connection that lost bytes stays silent for ever
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0  # 0: no limit


@dataclass(eq=False)
class _Link:
    """One connection through the proxy."""

    writers: list[asyncio.StreamWriter]
    is_dead: bool = False

    def abort(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


@dataclass
class Proxy:
    """async with Proxy(port) as proxy: … proxy.port, proxy.manners, proxy.cut()."""

    target: int
    random: Random = field(default_factory=lambda: Random(0))
    manners: Manners = field(default_factory=Manners)
    port: int = 0
    accepted: int = 0
    _links: set[_Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Reset every connection."""
        for link in self._links:
            link.abort()
        self._links.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        link = _Link([writer])
        self._links.add(link)
        try:
            if not self.manners.refuses:
                await self._connect(link, reader, writer)
        except OSError:
            pass  # the target is away: the client sees a reset
        finally:
            link.abort()
            self._links.discard(link)

    async def _connect(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        link.writers.append(there)
        ways = (self._way(link, reader, there), self._way(link, there_reader, writer))
        tasks = [asyncio.ensure_future(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _way(self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: what is read now is written when it is due."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1000)
        sending = asyncio.ensure_future(_send(line, writer))
        due = 0.0
        try:
            with suppress(OSError):
                while data := await reader.read(1 << 14):
                    link.is_dead = link.is_dead or self.manners.silent
                    if not link.is_dead:
                        due = self._due(due, len(data))
                        await line.put((due, data))
        finally:
            sending.cancel()

    def _due(self, last: float, size: int) -> float:
        """When bytes get through: after those before them."""
        manners = self.manners
        due = monotonic() + manners.delay_s + self.random.random() * manners.jitter_s
        transmission = size / manners.bytes_per_s if manners.bytes_per_s else 0.0
        return max(due, last) + transmission


async def _send(line: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while True:
            due, data = await line.get()
            await asyncio.sleep(max(0.0, due - monotonic()))
            writer.write(data)
            await writer.drain()
