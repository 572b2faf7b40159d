"""Taking over subscriptions that another session made: ours of before a kill, or of a session that is lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from gateway.journal import JournalError
from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.identity import Identity, IdentityFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.journal import Journal
    from gateway.opcua.event_types import EventTypes
    from gateway.opcua.session import Session
    from gateway.opcua.subscription import Subscription

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """Subscriptions that are the session's now."""

    subscriptions: tuple[Subscription, ...]
    lost: frozenset[int]  # tags of those that the server has no more
    types: EventTypes  # of the event item


class Takeover:
    """Knows the subscriptions of one source beyond session and process.

    A subscription is noted only while all of its items are known: changed() is to be called before any of them changes,
    note() when that is done.
    """

    def __init__(self, source: str, journal: Journal, path: Path) -> None:
        self._source = source
        self._journal = journal
        self._file = IdentityFile(path)
        self._noted = False
        self._trusted = True

    async def changed(self) -> None:
        """What is noted holds no longer."""
        self._noted = False
        try:
            await asyncio.to_thread(self._file.forget)
        except OSError as error:
            _log.error("note of own subscriptions cannot be removed", source=self._source, reason=str(error))

    async def note(self, identity: Identity) -> None:
        """Have this on disk, if it is not there yet. Where that fails it is tried with the next call."""
        if self._noted:
            return
        try:
            await self._journal.hear_only(self._source, [one.token for one in identity.subscriptions])
            await asyncio.to_thread(self._file.save, identity)
        except (JournalError, OSError) as error:
            _log.warning("own subscriptions cannot be noted", source=self._source, reason=str(error))
            return
        self._noted = True

    def distrust(self) -> None:
        """The server transferred subscriptions and delivered nothing: it is not asked again before it has restarted."""
        self._trusted = False

    async def take(self, session: Session, *, initial_values: bool) -> Taken | None:
        """The noted subscriptions, now those of this session, with what the server keeps of them; None if it will not.

        Raises NotConnected, SessionLost, JournalError.
        """
        identity = await asyncio.to_thread(self._file.load)
        if identity is None or identity.server != session.life:
            self._trusted = True
            return None
        if not self._trusted:
            return None
        heard = await self._journal.heard(self._source)
        if not all(one.token in heard for one in identity.subscriptions):
            _log.info("own subscriptions are not those of this journal", source=self._source)
            return None
        for one in identity.subscriptions:
            one.last = heard[one.token]
        return await self._transfer(session, identity, initial_values=initial_values)

    async def _transfer(self, session: Session, identity: Identity, *, initial_values: bool) -> Taken | None:
        """Events are asked for apart, and never for initial values: node-opcua 2.182 reports their item as a value."""
        data = [one for one in identity.subscriptions if not one.events]
        events = [one for one in identity.subscriptions if one.events]
        kept = await self._ask(session, data, initial_values=initial_values)
        if not kept:
            return None
        kept += await self._ask(session, events, initial_values=False)
        lost = frozenset(tag_id for one in data if one not in kept for tag_id in one.items)
        return Taken(tuple(kept), lost, identity.types)

    async def _ask(
        self, session: Session, wanted: Sequence[Subscription], *, initial_values: bool
    ) -> list[Subscription]:
        """Those of the subscriptions that the server transfers."""
        if not wanted:
            return []
        try:
            results = await session.transfer([one.id for one in wanted], initial_values=initial_values)
        except ServiceFault as fault:
            _log.info("server transfers no subscriptions", source=self._source, reason=str(fault))
            return []
        kept: list[Subscription] = []
        for one, result in zip(wanted, results, strict=False):  # what is not answered for is not ours
            if is_bad(result.StatusCode.value):
                reason = in_words(result.StatusCode.value)
                _log.info("server does not transfer a subscription", source=self._source, id=one.id, reason=reason)
            else:
                one.available = tuple(result.AvailableSequenceNumbers or ())
                kept.append(one)
        return kept
