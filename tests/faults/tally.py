"""What a sink was given: every number of every tag, how often, and the gaps that were announced to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from faults.ledger import Rows


@dataclass(frozen=True)
class Announced:
    """A gap as a sink was told it. `tags` None: all, or the sink is not told which."""

    tags: frozenset[int] | None
    start: int
    end: int


@dataclass(frozen=True)
class Verdict:
    """What became of the changes at one sink."""

    sink: str
    changes: int
    lost: int  # not delivered
    announced: int  # of these, within an announced gap or refused by the sink itself
    duplicated: int
    invented: int  # numbers that the server never counted to, or with another time
    disordered: int  # live values older than one that was live before

    @property
    def delivered(self) -> int:
        return self.changes - self.lost

    @property
    def is_sound(self) -> bool:
        """Whether nothing is missing without a word, and nothing else is wrong."""
        return self.lost == self.announced and not self.invented and not self.disordered


class Tally:
    """Counts at one sink. Number 0, the value before the first change, is not counted."""

    def __init__(self, sink: str, tags: int) -> None:
        self.sink = sink
        self.seen = np.zeros((tags, 1024), np.uint16)
        self.times = np.zeros((tags, 1024), np.int64)  # 0: this sink does not tell
        self.reported = np.zeros(tags, np.bool_)
        self.gaps: list[Announced] = []
        self.refused: set[tuple[int, int]] = set()  # (tag, number) that this sink has refused for good
        self._newest = np.zeros(tags, np.int64)
        self._disordered = 0

    def take(self, tag: int, number: float, time: int = 0, *, live: bool = True) -> None:
        """A value has come."""
        count = int(number)
        if count >= self.seen.shape[1]:
            self._grow(count)
        if live and count < self._newest[tag] and not self.seen[tag, count]:
            self._disordered += 1
        if live:
            self._newest[tag] = max(self._newest[tag], count)
        self.reported[tag] = True
        self.seen[tag, count] += 1
        self.times[tag, count] = time

    def _grow(self, count: int) -> None:
        room = ((0, 0), (0, count + 1))
        self.seen, self.times = np.pad(self.seen, room), np.pad(self.times, room)

    def judge(self, ledger: Rows) -> Verdict:
        """Compare with what the server wrote down."""
        if len(ledger) and int(ledger["number"].max()) >= self.seen.shape[1]:
            self._grow(int(ledger["number"].max()))
        tags, numbers, times = ledger["tag"], ledger["number"], ledger["time"]
        missing = self.seen[tags, numbers] == 0
        told = self.times[tags, numbers]
        wrong_time = int(((told != 0) & (told != times)).sum())
        real = np.zeros(self.seen.shape, np.bool_)
        real[tags, numbers] = real[:, 0] = True
        repeats = self.seen[:, 1:].astype(np.int64) - 1
        return Verdict(
            sink=self.sink,
            changes=len(ledger),
            lost=int(missing.sum()),
            announced=self._announced(ledger[missing]),
            duplicated=int(repeats[repeats > 0].sum()),
            invented=int(((self.seen > 0) & ~real).sum()) + wrong_time,
            disordered=self._disordered,
        )

    def _announced(self, missing: Rows) -> int:
        covered = np.zeros(len(missing), np.bool_)
        for tag, number in self.refused:
            covered |= (missing["tag"] == tag) & (missing["number"] == number)
        for gap in self.gaps:
            within = (missing["time"] >= gap.start) & (missing["time"] <= gap.end)
            if gap.tags is not None:
                within &= np.isin(missing["tag"], list(gap.tags))
            covered |= within
        return int(covered.sum())
