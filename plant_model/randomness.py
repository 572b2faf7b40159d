"""Named random streams, and the distributions of the plant drawn from them."""

from __future__ import annotations

import math
from typing import Any

from numpy.random import PCG64, Generator, SeedSequence

from plant_model.equipment import FailureMode, Triangular


class Streams:
    """One generator per purpose, made when first asked for. Equal seeds and names give equal numbers."""

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, Generator] = {}

    def __getitem__(self, name: str) -> Generator:
        generator = self._generators.get(name)
        if generator is None:
            bits = PCG64(SeedSequence(self.seed, spawn_key=tuple(name.encode())))
            generator = self._generators[name] = Generator(bits)
        return generator

    def __getstate__(self) -> dict[str, Any]:
        return {"seed": self.seed, "bits": {name: g.bit_generator.state for name, g in self._generators.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.seed = state["seed"]
        self._generators = {}
        for name, bits in state["bits"].items():
            self._generators[name] = Generator(PCG64(0))
            self._generators[name].bit_generator.state = bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Streams) and self.__getstate__() == other.__getstate__()


def triangular(generator: Generator, shape: Triangular) -> float:
    """One draw; a draw is made from the stream even where there is no variation."""
    draw = generator.random()
    width, rise = shape.high - shape.low, shape.mode - shape.low
    if width == 0.0:
        return shape.mode
    if draw * width < rise:
        return shape.low + math.sqrt(draw * width * rise)
    return shape.high - math.sqrt((1.0 - draw) * width * (shape.high - shape.mode))


def time_to_failure(generator: Generator, mode: FailureMode, age_s: float = 0.0) -> float:
    """Seconds of operation that are left to a machine that has run `age_s` since its last failure (Weibull)."""
    scale = mode.mtbf_h * 3600.0 / math.gamma(1.0 + 1.0 / mode.shape)
    hazard = (age_s / scale) ** mode.shape + generator.standard_exponential()
    left: float = scale * hazard ** (1.0 / mode.shape) - age_s
    return left


def lognormal(generator: Generator, mean: float, cv: float) -> float:
    """A draw with this mean and coefficient of variation."""
    variance = math.log1p(cv * cv)
    return mean * math.exp(math.sqrt(variance) * generator.standard_normal() - variance / 2.0)


def gamma(generator: Generator, mean: float, cv: float) -> float:
    """A draw with this mean and coefficient of variation; the mean itself where one of them is 0."""
    if mean == 0.0 or cv == 0.0:
        return mean
    return float(generator.standard_gamma(1.0 / (cv * cv))) * mean * cv * cv


def exponential(generator: Generator, mean: float) -> float:
    """A draw with this mean."""
    return float(generator.standard_exponential()) * mean


def split(generator: Generator, total: int, shares: tuple[float, ...]) -> list[int]:
    """Distribute `total` things by their shares (multinomial)."""
    counts: list[int] = generator.multinomial(total, shares).tolist()
    return counts
