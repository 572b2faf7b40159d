"""What is asked of the plant: a base case, and scenarios that change its file by path or let things happen at times."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from plant_model import patching
from plant_model.incidents import CommandAt, FaultAt, Incident, strange
from plant_model.outlook import LookAhead, unknown_series
from plant_model.schema import UNUSABLE, Bounds, Builder, Count, NotNegative, Path, Positive, Problem, SpecError
from plant_model.spec import PlantSpec, parse

BASE = "Base"
"""Name of the case that all others are compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Changes to the plant file. Paths are keys with dots between them; `*` is every key: "stations.*.power_kw"."""

    description: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)  # path: new value
    scale: Mapping[str, Positive] = field(default_factory=dict)  # path: factor on the numbers there
    faults: tuple[FaultAt, ...] = ()
    commands: tuple[CommandAt, ...] = ()

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """What happens, whenever that is."""
        return *self.faults, *self.commands


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySettings:
    """A file of scenarios. Each runs `replications` times for `length_d` days after `warm_up_d` days not looked at."""

    title: str
    plant: str  # the plant's file, relative to this one
    scenarios: Mapping[str, Scenario]
    description: str = ""
    base: Scenario = field(default_factory=Scenario)  # holds for all scenarios, before their own changes
    warm_up_d: NotNegative = 7.0
    length_d: Positive = 28.0
    replications: Annotated[int, Bounds(low=2)] = 10
    seed: Count = 1
    confidence: Annotated[float, Bounds(low=0.5, high=0.9999)] = 0.95
    look_ahead: LookAhead | None = None

    def problems(self) -> Iterator[Problem]:
        """Say whether there is something to compare, and whether all of it happens within the time."""
        if not self.scenarios:
            yield Problem(("scenarios",), "must hold at least one scenario")
        if BASE in self.scenarios:
            yield Problem(("scenarios", BASE), "is the name of the base case: call it otherwise")
        hours = 24.0 * self.length_d
        for place, scenario in self.placed():
            for kind in ("faults", "commands"):
                for i, one in enumerate(getattr(scenario, kind)):
                    if one.at_h >= hours:
                        yield Problem((*place, kind, i, "at_h"), f"comes after the end, {hours:g} h after the warm-up")
        if self.look_ahead is not None and self.look_ahead.at_h >= hours:
            yield Problem(("look_ahead", "at_h"), f"comes after the end, {hours:g} h after the warm-up")

    def placed(self) -> Iterator[tuple[Path, Scenario]]:
        """All cases with the paths at which they stand, the base first."""
        yield ("base",), self.base
        yield from ((("scenarios", name), scenario) for name, scenario in self.scenarios.items())


@dataclass(frozen=True, slots=True)
class Case:
    """A plant that will be run, and what happens to it."""

    name: str
    description: str
    spec: PlantSpec
    incidents: tuple[Incident, ...]


@dataclass(frozen=True, slots=True)
class Study:
    """Cases to compare, the base first."""

    settings: StudySettings
    cases: tuple[Case, ...]


def parse_study(data: Any, plant: Mapping[str, Any]) -> Study:  # noqa: ANN401 - plain data
    """Make a study of plain data and of the plain data of its (good) plant; SpecError has every problem with paths."""
    builder = Builder()
    settings = builder.record(StudySettings, data)
    if settings is UNUSABLE or builder.problems:
        raise SpecError(builder.problems)
    problems: list[Problem] = []
    cases = list(_cases(settings, plant, problems))
    if settings.look_ahead is not None and cases[0] is not None:
        problems += unknown_series(settings.look_ahead, cases[0].spec, ("look_ahead",))
    if problems:
        raise SpecError(problems)
    return Study(settings, tuple(case for case in cases if case is not None))


def _cases(settings: StudySettings, plant: Mapping[str, Any], problems: list[Problem]) -> Iterator[Case | None]:
    """The cases; None for one that cannot work, with the reasons added to the problems."""
    base = copy.deepcopy(dict(plant))
    problems += _changed(base, settings.base, ("base",))
    yield _case(BASE, settings.base, base, ("base",), problems)
    told = {problem.message for problem in problems}
    for name, scenario in settings.scenarios.items():
        data, place, found = copy.deepcopy(base), ("scenarios", name), list[Problem]()
        found += _changed(data, scenario, place)
        case = _case(name, scenario, data, place, found)
        problems += (problem for problem in found if problem.message not in told)
        yield case and Case(case.name, case.description, case.spec, settings.base.incidents + case.incidents)


def _changed(data: dict[str, Any], scenario: Scenario, place: Path) -> Iterator[Problem]:
    """Change the data in place; tell of paths that lead nowhere."""
    for kind, found in (("set", patching.put(data, scenario.set)), ("scale", patching.scale(data, scenario.scale))):
        yield from (Problem((*place, kind, *problem.path), problem.message) for problem in found)


def _case(name: str, scenario: Scenario, data: Mapping[str, Any], place: Path, problems: list[Problem]) -> Case | None:
    """The case of a changed plant file; None when it cannot work, with the reasons added to the problems."""
    try:
        spec = parse(data)
    except SpecError as error:
        problems += (_blamed(problem, scenario, place) for problem in error.problems)
        return None
    problems += strange(spec, scenario.faults, (*place, "faults"))
    problems += strange(spec, scenario.commands, (*place, "commands"))
    return Case(name, scenario.description, spec, scenario.incidents)


def _blamed(problem: Problem, scenario: Scenario, place: Path) -> Problem:
    """A problem of the changed plant, told at the change that made it."""
    for kind in ("set", "scale"):
        for path in getattr(scenario, kind):
            if patching.meets(path, problem.path):
                return Problem((*place, kind, path), f"makes a plant that cannot work: {problem}")
    return Problem(place, f"makes a plant that cannot work: {problem}")
