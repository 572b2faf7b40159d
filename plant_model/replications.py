"""Runs the cases of a study many times with common random numbers, anywhere there is an Executor, and compares them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import numpy as np

from plant_model.measures import HOUR, MEASURES, Measure, Tally, figures, look, stretch, tally
from plant_model.plant import Plant
from plant_model.scenario import Case, FaultAt, Study
from plant_model.spec import PlantSpec
from plant_model.statistics import Estimate, estimate, paired

DAY = 24 * HOUR
HOURS_A_DAY = 24


class Task(NamedTuple):
    """One replication of one case: everything it needs, and nothing of where it runs."""

    spec: PlantSpec
    faults: tuple[FaultAt, ...]
    seed: int
    warm_up_d: float
    length_d: float


class Run(NamedTuple):
    """What came of a replication."""

    figures: dict[str, float]  # by the name of the measure
    times: dict[str, tuple[float, ...]]  # seconds of each machine by activity
    days: dict[str, tuple[float, ...]]  # stocks (means) and good output (kg/h) day by day


class Outcome(NamedTuple):
    """A case and its replications, in the order of their seeds."""

    case: Case
    runs: tuple[Run, ...]


class Row(NamedTuple):
    """A measure of a case, and its difference to the base case (NaN for the base itself)."""

    measure: Measure
    value: Estimate
    difference: Estimate


def run_study(study: Study, executor: Executor, progress: Callable[[], object]) -> tuple[Outcome, ...]:
    """Run all replications, calling `progress` after each. The result is the same to the last bit on every executor."""
    settings = study.settings
    seeds = [seed_of(settings.seed, i) for i in range(settings.replications)]
    futures = [
        [
            executor.submit(replicate, Task(case.spec, case.faults, seed, settings.warm_up_d, settings.length_d))
            for seed in seeds
        ]
        for case in study.cases
    ]
    try:
        return tuple(
            Outcome(case, tuple(_awaited(future, progress) for future in row))
            for case, row in zip(study.cases, futures, strict=True)
        )
    finally:
        for future in (future for row in futures for future in row):
            future.cancel()


def _awaited(future: Future[Run], progress: Callable[[], object]) -> Run:
    run = future.result()
    progress()
    return run


def seed_of(seed: int, replication: int) -> int:
    """The seed of a replication: the same in every case of a study, so that all meet the same luck."""
    return int(np.random.SeedSequence([seed, replication]).generate_state(1, np.uint64)[0])


def replicate(task: Task) -> Run:
    """Run a plant through warm-up and length, looking at it every hour."""
    plant = Plant(task.spec, task.seed)
    plant.advance(task.warm_up_d * DAY)
    begin, waiting = tally(plant), sorted(task.faults, key=lambda fault: fault.at_h)
    seen = [look(plant)]
    for hour in range(1, round(task.length_d * HOURS_A_DAY) + 1):
        waiting = _advance(plant, begin.time + hour * HOUR, begin.time, waiting)
        seen.append(look(plant))
    end = tally(plant)
    means = {name: float(np.mean([one[name] for one in seen])) for name in seen[0]}
    whole = stretch(task.spec, begin, end, means)
    return Run(figures(whole), _times(begin, end), _days(seen))


def _advance(plant: Plant, until: float, begin: float, waiting: Sequence[FaultAt]) -> list[FaultAt]:
    """Run to a time and inject the faults that fall due; returns those that still wait."""
    late: list[FaultAt] = []
    for fault in waiting:
        due = begin + fault.at_h * HOUR
        if due >= until:
            late.append(fault)
            continue
        plant.advance(max(due, plant.now))
        if plant.state.units[fault.machine].repair is None:
            plant.inject_fault(fault.machine, fault.fault)
        else:
            late.append(fault)  # it stands already: tried again after an hour
    plant.advance(until)
    return late


def _times(begin: Tally, end: Tally) -> dict[str, tuple[float, ...]]:
    return {
        name: tuple(after - before for after, before in zip(end.activities[name], row, strict=True))
        for name, row in begin.activities.items()
    }


def _days(seen: Sequence[dict[str, float]]) -> dict[str, tuple[float, ...]]:
    """Means over each whole day; the output is that of the day."""
    starts = range(0, len(seen) - HOURS_A_DAY, HOURS_A_DAY)
    days = {name: tuple(_mean(seen[i + 1 : i + HOURS_A_DAY + 1], name) for i in starts) for name in seen[0]}
    output = [(seen[i + HOURS_A_DAY]["GoodMass"] - seen[i]["GoodMass"]) / HOURS_A_DAY for i in starts]
    return {**days, "Throughput": tuple(output)}


def _mean(rows: Sequence[dict[str, float]], name: str) -> float:
    return float(np.mean([row[name] for row in rows]))


def compare(outcome: Outcome, base: Outcome, confidence: float) -> tuple[Row, ...]:
    """Every measure of a case with its interval, and with that of the paired difference to the base."""
    return tuple(_row(measure, outcome, base, confidence) for measure in MEASURES)


def _row(measure: Measure, outcome: Outcome, base: Outcome, confidence: float) -> Row:
    values, others = ([run.figures[measure.name] for run in one.runs] for one in (outcome, base))
    return Row(measure, estimate(values, confidence), paired(values, others, confidence))


def mean_days(outcome: Outcome, name: str) -> list[float]:
    """A series day by day: its mean over the replications."""
    return [float(value) for value in np.mean([run.days[name] for run in outcome.runs], axis=0)]


def mean_shares(outcome: Outcome) -> dict[str, list[float]]:
    """Where the time of each machine went: its share by activity, mean over the replications."""
    names: Any = outcome.runs[0].times
    return {name: _shares([run.times[name] for run in outcome.runs]) for name in names}


def _shares(rows: Sequence[Sequence[float]]) -> list[float]:
    seconds = np.mean(np.asarray(rows), axis=0)
    return [float(share) for share in seconds / seconds.sum()]
