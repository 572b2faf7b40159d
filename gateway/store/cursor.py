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


@dataclass(slots=True)
class Cursor:
    """The undelivered records of one sink. `progress` is replaced, never changed: the writing thread reads it too."""

    sink: str
    status: SinkStatus  # `behind` is kept here
    progress: Progress
    saved: Progress | None = field(default=None)

    @property
    def owed(self) -> Ranges:
        """Everything undelivered up to the journal's head."""
        return self.progress.owed

    def extend(self, first: int, last: int, count: int) -> None:
        """The journal has grown by these records with `count` values."""
        self.progress = Progress(last, ranges.add(self.owed, first, last))
        self.status.behind += count

    def settle(self, first: int, last: int, count: int) -> None:
        """The sink has these, or nobody has them any more."""
        owed = ranges.coarse(ranges.remove(self.owed, first, last), _MAX_RANGES)
        self.progress = Progress(self.progress.seen, owed)
        self.status.behind = max(0, self.status.behind - count) if owed else 0

    def lose(self, lost: Iterable[tuple[int, int]]) -> None:
        """Records (sequence, count) that were removed before they were delivered."""
        missed = sum(count for sequence, count in lost if ranges.contains(self.owed, sequence))
        self.status.behind = max(0, self.status.behind - missed)
