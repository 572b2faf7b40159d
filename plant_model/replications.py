"""Runs the cases of a study many times with common random numbers, anywhere there is an Executor, and compares them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple, TypeVar

import numpy as np

from plant_model.bottleneck import WAITS
from plant_model.incidents import Incident, Script
from plant_model.layout import sections
from plant_model.measures import HOUR, MEASURES, Measure, Stretch, figures, look, times, totals
from plant_model.outlook import Outlook, OutlookTask, outlook
from plant_model.plant import Plant
from plant_model.restoration import EVERY_S, Restorations
from plant_model.scenario import Case, Study
from plant_model.spec import PlantSpec
from plant_model.statistics import Estimate, estimate, paired

T = TypeVar("T")
DAY = 24 * HOUR
HOURS_A_DAY = 24
STEPS = round(HOUR / EVERY_S)


class Task(NamedTuple):
    """One replication of one case: everything it needs, and nothing of where it runs."""

    spec: PlantSpec
    incidents: tuple[Incident, ...]
    seed: int
    warm_up_d: float
    length_d: float


class Run(NamedTuple):
    """What came of a replication."""

    figures: dict[str, float]  # by the name of the measure
    times: dict[str, tuple[float, ...]]  # seconds of each machine by activity
    days: dict[str, tuple[float, ...]]  # stocks (means) and good output (kg/h) day by day
    refused: dict[str, str]  # what was to happen and never could, and why


class Outcome(NamedTuple):
    """A case with its replications, in the order of their seeds, and its look ahead if the study has one."""

    case: Case
    runs: tuple[Run, ...]
    outlook: Outlook | None = None

    @property
    def refused(self) -> Iterator[str]:
        """What was to happen and never could, how often, and the reason of one replication."""
        for what, often in Counter(what for run in self.runs for what in run.refused).items():
            reason = next(run.refused[what] for run in self.runs if what in run.refused)
            name, all_ = self.case.name, len(self.runs)
            yield f"{name}: {what} was refused to the end in {often} of {all_} replications: {reason}"


class Row(NamedTuple):
    """A measure of a case, and its difference to the base case (NaN for the base itself)."""

    measure: Measure
    value: Estimate
    difference: Estimate


def run_study(study: Study, executor: Executor, progress: Callable[[], object]) -> tuple[Outcome, ...]:
    """Run all `tasks`, calling `progress` after each. The result is the same to the last bit on every executor."""
    futures = [_submitted(study, case, executor) for case in study.cases]
    return tuple(
        Outcome(
            case, tuple(_awaited(run, progress) for run in runs), None if ahead is None else _awaited(ahead, progress)
        )
        for case, (runs, ahead) in zip(study.cases, futures, strict=True)
    )


def tasks(study: Study) -> int:
    """How many there are to run: the replications of each case, and its look ahead."""
    return len(study.cases) * (study.settings.replications + (study.settings.look_ahead is not None))


def _submitted(study: Study, case: Case, executor: Executor) -> tuple[list[Future[Run]], Future[Outlook] | None]:
    settings, ahead = study.settings, study.settings.look_ahead
    seeds = [seed_of(settings.seed, i) for i in range(settings.replications)]
    everything = [Task(case.spec, case.incidents, seed, settings.warm_up_d, settings.length_d) for seed in seeds]
    runs = [executor.submit(replicate, task) for task in everything]
    if ahead is None:
        return runs, None
    return runs, executor.submit(outlook, OutlookTask(case.spec, case.incidents, seeds[0], settings.warm_up_d, ahead))


def _awaited(future: Future[T], progress: Callable[[], object]) -> T:
    result = future.result()
    progress()
    return result


def seed_of(seed: int, replication: int) -> int:
    """The seed of a replication: the same in every case of a study, so that all meet the same luck."""
    return int(np.random.SeedSequence([seed, replication]).generate_state(1, np.uint64)[0])


def replicate(task: Task) -> Run:
    """Run a plant through warm-up and length, looking at it every hour."""
    plant = Plant(task.spec, task.seed)
    plant.advance(task.warm_up_d * DAY)
    begin, script, repairs = totals(plant), Script(plant, task.incidents), Restorations()
    seen = [look(plant)]
    for step in range(1, round(task.length_d * HOURS_A_DAY) * STEPS + 1):
        script.advance(begin.time + step * EVERY_S)
        repairs.look(plant)
        if step % STEPS == 0:
            seen.append(look(plant))
    end = totals(plant)
    means = {name: float(np.mean([one[name] for one in seen])) for name in seen[0]}
    stretch = Stretch(task.spec, begin, end, means, repairs.hours)
    return Run(figures(stretch), times(begin, end), _days(seen), script.refused)


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
    values, others = ([run.figures.get(measure.name, math.nan) for run in one.runs] for one in (outcome, base))
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


class Bottleneck(NamedTuple):
    """The station that waits least for others, and the share of its time in which it does."""

    station: str
    waits: float


def bottleneck(outcome: Outcome) -> Bottleneck:
    """The section that limits the line, by the average active period (Roser); its machines count alike."""
    machines, waits = mean_shares(outcome), dict[str, list[float]]()
    for name, section in sections(outcome.case.spec).items():
        waits.setdefault(section, []).append(sum(machines[name][activity] for activity in WAITS))
    return min((Bottleneck(name, float(np.mean(shares))) for name, shares in waits.items()), key=lambda one: one.waits)
