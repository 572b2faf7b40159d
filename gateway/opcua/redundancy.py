"""Servers that stand in for each other (OPC 10000-4, 6.6.2.4): which of them to use, and when to change over.

Non-transparent redundancy as a client of a cold or warm set has it: one session, with the server whose ServiceLevel is
best; the next one when that server is away, or not healthy while another is better. It stays there when the first one
is well again.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.backoff import delay
from gateway.contract import GatewayError, NotConnected
from gateway.opcua.errors import Changeover, NoAnswer, Untrusted
from gateway.opcua.session import Session
from gateway.status import ServerSeen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.opcua.settings import SourceSettings
    from gateway.status import SourceStatus

HEALTHY = 200
"""The first ServiceLevel of the sub-range in which a server is fully able to work (6.6.2.4.3)."""

MAINTENANCE = 0
"""The ServiceLevel at which clients are to leave, and to stay away for much longer than usual."""

_LOOK_S = 1.0
_FIRST_SEARCH_S = 2.0
_MAINTENANCE_S = 300.0

_log = structlog.get_logger(__name__)


class RedundantServers:
    """The servers of one source; a set of one is connected to without any questions."""

    def __init__(self, settings: SourceSettings, pki: Path, status: SourceStatus) -> None:
        self.settings = settings
        self._pki = pki
        self._status = status
        self._left_alone: dict[str, float] = {}  # address -> until when (monotonic)

    @property
    def is_one(self) -> bool:
        """Whether there is nobody else to turn to."""
        return len(self.settings.urls) == 1

    async def connect(self) -> Session:
        """A session with the best server. Untrusted or NotConnected when none can be used."""
        if self.is_one:
            return await Session.connect(self.settings, self._pki)
        self._status.servers = {url: self._status.servers.get(url, ServerSeen()) for url in self.settings.urls}
        found, troubles = await self._visit(self.settings.urls)
        chosen = _best(found)
        await _close([one for one in found if one is not chosen])
        if chosen is None:
            reasons = "; ".join(f"{url}: {seen.words}" for url, seen in self._status.servers.items())
            kind = Untrusted if any(isinstance(trouble, Untrusted) for trouble in troubles) else NotConnected
            raise kind(f"none of the servers can be used: {reasons}")
        _log.info("server chosen", source=self.settings.name, url=chosen.url, service_level=chosen.service_level)
        return chosen

    async def watch(self, session: Session) -> NoReturn:
        """Look at the ServiceLevel of the server in use, and raise Changeover when it is time."""
        attempt, search_at = 0, 0.0
        while True:
            level = await self._look(session)
            if level >= HEALTHY:
                attempt, search_at = 0, 0.0
            elif monotonic() >= search_at:
                await self._search(session, level)
                attempt += 1
                search_at = monotonic() + delay(attempt, _FIRST_SEARCH_S, self.settings.retry_max_s)
            await asyncio.sleep(_LOOK_S)

    async def _look(self, session: Session) -> int:
        try:
            level = await session.ask_service_level()
        except NoAnswer:  # whether the link is dead, the keep-alives tell
            return HEALTHY
        self._status.servers[session.url] = ServerSeen(level)
        return level

    async def _search(self, session: Session, level: int) -> None:
        """Raise Changeover if another server is better than this level."""
        found, _ = await self._visit([url for url in self.settings.urls if url != session.url])
        better = _best([one for one in found if one.service_level > level])
        await _close(found)
        if better is not None:
            instead = f"{better.url} has {better.service_level}"
            raise Changeover(f"{session.url} has service level {level}, {instead}")
        if level == MAINTENANCE:
            self._left_alone[session.url] = monotonic() + _MAINTENANCE_S
            raise Changeover(f"{session.url} is in maintenance")

    async def _visit(self, urls: Sequence[str]) -> tuple[list[Session], list[GatewayError]]:
        """Sessions with those that can be used, in order; and what stands in the way of the others."""
        found: list[Session] = []
        open_to_us = [url for url in urls if self._left_alone.get(url, 0.0) <= monotonic()]
        try:
            troubles = await asyncio.gather(*(self._ask(url, found) for url in open_to_us))
        except BaseException:
            for session in found:
                session.abandon()
            raise
        found.sort(key=lambda session: self.settings.urls.index(session.url))
        return found, [trouble for trouble in troubles if trouble is not None]

    async def _ask(self, url: str, found: list[Session]) -> GatewayError | None:
        """Connect to one of them and add it to those found; or say why it cannot be used."""
        try:
            session = await Session.connect(self.settings, self._pki, url)
        except GatewayError as error:
            self._status.servers[url] = ServerSeen(reason=str(error).removeprefix(f"{url}: "))
            return error
        self._status.servers[url] = ServerSeen(session.service_level)
        if session.service_level == MAINTENANCE:
            self._left_alone[url] = monotonic() + _MAINTENANCE_S
            await session.close()
            return NotConnected(f"{url} is in maintenance")
        found.append(session)
        return None


def _best(sessions: Sequence[Session]) -> Session | None:
    """The first of those with the highest ServiceLevel."""
    return max(sessions, key=lambda session: session.service_level, default=None)


async def _close(sessions: Sequence[Session]) -> None:
    await asyncio.gather(*(session.close() for session in sessions))
