"""Taking over subscriptions that another session made: ours of before a kill, or of a session that is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from gateway.journal import JournalError
from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.identity import Identity, IdentityFile, asked

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.journal import Journal
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings

_log = structlog.get_logger(__name__)


class Takeover:
    """Knows the subscriptions of one source beyond session and process.

    A subscription is noted only while all of its items are known: changed() is to be called before any of them changes,
    note() when that is done.
    """

    def __init__(self, settings: SourceSettings, journal: Journal, path: Path) -> None:
        self._settings = settings
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
            _log.error("note of own subscriptions cannot be removed", source=self._settings.name, reason=str(error))

    async def note(self, identity: Identity) -> None:
        """Have this on disk, if it is not there yet. Where that fails it is tried with the next call."""
        if self._noted:
            return
        try:
            await self._journal.hear_only(self._settings.name, [one.token for one in identity.subscriptions])
            await asyncio.to_thread(self._file.save, identity)
        except (JournalError, OSError) as error:
            _log.warning("own subscriptions cannot be noted", source=self._settings.name, reason=str(error))
            return
        self._noted = True

    def distrust(self) -> None:
        """The server transferred subscriptions and delivered nothing: it is not asked again before it has restarted."""
        self._trusted = False

    async def take(self, session: Session, *, initial_values: bool) -> Identity | None:
        """The noted subscriptions, now those of this session, with what the server keeps of them; None if it will not.

        Raises NotConnected, SessionLost, JournalError.
        """
        identity = await asyncio.to_thread(self._file.load)
        if identity is None or identity.server != session.life or identity.asked != asked(self._settings):
            self._trusted = True
            return None
        if not self._trusted:
            return None
        heard = await self._journal.heard(self._settings.name)
        if not all(one.token in heard for one in identity.subscriptions):
            _log.info("own subscriptions are not those of this journal", source=self._settings.name)
            return None
        for one in identity.subscriptions:
            one.last = heard[one.token]
        return identity if await self._transfer(session, identity, initial_values=initial_values) else None

    async def _transfer(self, session: Session, identity: Identity, *, initial_values: bool) -> bool:
        wanted = [one.id for one in identity.subscriptions]
        try:
            results = await session.transfer(wanted, initial_values=initial_values)
        except ServiceFault as fault:
            _log.info("server transfers no subscriptions", source=self._settings.name, reason=str(fault))
            return False
        refused = [result.StatusCode.value for result in results if is_bad(result.StatusCode.value)]
        if refused or len(results) != len(wanted):
            reason = in_words(refused[0]) if refused else "not every subscription was answered for"
            _log.info("server does not transfer the subscriptions", source=self._settings.name, reason=reason)
            return False
        for one, result in zip(identity.subscriptions, results, strict=True):
            one.available = tuple(result.AvailableSequenceNumbers or ())
        return True
