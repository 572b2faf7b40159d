"""Which tags a source has: those of the catalogue at first, then what browsing finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gateway.opcua.browse import find_variables
from gateway.opcua.describe import describe
from gateway.opcua.nodes import UnknownNamespaceError
from gateway.opcua.patterns import Selection

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.journal import Journal
    from gateway.naming import Naming
    from gateway.opcua.browse import Found
    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag

_log = structlog.get_logger(__name__)


class TagSet:
    """The tags of one source. Before the first browse they are what the catalogue remembers and the settings want."""

    def __init__(self, settings: SourceSettings, journal: Journal, naming: Naming) -> None:
        self._source = settings.name
        self._selection = Selection.of(settings.roots, settings.include, settings.exclude)
        self._journal = journal
        self._naming = naming
        self._browsed = False
        self._own(tag for tag in journal.catalogue if tag.source == self._source and self._selection.takes(tag.path))

    def _own(self, tags: Iterable[Tag]) -> None:
        self.by_node = {tag.node: tag for tag in tags}
        self.by_id = {tag.id: tag for tag in self.by_node.values()}

    def tags(self) -> list[Tag]:
        """All of them."""
        return list(self.by_node.values())

    async def browse(self, session: Session) -> tuple[list[Tag], list[Tag]]:
        """Look at the server: tags that are new, and tags that went.

        Every variable is described at the first browse, later only new ones. Nodes that are missing at the first browse
        leave; later they stay, as rejected items that are tried again: a server that restarts may show them late.
        """
        found = self._named(session, await find_variables(session, self._selection))
        new = {node: one for node, one in found.items() if not self._browsed or node not in self.by_node}
        if not new and self._browsed:
            return [], []
        tags = await describe(session, list(new.values()), self._source, self._naming)
        kept = self.by_node if self._browsed else {}
        before = self.by_node
        adopted = await self._journal.adopt(self._source, [*kept.values(), *tags])
        self._own(adopted)
        self._browsed = True
        came = [tag for node, tag in self.by_node.items() if node not in before]
        went = [tag for node, tag in before.items() if node not in self.by_node]
        _log.info("browsed", source=self._source, tags=len(self.by_node), came=len(came), went=len(went))
        return came, went

    def _named(self, session: Session, found: list[Found]) -> dict[str, Found]:
        named: dict[str, Found] = {}
        for one in found:
            try:
                named[session.namespaces.text(one.node)] = one
            except UnknownNamespaceError as error:
                _log.warning("tag without a namespace", source=self._source, tag="/".join(one.path), reason=str(error))
        return named
