"""How far each tag's values are in the journal, as arrays by tag id: what to read from history is decided here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from asyncua import ua

from gateway.opcua.errors import BAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from gateway.opcua.decode import Part
    from gateway.values import Tag

OVERFLOW = 0x480
"""InfoType DataValue with the overflow bit: the server's queue was too short, values are lost (OPC 10000-4, 7.39.1)."""


_WAITING = ua.StatusCodes.BadWaitingForInitialData
_CODE = 0xFFFF_0000  # of a StatusCode, without its flags
EVENTS = 0
"""The place of the events among the tags, whose ids begin at 1: their newest time, and where history is missing."""


class Marks:
    """Times are Unix ns, 0 = none. One entry a tag id; ids of other sources stay unused."""

    def __init__(self) -> None:
        self._known = np.zeros(1, np.bool_)
        self.last = np.zeros(1, np.int64)  # source time of the newest live value in the journal
        self.first = np.zeros(1, np.int64)  # source time of the first live value since the last cut
        self.pending = np.zeros(1, np.int64)  # history is missing from here on
        self.status = np.zeros(1, np.uint32)  # of the newest live value
        self.overflows = np.zeros(1, np.int64)  # live values with the overflow bit
        self.heard = 0  # when the last message came
        self.lost_since = 0  # when messages were lost, until the loss is dealt with
        self._unsure: NDArray[np.bool_] | None = None  # of which nothing has come since they were doubted

    def admit(self, tags: Iterable[Tag]) -> None:
        """Make room for these tags and let their values in."""
        self.admit_ids(tag.id for tag in tags)

    def admit_ids(self, tag_ids: Iterable[int]) -> None:
        """The same by id."""
        ids = np.fromiter(tag_ids, np.int64)
        missing = int(ids.max(initial=-1)) + 1 - len(self._known)
        if missing > 0:
            for name in ("_known", "last", "first", "pending", "status", "overflows"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros(missing + len(old) // 2, old.dtype)]))
            if self._unsure is not None:
                self._unsure = np.append(self._unsure, np.zeros(len(self._known) - len(self._unsure), np.bool_))
        self._known[ids] = True

    def knows(self, parts: Sequence[Part]) -> bool:
        """Whether all values belong to tags that were admitted: handles come from outside."""
        try:
            return all(self._known[part.tag.view(np.uint32)].all() for part in parts)  # none counts from the end
        except IndexError:
            return False

    def note(self, parts: Iterable[Part], received: int) -> None:
        """Live values are in the journal: one assignment a column."""
        self.heard = max(self.heard, received)
        for part in parts:
            tag = part.tag.astype(np.intp)  # as NumPy would with each line
            self.last[tag] = part.time
            self.status[tag] = part.status
            if self._unsure is not None:
                self._unsure[tag] = False
            first = self.first[tag]
            if not first.all():
                new = first == 0
                self.first[tag[new][::-1]] = part.time[new][::-1]

    def count_overflows(self, parts: Iterable[Part]) -> int:
        """Count the values that say that others before them were lost at the server; how many they are."""
        before = int(self.overflows.sum())
        for part in parts:
            np.add.at(self.overflows, part.tag[(part.status & OVERFLOW) == OVERFLOW], 1)
        return int(self.overflows.sum()) - before

    def recall(self, parts: Iterable[Part], received: int) -> None:
        """Take the newest times from what the journal has already, in any order."""
        self.heard = max(self.heard, received)
        for part in parts:
            np.maximum.at(self.last, part.tag, part.time)

    def cut(self, tags: Iterable[Tag], before: int) -> None:
        """The stream of values is interrupted: history of these tags is missing after what we have of each.

        `before` is where history begins for a tag of which we have nothing; 0: it is not wanted.
        """
        ids = np.fromiter((tag.id for tag in tags), np.int64)
        self.first[ids] = 0
        idle = ids[self.pending[ids] == 0]
        self.pending[idle] = np.where(self.last[idle] > 0, self.last[idle], before)

    def doubt(self, tag_ids: Iterable[int]) -> None:
        """The newest value that we have of these tags may not be the present one, until one comes."""
        self._unsure = np.zeros(len(self._known), np.bool_)
        self._unsure[np.fromiter(tag_ids, np.int64)] = True

    def unsure_ids(self) -> NDArray[np.int64]:
        """Tags of which nothing has come since they were doubted."""
        return np.empty(0, np.int64) if self._unsure is None else np.flatnonzero(self._unsure)

    def be_sure(self) -> None:
        """What could be known of doubted tags is known."""
        self._unsure = None

    def note_events(self, times: Iterable[int]) -> None:
        """Events of these times are in the journal."""
        self.last[EVENTS] = max((int(self.last[EVENTS]), *times))

    def interrupt_events(self) -> None:
        """Events are missing after the newest one that we have."""
        self.pending[EVENTS] = self.pending[EVENTS] or self.last[EVENTS]

    def open(self, ids: Sequence[int], until: Sequence[int]) -> None:
        """Values of these tags are missing between what we have of each and `until`; an open hole grows that far."""
        tags = np.asarray(ids, np.int64)
        idle = tags[self.pending[tags] == 0]
        self.pending[idle] = self.last[idle]
        self.first[tags] = until

    def open_ids(self) -> NDArray[np.int64]:
        """Tags whose history is missing, the longest missing first."""
        ids = np.flatnonzero(self.pending)
        return ids[np.argsort(self.pending[ids], kind="stable")]

    def lose(self) -> None:
        """Messages are lost from now on, or since a loss that is not dealt with yet.

        What the last message did not hold yet is younger than its newest value, though perhaps older than its arrival.
        """
        newest = int(self.last[EVENTS + 1 :].max(initial=0)) or self.heard
        self.lost_since = self.lost_since or min(self.heard, newest)

    def quiet_ids(self) -> list[int]:
        """Tags of which no value was ever seen."""
        return [int(i) for i in np.flatnonzero(self._known & (self.last == 0))]

    def bad_ids(self) -> list[int]:
        """Tags whose newest value has a bad status, though there should be one."""
        return [int(i) for i in np.flatnonzero((self.status >= BAD) & (self.status & _CODE != _WAITING))]

    def waiting_ids(self) -> list[int]:
        """Tags of which the server itself has no value yet."""
        return [int(i) for i in np.flatnonzero(self.status & _CODE == _WAITING)]

    def overflowing_ids(self) -> list[int]:
        """Tags whose queue at the server was too short at some time."""
        return [int(i) for i in np.flatnonzero(self.overflows)]


def have_overflow(parts: Iterable[Part]) -> bool:
    """Whether one of these values says that others before it were lost at the server."""
    return any(part.status.max() >= OVERFLOW and ((part.status & OVERFLOW) == OVERFLOW).any() for part in parts)
