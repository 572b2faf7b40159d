"""What the stream of values misses: noted on disk before it goes on, then read from history, or announced as a gap."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from gateway.opcua.intake import Intake
    from gateway.opcua.marks import Marks
    from gateway.opcua.pending import PendingFile
    from gateway.opcua.settings import BackfillSettings
    from gateway.opcua.tags import TagSet
    from gateway.values import Tag

_SECOND = 1_000_000_000


class Losses:
    """Keeps Marks, its file and the journal in step about what is missing of a source."""

    def __init__(
        self, settings: BackfillSettings, tags: TagSet, marks: Marks, file: PendingFile, intake: Intake
    ) -> None:
        self.settings = settings
        self._tags = tags
        self._marks = marks
        self._file = file
        self._intake = intake
        self._interrupted: set[int] = set()  # tags without history that miss something until they are monitored again

    def historised(self, tags: Iterable[Tag] | None = None) -> list[Tag]:
        """Those of the tags, or of all, whose history may be read."""
        return [tag for tag in tags or self._tags.tags() if tag.historised and self.settings.enabled]

    def cut(self) -> None:
        """The stream of all tags begins anew."""
        self._marks.lose()
        self._marks.cut(self.historised(), self._first_history())

    async def note(self) -> None:
        """Have what is missing on disk before it is forgotten where it was."""
        await self._file.save(self._marks.pending, at_once=True)

    async def expect(self, came: Collection[Tag]) -> None:
        """Want the history of tags that are new."""
        if came:
            self._marks.admit(came)
            self._marks.cut(self.historised(came), self._first_history())
            await self.note()

    async def interrupt(self, tag_ids: Collection[int]) -> None:
        """These tags miss something until they are monitored again."""
        tags = [self._tags.by_id[tag_id] for tag_id in tag_ids if tag_id in self._tags.by_id]
        if tags:
            with_history = self.historised(tags)
            self._marks.cut(with_history, 0)
            self._interrupted |= {tag.id for tag in tags} - {tag.id for tag in with_history}
            await self.note()

    async def announce_interrupted(self) -> None:
        """They are monitored again: say what of them nobody can give."""
        known = [tag_id for tag_id in self._interrupted if self._marks.last[tag_id]]
        self._interrupted.clear()
        if known:
            since = min(int(self._marks.last[tag_id]) for tag_id in known)
            await self._intake.announce(known, since, time_ns(), "no history to read what was missed: monitored anew")

    async def announce(self, after: str) -> None:
        """The stream has begun anew: say what was lost of the tags that have no history to read it from."""
        since, self._marks.lost_since = self._marks.lost_since, 0
        has_history = {tag.id for tag in self.historised()}
        lost = [tag.id for tag in self._tags.tags() if tag.id not in has_history and self._marks.last[tag.id]]
        if since and lost:
            await self._intake.announce(lost, since, time_ns(), f"no history to read what was missed: {after}")

    async def give_up(self, gone: Iterable[Tag]) -> None:
        """Say what was still to be read of tags that the server has removed."""
        holes = [tag.id for tag in gone if self._marks.pending[tag.id]]
        if holes:
            since = min(int(self._marks.pending[tag_id]) for tag_id in holes)
            reason = "the server removed the node before its history was read"
            await self._intake.announce(holes, since, time_ns(), reason)
            self._marks.pending[holes] = 0

    def _first_history(self) -> int:
        back = self.settings.first_history_s
        return time_ns() - round(back * _SECOND) if back else 0
