"""How old values are where they arrive: from their source timestamp, percentiles by value."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(slots=True)
class Latencies:
    """Collects while it is open; one clock for source and arrival, as all run on one machine."""

    is_open: bool = False
    _ages: list[float] = field(default_factory=list)  # ms
    _weights: list[int] = field(default_factory=list)  # values of that age

    def arrived(self, times_ns: Sequence[int], values: int) -> None:
        """So many values came, these among them are their times."""
        if self.is_open:
            now = time.time_ns()
            self._ages += [(now - then) / 1e6 for then in times_ns]
            self._weights += [values] * len(times_ns)

    def percentile_ms(self, share: float) -> float:
        """The age that this share of the values did not exceed; NaN where nothing came."""
        if not self._ages:
            return float("nan")
        order = np.argsort(self._ages)
        weight = np.cumsum(np.array(self._weights)[order])
        return float(np.array(self._ages)[order][np.searchsorted(weight, share * weight[-1])])

    def summary(self) -> dict[str, float]:
        """What is reported."""
        return {"p50": self.percentile_ms(0.5), "p99": self.percentile_ms(0.99)}
