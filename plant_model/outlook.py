"""A study's look ahead: at one moment each case is forked into many futures, and bands say what is to be expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from plant_model.forecast import Reading, future_seeds, futures
from plant_model.incidents import HOUR, Incident, Script
from plant_model.layout import finished
from plant_model.measures import look
from plant_model.plant import Plant
from plant_model.schema import Bounds, NotNegative, Path, Positive, Problem
from plant_model.spec import PlantSpec
from plant_model.statistics import Band, Estimate, band, paired, ranked_band
from plant_model.supply import batch

OUTPUT, THROUGHPUT = "Output", "Throughput"
"""Series of the good output: kg since the moment, and kg/h; the others are what is seen at a moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAhead:
    """When the first replication of each case is looked ahead from, how far, in what steps, in how many futures.

    What happens at that moment has happened before. `series` are Output, Throughput, Tanks, FinishedGoods, Backlog,
    materials, and finished goods by product.
    """

    at_h: NotNegative
    hours: Positive
    series: tuple[str, ...]
    step_h: Positive = 2.0
    futures: Annotated[int, Bounds(low=9)] = 49

    def problems(self) -> Iterator[Problem]:
        """Say whether there is a step to look at."""
        if self.step_h > self.hours:
            yield Problem(("step_h",), f"is beyond the end, {self.hours:g} h")

    @property
    def steps(self) -> tuple[float, ...]:
        """The hours ahead that are looked at."""
        return tuple(self.step_h * (i + 1) for i in range(math.floor(self.hours / self.step_h)))


class OutlookTask(NamedTuple):
    """A look ahead of one case: everything it needs, and nothing of where it runs."""

    spec: PlantSpec
    incidents: tuple[Incident, ...]
    seed: int
    warm_up_d: float
    settings: LookAhead


class Outlook(NamedTuple):
    """What is to be expected of a case, and what came."""

    bands: dict[str, tuple[Band, ...]]  # by series, step by step
    came: dict[str, tuple[float, ...]]  # in the replication that was looked ahead from
    runs_out: dict[str, Band]  # hours until a material is short; infinite where it will not be
    output: tuple[tuple[float, ...], ...]  # kg that each future makes up to each step


def series(spec: PlantSpec) -> tuple[str, ...]:
    """What can be looked ahead of."""
    return OUTPUT, THROUGHPUT, "Tanks", "FinishedGoods", "Backlog", *map(finished, spec.products), *spec.storages


def unknown_series(settings: LookAhead, spec: PlantSpec, place: Path) -> Iterator[Problem]:
    """Say which series a plant does not have."""
    known = series(spec)
    for i, name in enumerate(settings.series):
        if name not in known:
            yield Problem((*place, "series", i), f"is no series; there are {', '.join(known)}")


def outlook(task: OutlookTask) -> Outlook:
    """Run a plant to the moment, fork it, and run on to see what came."""
    settings, plant = task.settings, Plant(task.spec, task.seed)
    plant.advance(task.warm_up_d * 24.0 * HOUR)
    script = Script(plant, task.incidents)
    script.advance(plant.now + settings.at_h * HOUR)
    times = [plant.now + step * HOUR for step in settings.steps]
    begin, seeds = look(plant), future_seeds(task.seed, settings.futures)
    drawn = [_rated(begin, readings, settings.step_h) for readings in futures(plant, look, times, seeds)]
    came = []
    for time in times:
        script.advance(time)
        came.append(look(plant))
    return Outlook(
        {name: _bands(drawn, name) for name in settings.series},
        {name: tuple(one[name] for one in _rated(begin, came, settings.step_h)) for name in settings.series},
        {name: _runs_out(task.spec, name, drawn, settings) for name in task.spec.storages},
        tuple(tuple(one[OUTPUT] for one in readings) for readings in drawn),
    )


def _rated(begin: Reading, readings: Sequence[Reading], step_h: float) -> list[Mapping[str, float]]:
    """Readings with the output up to each and in each step."""
    made = [0.0, *(one["GoodMass"] - begin["GoodMass"] for one in readings)]
    return [
        {**one, OUTPUT: after, THROUGHPUT: (after - before) / step_h}
        for one, before, after in zip(readings, made, made[1:], strict=False)
    ]


def _bands(drawn: Sequence[Sequence[Reading]], name: str) -> tuple[Band, ...]:
    return tuple(band([readings[i][name] for readings in drawn]) for i in range(len(drawn[0])))


def _runs_out(spec: PlantSpec, name: str, drawn: Sequence[Sequence[Reading]], settings: LookAhead) -> Band:
    least, steps = batch(spec, name), settings.steps
    hours = [
        next((hour for hour, one in zip(steps, readings, strict=True) if one[name] < least), math.inf)
        for readings in drawn
    ]
    return ranked_band(hours)


def shortfall(case: Outlook, base: Outlook, confidence: float) -> tuple[Estimate, ...]:
    """By how many kg the output up to each step is above that of the base case, future by future."""
    pairs = zip(zip(*case.output, strict=True), zip(*base.output, strict=True), strict=True)
    return tuple(paired(one, other, confidence) for one, other in pairs)
