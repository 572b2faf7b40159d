"""Values that say others before them were lost: the server's queue was too short. A hole like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gateway.journal import Draft, Kind
from gateway.opcua.marks import OVERFLOW
from gateway.store.bodies import gap_body
from gateway.values import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gateway.opcua.decode import Part
    from gateway.opcua.marks import Marks
    from gateway.opcua.pending import PendingFile
    from gateway.values import Tag

_REASON = "the server's queue was too short, and there is no history to read what it dropped: raise queue_size"


class Overflows:
    """Opens holes for what servers drop. `historised` gives the tags with history, `found` is told of a new hole."""

    def __init__(
        self,
        source: str,
        marks: Marks,
        pending: PendingFile,
        historised: Callable[[], Sequence[Tag]],
        found: Callable[[], None],
    ) -> None:
        self._source = source
        self._marks = marks
        self._pending = pending
        self._historised = historised
        self._found = found

    async def note(self, parts: Iterable[Part]) -> list[Draft]:
        """To be called before the values are stored: their holes are on disk then. Gaps to be stored with them."""
        after = dropped_before(parts)
        with_history = {tag.id for tag in self._historised()} & after.keys()
        readable = [tag_id for tag_id in with_history if self._marks.last[tag_id]]
        if readable:
            self._marks.open(readable, [after[tag_id] for tag_id in readable])
            await self._pending.save(self._marks.pending, at_once=True)
            self._found()
        lost = {tag_id: end for tag_id, end in after.items() if tag_id not in with_history}
        return [self._gap(lost)] if lost else []

    def _gap(self, lost: dict[int, int]) -> Draft:
        """What is gone of these tags lies between what we had of each and its first value that came now."""
        known = [int(self._marks.last[tag_id]) for tag_id in lost if self._marks.last[tag_id]]
        end = max(lost.values())
        start = min(known, default=end)
        return Draft(
            Kind.GAP, self._source, gap_body(Gap(0, self._source, tuple(sorted(lost)), start, end, _REASON)), 0
        )


def dropped_before(parts: Iterable[Part]) -> dict[int, int]:
    """Tag id -> source time of its newest value with the overflow bit, for the tags that have one."""
    after: dict[int, int] = {}
    for part in parts:
        for row in np.flatnonzero((part.status & OVERFLOW) == OVERFLOW).tolist():
            tag_id, time = int(part.tag[row]), int(part.time[row])
            after[tag_id] = max(time, after.get(tag_id, 0))
    return after
