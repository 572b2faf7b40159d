"""The repair ladder: from the gentlest to the harshest way back to a subscription that delivers.

    reactivate   take the session up on a new channel; the subscription lives, missing messages are republished
    transfer     a new session that takes over the subscription of the lost one, or of a gateway that was killed
    recreate     a new subscription in the session that is still there
    renew        a new session and a new subscription

After each but `reactivate` the values that do not come by themselves are read (current.py); what lies between is read
from history, and what history does not have is announced as a gap. A rung is tried when those before it did not hold;
`transfer` is tried whenever there is a new session. Of servers that stand in for each other, `renew` takes the best.
"""

from __future__ import annotations

import asyncio
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import structlog

from gateway.contract import NotConnected
from gateway.opcua.errors import ServiceFault, SessionLost, SubscriptionLost, Untrusted
from gateway.opcua.redundancy import RedundantServers
from gateway.opcua.trust import TrustFolder

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from gateway.contract import GatewayError
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.status import SourceStatus

_APPROVED_S = 0.5  # how soon an approval is noticed

_log = structlog.get_logger(__name__)


class Rung(StrEnum):
    """A way back."""

    REACTIVATE = "reactivate"
    TRANSFER = "transfer"
    RECREATE = "recreate"
    RENEW = "renew"


def rungs(trouble: GatewayError | None, *, has_session: bool) -> tuple[Rung, ...]:
    """Which rungs to try, in order, after this trouble (None: the very start)."""
    if not has_session or trouble is None or isinstance(trouble, SessionLost):
        return (Rung.RENEW,)
    if isinstance(trouble, SubscriptionLost):
        return (Rung.RECREATE,)
    if isinstance(trouble, NotConnected | ServiceFault):
        return (Rung.REACTIVATE, Rung.RENEW)
    return (Rung.RENEW,)


class Ladder:
    """Holds the session of one source. climb() is the only place where sessions are made."""

    def __init__(self, settings: SourceSettings, pki: Path, status: SourceStatus) -> None:
        self._trust = TrustFolder(pki)
        self._servers = RedundantServers(settings, pki, status)
        self._status = status
        self._session: Session | None = None

    def change(self, settings: SourceSettings) -> None:
        """Climb with these settings from now on; the session that is there goes on."""
        self._servers.settings = settings

    async def climb(self, trouble: GatewayError | None) -> tuple[Session, Rung]:
        """A session that is up, and the rung that held. NotConnected when none does: wait, and climb again."""
        for rung in rungs(trouble, has_session=self._session is not None):
            began = monotonic()
            session = await self._try(rung)
            if session is not None:
                self._take(session, began)
                took = round(monotonic() - began, 3)
                _log.info("connected", source=self._servers.settings.name, rung=rung.value, took_s=took)
                return session, rung
        raise NotConnected(f"{self._servers.settings.url}: no way back was found")

    async def _try(self, rung: Rung) -> Session | None:
        session = self._session
        if rung is Rung.RENEW:
            return await self._renew()
        if session is None or rung is Rung.RECREATE:
            return session
        try:
            return session if await session.reopen() else None
        except NotConnected:
            if self._servers.is_one:
                raise  # the session may still be there
            return None

    async def _renew(self) -> Session:
        """A new session. The old one goes first, as servers count sessions, but not before another server was found."""
        if self._servers.is_one:
            await self.close()
            return await self._servers.connect()
        session = await self._servers.connect()
        await self.close()
        return session

    def _take(self, session: Session, began: float) -> None:
        if self._session is not session and self._status.url != session.url:
            self._status.repaired("changeover", monotonic() - began)
        self._session = session
        self._status.url = session.url

    def watch(self, session: Session) -> tuple[Coroutine[None, None, NoReturn], ...]:
        """The work beside the delivery that tells when to change over, if there is somebody to change over to."""
        return () if self._servers.is_one else (self._servers.watch(session),)

    async def pause(self, seconds: float, trouble: GatewayError | None) -> None:
        """Wait before the next climb, but not longer than it takes a person to approve the certificate in the way."""
        before, until = self._trust.stamp(), monotonic() + seconds
        while (left := until - monotonic()) > 0:
            await asyncio.sleep(min(left, _APPROVED_S) if isinstance(trouble, Untrusted) else left)
            if self._trust.stamp() != before:
                return

    def drop_link(self) -> None:
        """Let go of the link; the session may be taken up again."""
        if self._session is not None:
            self._session.abandon()

    async def close(self) -> None:
        """End the session in good order."""
        if self._session is not None:
            await self._session.close()
            self._session = None
