"""How far a sink is: what it still owes, kept in the event loop, written to disk by the journal's thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway import ranges
from gateway.ranges import Ranges
from gateway.status import SinkStatus

_MAX_RANGES = 1000


@dataclass(frozen=True, slots=True)
class Progress:
    """What is saved: everything up to `seen` is settled but for the owed ranges; what comes later is owed."""

    seen: int
    owed: Ranges

    def first_owed(self) -> int:
        """Smallest sequence number that is owed, now or when it comes."""
        return self.owed[0][0] if self.owed else self.seen + 1

    def owed_to(self, last: int) -> Ranges:
        """What is owed of the records up to this one."""
        return ranges.below(ranges.add(self.owed, self.seen + 1, last), last + 1)

    def without(self, first: int, last: int) -> Progress:
        """Where these are settled as well."""
        owed = ranges.remove(ranges.add(self.owed, self.seen + 1, first - 1), first, last)
        return Progress(max(self.seen, last), ranges.coarse(owed, _MAX_RANGES))


@dataclass(slots=True)
class Cursor:
    """The undelivered records of one sink. `progress` is replaced, never changed: the writing thread reads it too."""

    sink: str
    status: SinkStatus  # `behind` is kept here
    progress: Progress
    head: int  # the journal's
    saved: Progress | None = field(default=None)

    @property
    def owed(self) -> Ranges:
        """Everything undelivered up to the journal's head."""
        return self.progress.owed_to(self.head)

    def owed_before(self, limit: int) -> Ranges:
        """Everything undelivered with a smaller number."""
        return self.progress.owed_to(min(limit - 1, self.head))

    def extend(self, head: int, count: int) -> None:
        """The journal has grown up to here by records with `count` values."""
        self.head = head
        self.status.behind += count

    def settle(self, first: int, last: int, count: int) -> None:
        """The sink has these, or nobody has them any more; nothing changes when first > last."""
        if first <= last:
            self.progress = self.progress.without(first, last)
        is_behind = self.progress.first_owed() <= self.head
        self.status.behind = max(0, self.status.behind - count) if is_behind else 0

    def lose(self, lost: Iterable[tuple[int, int]]) -> None:
        """Records (sequence, count) that were removed before they were delivered."""
        owed = self.owed
        missed = sum(count for sequence, count in lost if ranges.contains(owed, sequence))
        self.status.behind = max(0, self.status.behind - missed)
