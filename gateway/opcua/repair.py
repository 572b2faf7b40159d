"""The repair ladder: from the gentlest to the harshest way back to a subscription that delivers.

    reactivate   take the session up on a new channel; the subscription lives, missing messages are republished
    transfer     a new session that takes over the subscription of the lost one, or of a gateway that was killed
    recreate     a new subscription in the session that is still there
    renew        a new session and a new subscription

After `recreate` and `renew` the initial values of the items are the read-all; what lies between is read from history,
and what history does not have is announced as a gap. A rung is tried when those before it did not hold; `transfer`
is tried whenever there is a new session.
"""

from __future__ import annotations

from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from gateway.contract import NotConnected
from gateway.opcua.errors import ServiceFault, SessionLost, SubscriptionLost
from gateway.opcua.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.contract import GatewayError
    from gateway.opcua.settings import SourceSettings

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

    def __init__(self, settings: SourceSettings, pki: Path) -> None:
        self.settings = settings
        self._pki = pki
        self._session: Session | None = None

    async def climb(self, trouble: GatewayError | None) -> tuple[Session, Rung]:
        """A session that is up, and the rung that held. NotConnected when none does: wait, and climb again."""
        for rung in rungs(trouble, has_session=self._session is not None):
            began = monotonic()
            session = await self._try(rung)
            if session is not None:
                self._session = session
                took = round(monotonic() - began, 3)
                _log.info("connected", source=self.settings.name, rung=rung.value, took_s=took)
                return session, rung
        raise NotConnected(f"{self.settings.url}: no way back was found")

    async def _try(self, rung: Rung) -> Session | None:
        session = self._session
        if rung is Rung.RENEW:
            await self.close()
            return await Session.connect(self.settings, self._pki)
        if session is None or rung is Rung.RECREATE:
            return session
        return session if await session.reopen() else None

    def drop_link(self) -> None:
        """Let go of the link; the session may be taken up again."""
        if self._session is not None:
            self._session.abandon()

    async def close(self) -> None:
        """End the session in good order."""
        if self._session is not None:
            await self._session.close()
            self._session = None
