"""Which lane of a sink goes next, and how much it takes: pure decisions of delivery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

_TURN_S = 0.2  # a live batch should not wait longer than this for a backlog batch that is under way
_SMALLEST = 16 << 10
_NEW_WEIGHT = 0.3


def fitting(counts: Sequence[int], most: int) -> int:
    """How many of them, from the first on, sum up to no more than `most`; the first one always fits."""
    return max(1, sum(total <= most for total in accumulate(counts)))


def patience_s(before: int, first: int, last: int, flush_s: float) -> float:
    """How long the next live value waits for others: not at all where values come alone, at least `flush_s` apart.

    `first` and `last` of the latest batch and the one `before` it: when they came, Unix ns.
    """
    alone = first == last and first - before >= flush_s * 1e9
    return 0.0 if alone else flush_s


class Turn(Enum):
    """What to do next."""

    LIVE = "live"
    BACKLOG = "backlog"
    WAIT = "wait"


@dataclass(slots=True)
class Share:
    """Keeps the backlog to its share of the bytes while live values have to wait for it; idle time is free."""

    share: float  # of the bytes, below 1
    max_bytes: int
    credit: float = 0.0  # bytes that the backlog may send before the next live batch

    def next(self, *, live_due: bool, backlog: bool) -> Turn:
        """Whose turn it is."""
        if backlog and (not live_due or self.credit > 0):
            return Turn.BACKLOG
        return Turn.LIVE if live_due else Turn.WAIT

    def live_sent(self, size: int, *, backlog: bool) -> None:
        """A live batch went out; what the backlog earns by it is forgotten when there is none."""
        earned = self.credit + size * self.share / (1 - self.share)
        self.credit = min(earned, float(self.max_bytes)) if backlog else 0.0

    def backlog_sent(self, size: int, *, live_due: bool) -> None:
        """A backlog batch went out; it is charged if live values waited for it."""
        if live_due:
            self.credit -= size


@dataclass(slots=True)
class Pace:
    """Sizes backlog batches by what the peer takes, so that each is done within a fifth of a second."""

    max_bytes: int
    rate: float = 0.0  # bytes a second, 0 = not known yet

    def sent(self, size: int, seconds: float) -> None:
        """The peer took so much in so long."""
        seen = size / max(seconds, 1e-6)
        self.rate = seen if not self.rate else self.rate + _NEW_WEIGHT * (seen - self.rate)

    def limit(self) -> int:
        """Bytes of the next backlog batch."""
        smallest = min(_SMALLEST, self.max_bytes)
        return max(smallest, min(self.max_bytes, int(self.rate * _TURN_S))) if self.rate else smallest
