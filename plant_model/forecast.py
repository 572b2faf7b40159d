"""Looking ahead: the present is forked many times, each copy meets its own luck, and quantiles say what may come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Self, TypeVar

import numpy as np

from plant_model.statistics import Band, band

RUNS = 49
"""Futures that are drawn: with 49, P10, P50 and P90 are the 5th, 25th and 45th smallest values."""


class Model(Protocol):
    """What can be looked ahead of: a plant, or a part of one."""

    def fork(self, seed: int) -> Self:
        """An independent copy whose future is drawn anew, conditional on its present."""
        ...

    def advance(self, until: float) -> object:
        """Run to a time."""
        ...


M = TypeVar("M", bound=Model)
Reading = Mapping[str, float]


def futures(
    present: M, read: Callable[[M], Reading], times: Sequence[float], seeds: Sequence[int]
) -> list[list[Reading]]:
    """What is read of each future (by seed) at rising times; the present itself does not change."""
    return [_future(present.fork(seed), read, times) for seed in seeds]


def _future(copy: M, read: Callable[[M], Reading], times: Sequence[float]) -> list[Reading]:
    readings = []
    for time in times:
        copy.advance(time)
        readings.append(read(copy))
    return readings


def look_ahead(
    present: M, read: Callable[[M], Reading], times: Sequence[float], *, seed: int = 1, runs: int = RUNS
) -> dict[str, tuple[Band, ...]]:
    """P10, P50 and P90 of everything that is read, at each time. Seeds are common: equal seeds compare two presents."""
    drawn = futures(present, read, times, future_seeds(seed, runs))
    return {name: tuple(band([future[i][name] for future in drawn]) for i in range(len(times))) for name in drawn[0][0]}


def future_seeds(seed: int, runs: int) -> list[int]:
    """Seeds for that many futures."""
    return [int(word) for word in np.random.SeedSequence(seed).generate_state(runs, np.uint64)]
