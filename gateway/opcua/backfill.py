"""What was missed while nobody listened, read from the server's history: bounded, in order, each value once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from itertools import takewhile
from time import time_ns
from typing import TYPE_CHECKING

import numpy as np
import structlog

from gateway.journal import Draft, Kind
from gateway.opcua.decode import decode_data
from gateway.opcua.encode import kept, notification
from gateway.opcua.errors import NoAnswer, ServiceFault, in_words, is_bad
from gateway.opcua.history import Stretch, read_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gateway.opcua.intake import Intake
    from gateway.opcua.marks import Marks
    from gateway.opcua.pending import PendingFile
    from gateway.opcua.session import Session
    from gateway.opcua.settings import BackfillSettings
    from gateway.opcua.wire import HistoryPage
    from gateway.status import SourceStatus
    from gateway.values import Tag

_BAD_NO_DATA = 0x809B_0000
_BAD_CONTINUATION_POINT = 0x804A_0000

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Harvest:
    """What one answer brings."""

    drafts: list[Draft] = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)  # tag id -> time from which on it is still missing; 0: done
    seen: dict[int, tuple[int, int]] = field(default_factory=dict)  # tag id -> where its hole ended, newest of the page
    failed: dict[str, list[int]] = field(default_factory=dict)  # reason -> tag ids
    following: list[Stretch] = field(default_factory=list)


class Backfill:
    """Fills the holes that Marks knows. What cannot be read is announced as a gap and not tried again."""

    def __init__(
        self,
        settings: BackfillSettings,
        intake: Intake,
        marks: Marks,
        status: SourceStatus,
        file: PendingFile,
        wanted: Callable[[], Sequence[Tag]],
    ) -> None:
        self.settings = settings
        self._intake = intake
        self._marks = marks
        self._status = status
        self._file = file
        self._wanted = wanted
        self._at_once = settings.nodes_per_call
        self._alone: set[int] = set()  # tags that must be read with a time range of their own

    async def run(self, session: Session) -> None:
        """Read what is missing of the tags that are wanted, oldest hole first. Raises NotConnected, SessionLost."""
        self._at_once = self.settings.nodes_per_call
        self._alone.clear()
        while tags := self._open():
            while tags:
                together = self._neighbours(tags)
                del tags[: len(together)]
                await self._fill(session, together)
                await self._file.save(self._marks.pending)
                await asyncio.sleep(self.settings.pause_s)

    def _open(self) -> list[Tag]:
        """The tags to read, oldest hole first."""
        tags = {tag.id: tag for tag in self._wanted()}
        return [tags[i] for i in self._marks.open_ids().tolist() if i in tags]

    def _neighbours(self, tags: Sequence[Tag]) -> list[Tag]:
        """The first few of these tags: their holes begin at about the same time, and a call has one range for all."""
        if tags[0].id in self._alone:
            return [tags[0]]
        return list(takewhile(lambda tag: tag.id not in self._alone, tags[: self._at_once]))

    async def _fill(self, session: Session, tags: Sequence[Tag]) -> None:
        """Read these tags from the first hole on to now."""
        ids = np.array([tag.id for tag in tags])
        start, end = int(self._marks.pending[ids].min()), max(int(self._marks.first[ids].max()), time_ns())
        stretches = [Stretch(tag.id, session.namespaces.node(tag.node)) for tag in tags]
        try:
            while stretches:
                pages = await read_pages(session, stretches, start, end, self.settings)
                stretches = await self._take(stretches, pages, end)
        except ServiceFault as fault:
            await self._give_up([one.tag_id for one in stretches], end, str(fault))
        except NoAnswer:
            if self._at_once > 1:
                self._at_once = max(1, self._at_once // 2)
                _log.info("history is slow, fewer nodes at once", source=self._intake.source, nodes=self._at_once)
            else:
                await self._give_up([one.tag_id for one in stretches], end, "the server does not answer a HistoryRead")

    async def _take(self, stretches: Sequence[Stretch], pages: Sequence[HistoryPage], end: int) -> list[Stretch]:
        """Store what came; what is still to be read. Each tag's hole shrinks as soon as the values are stored."""
        harvest = _Harvest()
        for stretch, page in zip(stretches, pages, strict=True):
            if is_bad(page.status) and page.status != _BAD_NO_DATA:
                self._refused(stretch, page, harvest)
            else:
                self._pick(stretch, page, harvest)
        await self._intake.store(harvest.drafts, lambda: self._stored(harvest))
        for reason, tag_ids in harvest.failed.items():
            await self._give_up(tag_ids, end, reason)
        return harvest.following

    def _refused(self, stretch: Stretch, page: HistoryPage, harvest: _Harvest) -> None:
        """Note why; a continuation point that the server has forgotten is no reason: the tag's turn comes again."""
        if not (stretch.continuation and page.status == _BAD_CONTINUATION_POINT):
            harvest.failed.setdefault(in_words(page.status), []).append(stretch.tag_id)

    def _pick(self, stretch: Stretch, page: HistoryPage, harvest: _Harvest) -> None:
        """Take the new values of a page, and decide whether there are more."""
        tag_id = stretch.tag_id
        body, count, newest = self._new_values(tag_id, page)
        end = int(self._marks.first[tag_id])
        harvest.seen[tag_id] = end, newest
        if count:
            harvest.drafts.append(Draft(Kind.DATA, self._intake.source, body, count, historical=True))
        if page.continuation:
            harvest.following.append(Stretch(tag_id, stretch.node, page.continuation))
            harvest.reached[tag_id] = newest
        elif not self._hides_more(page) or newest == end:
            harvest.reached[tag_id] = 0
        elif newest > self._marks.pending[tag_id] or tag_id not in self._alone:
            self._alone.add(tag_id)
            harvest.reached[tag_id] = newest
        else:
            harvest.failed.setdefault("one moment has more values than one answer holds", []).append(tag_id)

    def _hides_more(self, page: HistoryPage) -> bool:
        """Whether a full page without continuation point is not the end, as with servers that have no such points."""
        return int.from_bytes(page.values[:4], "little", signed=True) >= self.settings.values_per_node

    def _new_values(self, tag_id: int, page: HistoryPage) -> tuple[bytes, int, int]:
        """The values of a page that lie in the tag's hole, how many they are, and how far the hole is filled by it."""
        body, n = notification(tag_id, page.values)
        times = np.zeros(n, np.int64)
        for part in decode_data(body, 0):
            times[part.index] = part.time
        opened, first = int(self._marks.pending[tag_id]), int(self._marks.first[tag_id])
        new = times > opened
        if first:
            new &= times < first
        newest = max(int(times.max(initial=0)), opened)
        newest = min(newest, first) if first else newest  # what the page has beyond the hole is not taken from it
        count = int(new.sum())
        return (body if count == n else kept(body, new)), count, newest

    def _stored(self, harvest: _Harvest) -> None:
        for tag_id, newest in harvest.reached.items():
            end, read_to = harvest.seen[tag_id]
            grew = self._marks.first[tag_id] != end  # more was lost while this page was on its way
            self._marks.pending[tag_id] = read_to if grew else newest
        values = sum(draft.count for draft in harvest.drafts)
        self._status.values += values
        self._status.backfilled += values

    async def _give_up(self, tag_ids: Sequence[int], end: int, reason: str) -> None:
        ids = np.array(tag_ids)
        start = int(self._marks.pending[ids].min())
        await self._intake.announce(tag_ids, start, end, f"history cannot be read: {reason}")
        self._marks.pending[ids] = 0
