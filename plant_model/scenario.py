"""What is asked of the plant: a base case, and scenarios that change its file by path or inject faults at times."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from plant_model.layout import units
from plant_model.schema import UNUSABLE, Bounds, Builder, Count, NotNegative, Path, Positive, Problem, SpecError
from plant_model.spec import PlantSpec, parse

BASE = "Base"
"""Name of the case that all others are compared with."""
ANY = "*"
"""Stands in a path for every key or index there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultAt:
    """A machine is stopped by a fault `at_h` hours after the warm-up; if it stands then, as soon as it is repaired."""

    at_h: NotNegative
    machine: str
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Changes to the plant file. Paths are keys with dots between them; `*` is every key: "stations.*.power_kw"."""

    description: str = ""
    set: Mapping[str, Any] = field(default_factory=dict)  # path: new value
    scale: Mapping[str, Positive] = field(default_factory=dict)  # path: factor on the numbers there
    faults: tuple[FaultAt, ...] = ()


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

    def problems(self) -> Iterator[Problem]:
        """Say whether there is something to compare."""
        if not self.scenarios:
            yield Problem(("scenarios",), "must hold at least one scenario")
        if BASE in self.scenarios:
            yield Problem(("scenarios", BASE), "is the name of the base case: call it otherwise")


@dataclass(frozen=True, slots=True)
class Case:
    """A plant that will be run, and what happens to it."""

    name: str
    description: str
    spec: PlantSpec
    faults: tuple[FaultAt, ...]


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
    base_data = copy.deepcopy(dict(plant))
    problems = list(_change(base_data, settings.base, ("base",)))
    cases = [_case(BASE, settings.base, base_data, ("base",), problems)]
    for name, scenario in settings.scenarios.items():
        changed = copy.deepcopy(base_data)
        place = ("scenarios", name)
        problems += _change(changed, scenario, place)
        cases.append(_case(name, scenario, changed, place, problems, settings.base.faults))
    if problems:
        raise SpecError(problems)
    return Study(settings, tuple(case for case in cases if case is not None))


def _case(
    name: str,
    scenario: Scenario,
    data: Mapping[str, Any],
    place: Path,
    problems: list[Problem],
    before: tuple[FaultAt, ...] = (),
) -> Case | None:
    """The case of a changed plant file; None when it cannot work, with the reasons added to the problems."""
    try:
        spec = parse(data)
    except SpecError as error:
        problems += (_blamed(problem, scenario, place) for problem in error.problems)
        return None
    problems += _strange_faults(spec, scenario, place)
    return Case(name, scenario.description, spec, (*before, *scenario.faults))


def _blamed(problem: Problem, scenario: Scenario, place: Path) -> Problem:
    """A problem of the changed plant, told at the change that made it."""
    for kind in ("set", "scale"):
        for path in getattr(scenario, kind):
            if _meets(path.split("."), problem.path):
                return Problem((*place, kind, path), f"makes a plant that cannot work: {problem}")
    return Problem(place, f"makes a plant that cannot work: {problem}")


def _meets(change: Sequence[str], path: Path) -> bool:
    """Whether one of two paths leads through the other."""
    return all(key in (ANY, str(other)) for key, other in zip(change, path, strict=False))


def _strange_faults(spec: PlantSpec, scenario: Scenario, place: Path) -> Iterator[Problem]:
    stations = units(spec)
    for i, one in enumerate(scenario.faults):
        station = stations.get(one.machine)
        if station is None:
            message = f"there is no machine {one.machine!r}; there are {', '.join(stations)}"
            yield Problem((*place, "faults", i, "machine"), message)
        elif one.fault not in (known := spec.stations[station].failures):
            message = f"{one.machine} has no fault {one.fault!r}; it has {', '.join(known)}"
            yield Problem((*place, "faults", i, "fault"), message)


def _change(data: dict[str, Any], scenario: Scenario, place: Path) -> Iterator[Problem]:
    """Set and scale in place; tell of paths that lead nowhere."""
    for path, value in scenario.set.items():
        found = list(_settable(data, path.split(".")))
        for holder, key in found:
            holder[key] = copy.deepcopy(value)
        if not found:
            yield Problem((*place, "set", path), _lost(data, path))
    for path, factor in scenario.scale.items():
        found = list(_places(data, path.split(".")))
        for holder, key in found:
            holder[key] = _scaled(holder[key], factor)
        if not found or not any(_has_number(holder[key]) for holder, key in found):
            yield Problem((*place, "scale", path), "holds no number to scale" if found else _lost(data, path))


def _places(data: Any, keys: Sequence[str]) -> Iterator[tuple[Any, str | int]]:  # noqa: ANN401
    """Where a path leads: the mappings or lists that hold its last key, with that key."""
    first, rest = keys[0], keys[1:]
    for key in _matching(data, first):
        if rest:
            yield from _places(data[key], rest)
        else:
            yield data, key


def _settable(data: Any, keys: Sequence[str]) -> Iterator[tuple[Any, str | int]]:  # noqa: ANN401
    """The places of a path; a new last key may be added to a mapping, and the plant will say if it knows it."""
    if len(keys) == 1 and isinstance(data, Mapping) and keys[0] != ANY:
        yield data, keys[0]
    elif len(keys) == 1:
        yield from _places(data, keys)
    else:
        for key in _matching(data, keys[0]):
            yield from _settable(data[key], keys[1:])


def _matching(data: Any, key: str) -> list[str | int]:  # noqa: ANN401
    known: list[str | int] = list(data) if isinstance(data, Mapping) else []
    known = list(range(len(data))) if isinstance(data, list) else known
    return known if key == ANY else [one for one in known if str(one) == key]


def _lost(data: Any, path: str) -> str:  # noqa: ANN401
    """Say where a path ends in the void."""
    keys = path.split(".")
    reached = next(n for n in range(len(keys), -1, -1) if n == 0 or any(_places(data, keys[:n])))
    holders = [data] if reached == 0 else [holder[key] for holder, key in _places(data, keys[:reached])]
    known = ", ".join(sorted({str(key) for holder in holders for key in _matching(holder, ANY)}))
    where = ".".join(keys[:reached]) or "the plant file"
    return f"leads nowhere: {where} has no {keys[reached]!r}; it has {known or 'nothing below it'}"


def _scaled(value: Any, factor: float) -> Any:  # noqa: ANN401
    """Every number below, times the factor; a whole number stays one where the product is whole."""
    if isinstance(value, Mapping):
        return {key: _scaled(item, factor) for key, item in value.items()}
    if isinstance(value, list):
        return [_scaled(item, factor) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    product = value * factor
    return round(product) if isinstance(value, int) and product.is_integer() else product


def _has_number(value: Any) -> bool:  # noqa: ANN401
    if isinstance(value, Mapping | list):
        return any(map(_has_number, value.values() if isinstance(value, Mapping) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)
