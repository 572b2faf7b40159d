"""An EWMA control chart: a mean that forgets warns of a drift long before single values do (Roberts 1959)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from plant_model.schema import NotNegative, Positive, Problem, Share


@dataclass(frozen=True, kw_only=True)
class ChartSpec:
    """How a chart is kept: one value a lot."""

    weight: Share  # of a new value; what was before counts for the rest
    width: Positive  # limits, in standard deviations of the mean
    sd: NotNegative  # of the measurement

    def problems(self) -> Iterator[Problem]:
        """Say whether it never learns."""
        if self.weight == 0.0:
            yield Problem(("weight",), "must be above 0, or the chart never moves")

    @cached_property
    def room(self) -> float:
        """By how much the mean may differ from the target, once the chart has run for a while."""
        return self.width * self.sd * math.sqrt(self.weight / (2.0 - self.weight))


@dataclass(slots=True)
class Chart:
    """A chart at work, and how far ahead of trouble its warnings were. Part of the plant's state."""

    mean: float
    since: float | None = None  # it warns since; None while it does not
    run: int = 0  # that it is kept for; a new one begins after a reheat
    outside: bool = False  # whether the last lot itself was outside its limits
    warnings: int = 0
    troubles: int = 0  # times that lots began to be outside
    heralded: int = 0  # … of these after a warning
    ahead_s: float = 0.0  # seconds from the warning to the first lot outside, all together

    def begin(self, target: float, run: int) -> None:
        """Begin anew at the target."""
        self.mean, self.since, self.run, self.outside = target, None, run, False

    def add(self, spec: ChartSpec, target: float, value: float, now: float) -> bool:
        """Add a value; whether the chart begins to warn by it."""
        self.mean += spec.weight * (value - self.mean)
        if abs(self.mean - target) <= spec.room:
            self.since = None
            return False
        warns = self.since is None
        if warns:
            self.since, self.warnings = now, self.warnings + 1
        return warns

    def judge(self, *, outside: bool, now: float) -> None:
        """Note whether a lot is outside its limits, and how long after the warning the first one is."""
        if outside and not self.outside:
            self.troubles += 1
            if self.since is not None:
                self.heralded += 1
                self.ahead_s += now - self.since
        self.outside = outside
