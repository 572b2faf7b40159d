"""Keeps what is known of a server's structures: read when it shows them, noted before a record needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from gateway.opcua.bsd import BSD
from gateway.opcua.datatypes import DataTypes
from gateway.opcua.definitions import read_data_types
from gateway.opcua.nodes import UnknownNamespaceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from asyncua import ua

    from gateway.journal import Journal
    from gateway.opcua.session import Session

_log = structlog.get_logger(__name__)


class TypeBook:
    """The data types of one source."""

    def __init__(self, source: str, journal: Journal) -> None:
        self._source = source
        self._journal = journal
        self._known = journal.catalogue.data_types(source) or DataTypes()
        self._life: tuple[str, ...] = ()  # of the server, when they were read last
        self._asked: set[str] = set()  # data types of variables whose structures have been read in this life

    def decode(self, type_id: str, body: bytes, depth: int) -> dict[str, Any] | None:
        """The fields of a structure by what is known now. Raises Undecodable."""
        return self._known.decode(type_id, body, depth)

    async def follow(self, session: Session) -> None:
        """Have the definitions as they are in this life of the server, before values come. JournalError."""
        if session.life == self._life:
            return
        self._asked.clear()
        if self._known.structures:
            await self._note(session, await read_data_types(session, list(self._nodes(session))))
        self._life = session.life

    async def learn(self, session: Session, kinds: Collection[ua.NodeId]) -> None:
        """Have the structures that variables of these data types can hold. JournalError."""
        fresh = {session.namespaces.text(kind): kind for kind in kinds}
        fresh = {name: kind for name, kind in fresh.items() if name not in self._asked}
        if fresh:
            await self._note(session, await read_data_types(session, list(fresh.values())))
            self._asked |= fresh.keys()

    def _nodes(self, session: Session) -> Iterator[ua.NodeId]:
        for name in self._known.structures:
            if name.startswith(BSD):
                continue  # it came with another one
            try:
                yield session.namespaces.node(name)
            except UnknownNamespaceError:
                _log.debug("data type of a namespace that is gone", source=self._source, data_type=name)

    async def _note(self, session: Session, read: DataTypes) -> None:
        """What is read wins over what was known; what the server does not show now is kept for its return."""
        known = self._known
        fresh = DataTypes(
            session.namespaces.uris, {**known.structures, **read.structures}, {**known.encodings, **read.encodings}
        )
        if fresh != known:
            await self._journal.note_data_types(self._source, fresh)
            self._known = fresh
            _log.info("structures are known", source=self._source, count=len(fresh.structures))
