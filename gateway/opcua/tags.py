"""Which tags a source has: those of the catalogue at first, then what browsing finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from gateway.opcua.browse import find_variables
from gateway.opcua.describe import describe, unknown_nodes
from gateway.opcua.nodes import UnknownNamespaceError
from gateway.opcua.patterns import Selection
from gateway.opcua.typebook import TypeBook

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gateway.journal import Journal
    from gateway.opcua.browse import Found
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag

_LATE_S = 120.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a look at the server has changed."""

    came: tuple[Tag, ...]
    gone: tuple[Tag, ...]  # the server no longer has them
    unwanted: tuple[Tag, ...]  # the settings no longer want them


class TagSet:
    """The tags of one source. Before the first browse they are what the catalogue remembers and the settings want."""

    def __init__(self, settings: SourceSettings, journal: Journal) -> None:
        self._source = settings.name
        self._journal = journal
        self.types = TypeBook(self._source, journal)
        self._life: tuple[str, ...] = ()  # of the server, as last seen
        self._late = 0.0  # until when nodes that this life of the server has not shown yet may come
        self._unseen: set[str] = set()  # nodes of tags that it has not shown yet
        self._described = False
        self.gone: dict[str, str] = {}  # browse path -> why there is no such tag any more
        self.select(settings)
        mine = (tag for tag in journal.catalogue if tag.source == self._source)
        self.by_id = {tag.id: tag for tag in mine if self._selection.takes(tag.path)}

    def select(self, settings: SourceSettings) -> None:
        """Want what these settings want, from the next browse on."""
        self._selection = Selection.of(settings.roots, settings.include, settings.exclude)

    async def prepare(self, session: Session) -> None:
        """Before values come: have the server's present definitions of the structures that are known. JournalError."""
        await self.types.follow(session)

    def tags(self) -> list[Tag]:
        """All of them."""
        return list(self.by_id.values())

    def describe_anew(self) -> None:
        """Read units, ranges and the like of every tag again at the next browse."""
        self._described = False

    async def browse(self, session: Session) -> Difference | None:
        """Look at the server, and have its tags; None where all is as it was. Raises JournalError.

        All are described at first, later only new ones. A node that was there and is unknown to the server now is gone.
        One that was there in an earlier life of the server has two minutes: a server that restarts may show its nodes
        late. Until then it is a rejected item.
        """
        found = self._named(session, await find_variables(session, self._selection))
        self._see(session.life, found)
        by_node = {tag.node: tag for tag in self.by_id.values()}
        unwanted = tuple(tag for tag in by_node.values() if not self._selection.takes(tag.path))
        missing = [tag for tag in by_node.values() if self._may_be_gone(tag, found) and tag not in unwanted]
        gone = await unknown_nodes(session, missing)
        new = [one for node, one in found.items() if not self._described or node not in by_node]
        if not (new or gone or unwanted):
            return None
        described = await describe(session, new, self._source)
        await self.types.learn(session, described.structures)
        left = {tag.node for tag in (*gone, *unwanted)}
        kept = {node: tag for node, tag in by_node.items() if node not in left}
        return await self._adopt({**kept, **{tag.node: tag for tag in described.tags}}, tuple(gone), unwanted)

    def _see(self, life: tuple[str, ...], found: Mapping[str, Found]) -> None:
        if life != self._life:
            self._life, self._late = life, monotonic() + _LATE_S
            self._unseen = {tag.node for tag in self.by_id.values()}
        self._unseen = self._unseen - found.keys()

    def _may_be_gone(self, tag: Tag, found: Mapping[str, Found]) -> bool:
        return tag.node not in found and (tag.node not in self._unseen or monotonic() > self._late)

    async def _adopt(self, wanted: Mapping[str, Tag], gone: tuple[Tag, ...], unwanted: tuple[Tag, ...]) -> Difference:
        before = self.by_id
        self.by_id = {tag.id: tag for tag in await self._journal.adopt(self._source, list(wanted.values()))}
        self._described = True
        came = tuple(tag for tag in self.tags() if tag.id not in before)
        self._note_gone(came, gone)
        counts = {"came": len(came), "gone": len(gone), "unwanted": len(unwanted)}
        _log.info("browsed", source=self._source, tags=len(self.by_id), **counts)
        return Difference(came, gone, unwanted)

    def _note_gone(self, came: Iterable[Tag], gone: Iterable[Tag]) -> None:
        moment = datetime.now(UTC).isoformat(" ", "seconds").removesuffix("+00:00")
        self.gone |= {"/".join(tag.path): f"the server has removed the node, noticed at {moment} UTC" for tag in gone}
        for tag in came:
            self.gone.pop("/".join(tag.path), None)

    def _named(self, session: Session, found: list[Found]) -> dict[str, Found]:
        named: dict[str, Found] = {}
        for one in found:
            try:
                named[session.namespaces.text(one.node)] = one
            except UnknownNamespaceError as error:
                _log.warning("tag without a namespace", source=self._source, tag="/".join(one.path), reason=str(error))
        return named
