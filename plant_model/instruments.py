"""From true values to readings: noise, resolution, ends of the scale, and what a faulty sensor shows instead."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plant_model.sensing import Quality, Sensor
from plant_model.state import Defect, SensorFault

DRIFT_PER_H = 0.01
"""Share of the range by which a drifting sensor goes wrong in an hour, EST."""
NOISE_SHARE = 0.02
"""Standard deviation of a noisy sensor as a share of its range, EST."""
BAD_CONTACT = 0x5EED
"""Sets the noise of a fault apart from the sensor's own."""
_ONES = np.ones(4)
Reading = tuple[float, Quality]
Poor = list[tuple[int, Quality]]


class Instruments:
    """Turns true values into readings. Noise is a function of signal and second, so reading changes nothing."""

    def __init__(self, rows: Sequence[Sensor[Any]], nodes: Sequence[str]) -> None:
        self._noise = np.array([row.noise for row in rows])
        self._scale = np.array([10.0**row.digits for row in rows])
        self._low = np.array([-math.inf if math.isnan(row.low) else row.low for row in rows])
        self._high = np.array([math.inf if math.isnan(row.high) else row.high for row in rows])
        self._seeds = np.arange(1, len(rows) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        self._index = {node: i for i, node in enumerate(nodes)}

    def read(
        self, true: NDArray[np.float64], now: float, faults: Mapping[str, SensorFault]
    ) -> tuple[NDArray[np.float64], Poor]:
        """Readings, and the places where they are not good. A value that nobody has yet is 0.

        `faults`: what is wrong with sensors, by node; those of others are left out.
        """
        noisy = true + self._noise * normal(self._seeds, int(now)) * (true != 0.0)
        within = np.minimum(np.maximum(noisy, self._low), self._high)
        shown = np.rint(within * self._scale) / self._scale + 0.0  # no -0.0
        good = (true >= self._low) & (true <= self._high)
        bad: Poor = []
        if not good.all():
            missing = np.isnan(true)
            bad += [(int(i), Quality.NOT_YET) for i in np.flatnonzero(missing)]
            bad += [(int(i), Quality.OUT_OF_RANGE) for i in np.flatnonzero(~good & ~missing)]
            shown = np.nan_to_num(shown)
        if faults:
            bad += self.spoil(shown, now, faults)
        return shown, bad

    def spoil(self, shown: NDArray[np.float64], now: float, faults: Mapping[str, SensorFault]) -> Poor:
        """Put in what the faulty sensors show; their qualities, good ones included."""
        poor: Poor = []
        noise = normal(self._seeds ^ np.uint64(BAD_CONTACT), int(now))
        for node, fault in faults.items():
            i = self._index.get(node)
            if i is None:
                continue
            low, high = float(self._low[i]), float(self._high[i])
            value, quality = faulty(fault, float(shown[i]), (low, high), now, float(noise[i]))
            shown[i] = round(value * self._scale[i]) / self._scale[i] + 0.0
            poor.append((i, quality))
        return poor


def faulty(fault: SensorFault, reading: float, ends: tuple[float, float], now: float, noise: float) -> Reading:
    """What a faulty sensor shows instead of its reading, within the ends of its range, and what that is worth."""
    low, high = ends
    if fault.kind is Defect.Dead:
        return low, Quality.SENSOR_FAILURE
    if fault.kind is Defect.Stuck:
        return fault.reading, Quality.LAST_USABLE
    if fault.kind is Defect.Drift:
        wrong = (high - low) * DRIFT_PER_H * (now - fault.since) / 3600.0
    else:
        wrong = (high - low) * NOISE_SHARE * noise
    return min(max(reading + wrong, low), high), Quality.GOOD


def normal(seeds: NDArray[np.uint64], second: int) -> NDArray[np.float64]:
    """A standard normal number per seed and second: the four quarters of a splitmix64 hash, summed."""
    mixed = seeds + np.uint64(second * 0xD1342543DE82EF95 & 0xFFFFFFFFFFFFFFFF)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    quarters = (mixed ^ (mixed >> np.uint64(31))).view(np.uint16).reshape(-1, 4)
    summed = quarters.astype(np.float64) @ _ONES  # four times as quick as sum(axis=1)
    return (summed / 65536.0 - 2.0) * math.sqrt(3.0)
