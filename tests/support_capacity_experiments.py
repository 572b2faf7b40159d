"""P1-P4: what the plant can do with demand and material without end, and which station holds it up. Paired runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import NamedTuple

from support_experiments import CONFIDENCE, Finding
from support_plant import HOUR, WEEK, unlimited

from plant_model.activity import Activity
from plant_model.plant import Plant
from plant_model.replications import seed_of
from plant_model.spec import parse
from plant_model.state import Unit
from plant_model.statistics import Estimate, estimate, paired

REPLICATIONS = 16
WEEKS = 4
FAST_KG_H = 900.0
WAITING = frozenset(
    {
        Activity.Starved,
        Activity.Blocked,
        Activity.NoOrder,
        Activity.Stopped,
        Activity.Commanded,
        Activity.Break,
        Activity.NoOperator,
    }
)
"""Activities in which a machine waits: it is not the bottleneck then (average active period method)."""
PLAUSIBLE = {"P1 three conches": 421.0, "P2 four conches": 532.0, "P4 two conches": 294.0}
"""kg/h of the reference's prototype."""
NO_GAIN = 0.05
"""P3: less than this share more than four conches alone is no gain."""


class Run(NamedTuple):
    """What one plant made, good kg/h, and the share of time that each station's own machines waited for others."""

    rate: float
    waits: Mapping[str, float]


def capacity(seed: int) -> Iterator[Finding]:
    """The rates, their order, and the bottleneck: all with the same random numbers, run by run."""
    runs = {
        "P1 three conches": busy(seed, 3),
        "P2 four conches": busy(seed, 4),
        "P3 moulding at 900 kg/h": busy(seed, 4, FAST_KG_H),
        "P4 two conches": busy(seed, 2),
    }
    rates = {name: [run.rate for run in of] for name, of in runs.items()}
    for name, prototype in PLAUSIBLE.items():
        mean, half_width = estimate(rates[name], CONFIDENCE)
        close = abs(mean / prototype - 1.0) + half_width / prototype < 0.15
        yield Finding(f"{name}: kg/h (prototype, 15 %)", prototype, mean, half_width, close)
    three, four, fast, two = rates.values()
    yield above("P1 - P4: kg/h by the third conche", paired(three, two, CONFIDENCE))
    yield above("P2 - P1: kg/h by the fourth conche", paired(four, three, CONFIDENCE))
    gain, limit = paired(fast, four, CONFIDENCE), NO_GAIN * fmean(four)
    none = gain.mean + gain.half_width < limit
    yield Finding("P3 - P2: kg/h by moulding at 900 (< 5 %)", f"< {limit:.1f}", gain.mean, gain.half_width, none)
    yield bound("P1 three conches", runs["P1 three conches"], "Conching")
    yield bound("P2 four conches", runs["P2 four conches"], "Moulding")
    yield above("P4: moulding starves more than in P1", more_waiting(runs["P4 two conches"], runs["P1 three conches"]))


def busy(seed: int, machines: int, moulding_kg_h: float = 0.0) -> list[Run]:
    """Replications of some weeks without limits of demand and material."""
    data = unlimited(machines)
    if moulding_kg_h:
        data["stations"]["Moulding"]["rate_kg_h"] = moulding_kg_h
    spec, runs = parse(data), []
    for i in range(REPLICATIONS):
        plant = Plant(spec, seed_of(seed, i))
        plant.advance(WEEKS * WEEK)
        runs.append(Run(plant.state.books.good_mass / (plant.now / HOUR), waits(plant)))
    return runs


def waits(plant: Plant) -> dict[str, float]:
    """Share of time by station in which its own machines, on average, waited for others than those of the station."""
    shares: dict[str, list[float]] = {}
    for unit in plant.state.units.values():
        if unit.section == unit.station:
            shares.setdefault(unit.station, []).append(waited(unit, plant) / plant.now)
    return {station: fmean(of) for station, of in shares.items()}


def waited(unit: Unit, plant: Plant) -> float:
    """Seconds that a machine waited; for its own wrappers or kneader the station waits for itself."""
    beside = {
        name for one in plant.state.units.values() if one.station == unit.station for name in (one.name, one.section)
    }
    own = sum(spent for (activity, culprit), spent in unit.losses.items() if activity in WAITING and culprit in beside)
    return sum(unit.times[activity] for activity in WAITING) - own


def bound(name: str, runs: list[Run], station: str) -> Finding:
    """Whether a station waits less than each other one, by the one that comes nearest."""
    others = [other for other in runs[0].waits if other != station]
    leads = [estimate([run.waits[other] - run.waits[station] for run in runs], CONFIDENCE) for other in others]
    nearest = min(leads, key=lambda lead: lead.mean - lead.half_width)
    return above(f"{name}: {station} waits less than any other", nearest)


def more_waiting(runs: list[Run], base: list[Run]) -> Estimate:
    """By which share of time moulding waits more."""
    return paired([run.waits["Moulding"] for run in runs], [run.waits["Moulding"] for run in base], CONFIDENCE)


def above(experiment: str, difference: Estimate) -> Finding:
    """A difference that must be above zero, beyond its interval."""
    return Finding(experiment, "> 0", difference.mean, difference.half_width, difference.mean > difference.half_width)
