"""A1-A5, A14: queueing theory against lines of test stations that run on the plant's own mechanisms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from support_base_stock import LEAD_D, PER_DAY, fill_rates, poisson_below
from support_line import Bench, Line
from support_plant import HOUR

from plant_model.activity import Activity
from plant_model.equipment import FailureMode
from plant_model.forecast import look_ahead
from plant_model.replications import seed_of
from plant_model.statistics import estimate, paired

CONFIDENCE = 0.999
"""Of each interval. Some 30 rows have one, so a right plant fails one of them in about 30 runs with new seeds."""
REPLICATIONS = 20
MANY = 80
"""Replications where two rates must be told apart."""
FAULT = "Stop"


@dataclass(frozen=True)
class Finding:
    """One row of the table: what theory says, what was measured, and whether that agrees."""

    experiment: str
    theory: float | str
    measured: float | str
    half_width: float
    ok: bool


Experiment = Callable[[int], Iterator[Finding]]


def against(experiment: str, theory: float, values: list[float], *, bias: float = 0.0) -> Finding:
    """Whether the interval of replications holds the theory; `bias` is what the experiment itself is known to add."""
    mean, half_width = estimate(values, CONFIDENCE)
    return Finding(experiment, theory, mean, half_width, abs(mean - theory) <= half_width + bias)


def single_queue(seed: int) -> Iterator[Finding]:
    """A1: M/M/1 with 0.8 arrivals and 1 service an hour."""
    stays, inside = [], []
    for i in range(REPLICATIONS):
        line = Line({"Server": Bench(hours=1.0)}, seed_of(seed, i), per_hour=0.8)
        line.advance(1000 * HOUR)
        line.stays.clear()
        area = line.area
        line.advance(10_000 * HOUR)
        stays.append(sum(line.stays) / len(line.stays))
        inside.append((line.area - area) / 9_000)
    yield against("A1 M/M/1: hours in the system", 5.0, stays)
    yield against("A1 M/M/1: parts in the system", 4.0, inside)


def rate(benches: Mapping[str, Bench], seed: int, hours: float, *, warm_up: float) -> float:
    """Parts an hour at the end of a line with parts without end."""
    line = Line(benches, seed)
    line.advance(warm_up * HOUR)
    before = line.left
    line.advance((warm_up + hours) * HOUR)
    return (line.left - before) / hours


def two_machines(seed: int) -> Iterator[Finding]:
    """A2: two exponential machines of one part an hour with room for B between, blocking after service."""
    for room in (1, 2, 5):
        benches = {"First": Bench(1.0), "Second": Bench(1.0, room=room)}
        rates = [rate(benches, seed_of(seed, i), 3000, warm_up=100) for i in range(REPLICATIONS)]
        yield against(f"A2 two machines, buffer {room}: parts/h", (room + 2) / (room + 3), rates)


MTTF, MTTR = (100.0, 60.0, 40.0), (5.0, 4.0, 6.0)
CYCLE = 0.25
"""Hours a part: short against repairs, so that hardly ever two machines stop within one cycle."""
HIDDEN = 0.002
"""By how much stops within the same cycle raise the rate of a line without buffers: cycle x failure rates x MTTR."""


def failing_line(room: float | None, clock: Literal["operating", "calendar"]) -> dict[str, Bench]:
    """Three machines that fail; None: without any buffer. Ages and repairs vary little, as the rates do not depend."""
    modes = [
        # by the calendar the time between failures has the repair in it, by working it has not
        FailureMode(mtbf_h=up + down * (clock == "calendar"), shape=10.0, mttr_h=down, cv=0.1, clock=clock)
        for up, down in zip(MTTF, MTTR, strict=True)
    ]
    return {
        f"Machine{i}": Bench(CYCLE, 1.0 if room is None else room, ((FAULT, mode),), random=False, vessel=room is None)
        for i, mode in enumerate(modes, 1)
    }


def efficiencies(
    seed: int, room: float | None, clock: Literal["operating", "calendar"] = "operating", *, runs: int = REPLICATIONS
) -> list[float]:
    """Share of the ideal rate, replication by replication."""
    line = failing_line(room, clock)
    return [CYCLE * rate(line, seed_of(seed, i), 600, warm_up=60) for i in range(runs)]


BY_WORKING = 1.0 / (1.0 + sum(down / up for up, down in zip(MTTF, MTTR, strict=True)))
BY_CALENDAR = math.prod(up / (up + down) for up, down in zip(MTTF, MTTR, strict=True))
WEAKEST = min(up / (up + down) for up, down in zip(MTTF, MTTR, strict=True))


def failure_clocks(seed: int) -> Iterator[Finding]:
    """A3, A4: machines without buffers: one that waits does not age by its working time, but by the calendar it does.

    The two rates are near each other, so it takes many runs to tell a right clock from a wrong one.
    """
    working = efficiencies(seed, None, runs=MANY)
    calendar = efficiencies(seed, None, "calendar", runs=MANY)
    yield against("A3 no buffers, failures by working", BY_WORKING, working, bias=HIDDEN)
    yield against("A4 no buffers, failures by calendar", BY_CALENDAR, calendar, bias=HIDDEN)
    lower = paired(working, calendar, CONFIDENCE)
    clear = abs(lower.mean - (BY_WORKING - BY_CALENDAR)) <= lower.half_width < lower.mean
    yield Finding("A3 - A4: not zero", BY_WORKING - BY_CALENDAR, lower.mean, lower.half_width, clear)


def finite_buffers(seed: int) -> Iterator[Finding]:
    """A5: with endless buffers the weakest machine alone decides; finite ones lie between, the larger the better."""
    yield against("A5 endless buffers: the weakest alone", WEAKEST, efficiencies(seed, math.inf))
    last = BY_WORKING
    for room in (2, 6, 12):
        mean, half_width = estimate(efficiencies(seed, room), CONFIDENCE)
        between = f"{BY_WORKING:.4f}..{WEAKEST:.4f}"
        yield Finding(f"A5 buffers of {room}: between, rising", between, mean, half_width, last < mean < WEAKEST)
        last = mean


def base_stock(seed: int) -> Iterator[Finding]:
    """A6: Poisson demand of 2 a day, five days of lead time, each unit ordered again at once: the fill rate."""
    for stock in (10, 13, 16):
        theory = poisson_below(stock, PER_DAY * LEAD_D)
        yield against(f"A6 base stock of {stock}: fill rate", theory, fill_rates(stock, seed))


ORIGINS = 900
"""As many as an interval of 5.5 percentage points needs at 99.9 %, of the median too."""
GAP_H = 7.0
"""Hours between origins: the ages of the machine at them are spread over its life."""


def coverage(seed: int) -> Iterator[Finding]:
    """A14: how often the future falls into the P10-P90 band of 19 futures forked from its present."""
    life = FailureMode(mtbf_h=20.0, shape=2.0, mttr_h=2.0, cv=0.5)
    real = Line({"Machine": Bench(1000.0, failures=((FAULT, life),), random=False)}, seed)
    unit, ahead_h = real.state.units["Machine"], 50.0
    hits, below = [], []
    for i in range(ORIGINS):
        real.advance((i + 1) * GAP_H * HOUR)
        until = real.now + ahead_h * HOUR
        present = worked(real)
        band = look_ahead(real, lambda line: {"worked": worked(line)}, [until], seed=seed_of(seed, i), runs=19)
        truth = real.fork(seed_of(seed, ORIGINS + i))
        truth.advance(until)
        p10, p50, p90 = (value - present for value in band["worked"][0])
        came = worked(truth) - present
        hits.append(float(p10 <= came <= p90))
        below.append(float(came <= p50))
    assert unit.failures[FAULT].count > 50
    for name, theory, values in (("within P10-P90", 0.8, hits), ("below P50", 0.5, below)):
        half_width = 3.29 * math.sqrt(theory * (1.0 - theory) / ORIGINS)
        mean = sum(values) / ORIGINS
        experiment = f"A14 {ORIGINS} look-aheads: {name}"
        yield Finding(experiment, theory, mean, half_width, abs(mean - theory) <= half_width)


def residual_life(seed: int) -> Iterator[Finding]:
    """A14: a fork knows the age of the machine: the chance to live on is that of a Weibull life at its age."""
    mode = FailureMode(mtbf_h=20.0, shape=3.0, mttr_h=2.0, cv=0.5)
    scale = mode.mtbf_h / math.gamma(1.0 + 1.0 / mode.shape)
    real = next(line for line in map(partial(aged, mode), range(seed, seed + 1000)) if line is not None)
    forks = [real.fork(seed_of(seed, i)) for i in range(2000)]
    alive = [float(fork.state.units["Machine"].failures[FAULT].remaining > 5 * HOUR) for fork in forks]
    theory = math.exp((18.0 / scale) ** mode.shape - (23.0 / scale) ** mode.shape)
    half_width = 3.29 * math.sqrt(theory * (1.0 - theory) / len(alive))
    mean = sum(alive) / len(alive)
    yield Finding("A14 alive 5 h more at the age of 18 h", theory, mean, half_width, abs(mean - theory) <= half_width)


def aged(mode: FailureMode, seed: int) -> Line | None:
    """A machine at the age of 18 h, if it gets there."""
    line = Line({"Machine": Bench(1000.0, failures=((FAULT, mode),), random=False)}, seed)
    line.advance(18 * HOUR)
    return None if line.state.units["Machine"].failures[FAULT].count else line


def worked(line: Line) -> float:
    """Hours that the machine has worked."""
    unit = line.state.units["Machine"]
    running = line.now - unit.since if unit.activity is Activity.Running else 0.0
    return (unit.times[Activity.Running] + running) / HOUR
