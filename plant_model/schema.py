"""From plain data to frozen dataclasses: every problem is found in one pass and told with its path."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a plant file: where (keys and indices from the top), and what to do about it."""

    path: Path
    message: str

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path)) or 'plant'}: {self.message}"


class SpecError(ValueError):
    """The plant cannot work as described; `problems` has everything that was found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number may be; `above` and `low` are the open and the closed lower end."""

    low: float = -math.inf
    high: float = math.inf
    above: float = -math.inf

    def complaint(self, value: float) -> str:
        """Say what is wrong with a value, or "" when nothing is."""
        if not math.isfinite(value):
            return "must be a finite number"
        if value <= self.above:
            return f"must be above {self.above:g}, is {value:g}"
        if not self.low <= value <= self.high:
            wanted = f"at least {self.low:g}" if self.high == math.inf else f"from {self.low:g} to {self.high:g}"
            return f"must be {wanted}, is {value:g}"
        return ""


Positive = Annotated[float, Bounds(above=0.0)]
NotNegative = Annotated[float, Bounds(low=0.0)]
Share = Annotated[float, Bounds(low=0.0, high=1.0)]
Percent = Annotated[float, Bounds(low=0.0, high=100.0)]
Count = Annotated[int, Bounds(low=1)]


class _Unusable:
    """Stands for a part that could not be read; whatever holds it cannot be built either."""


UNUSABLE = _Unusable()


class Builder:
    """Builds typed values from plain data and collects what is wrong on the way.

    A scalar of the wrong type becomes NaN or "", so that its neighbours are still checked; checks must let these pass.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def build(self, kind: Any, value: Any, path: Path = ()) -> Any:  # noqa: ANN401, PLR0911 - types are data here
        """The value as `kind`, or UNUSABLE. Problems are added to the list."""
        origin = get_origin(kind)
        if kind is Any:
            return value
        if origin is Annotated:
            return self._bounded(kind, value, path)
        if origin is Literal:
            return self._chosen(get_args(kind), value, path)
        if origin in (Union, UnionType):
            return None if value is None else self.build(get_args(kind)[0], value, path)
        if origin is tuple:
            return self._tuple(get_args(kind), value, path)
        if origin is not None:
            return self._mapping(get_args(kind)[1], value, path)
        return self.record(kind, value, path) if is_dataclass(kind) else self._scalar(kind, value, path)

    def record(self, kind: Any, value: Any, path: Path = ()) -> Any:  # noqa: ANN401
        """A dataclass from a mapping; its own `problems()` is asked when all its parts are usable."""
        parts = self.parts(kind, value, path)
        if parts is None or any(part is UNUSABLE for part in parts.values()):
            return UNUSABLE
        built = kind(**parts)
        found: Iterator[Problem] = built.problems() if hasattr(built, "problems") else iter(())
        self.problems += [Problem(path + problem.path, problem.message) for problem in found]
        return built

    def parts(self, kind: Any, value: Any, path: Path = ()) -> dict[str, Any] | None:  # noqa: ANN401
        """The fields of a dataclass by name, unusable ones included; None when `value` is no mapping."""
        if not isinstance(value, Mapping):
            self._say(path, f"must be a mapping with {_listed(sorted(_hints(kind)))}")
            return None
        known = {field.name: field for field in fields(kind)}
        for key in value:
            if key not in known:
                self._say((*path, key), f"is unknown here{_suggestion(key, known)}")
        return {name: self._field(kind, field, value, path) for name, field in known.items()}

    def _field(self, kind: Any, field: Field[Any], value: Mapping[str, Any], path: Path) -> Any:  # noqa: ANN401
        if field.name in value:
            return self.build(_hints(kind)[field.name], value[field.name], (*path, field.name))
        if field.default is not MISSING:
            return field.default
        if field.default_factory is not MISSING:
            return field.default_factory()
        self._say((*path, field.name), "is missing")
        return UNUSABLE

    def _bounded(self, kind: Any, value: Any, path: Path) -> Any:  # noqa: ANN401
        base, bounds = get_args(kind)
        built = self.build(base, value, path)
        if isinstance(built, (int, float)) and not math.isnan(built) and (complaint := bounds.complaint(built)):
            self._say(path, complaint)
        return built

    def _chosen(self, choices: tuple[Any, ...], value: Any, path: Path) -> Any:  # noqa: ANN401
        if value in choices:
            return value
        self._say(path, f"must be one of {_listed(choices)}, is {value!r}")
        return ""

    def _tuple(self, kinds: tuple[Any, ...], value: Any, path: Path) -> Any:  # noqa: ANN401
        if isinstance(value, str) or not isinstance(value, Sequence):
            self._say(path, "must be a list")
            return UNUSABLE
        if kinds[-1] is Ellipsis:
            kinds = (kinds[0],) * len(value)
        if len(kinds) != len(value):
            self._say(path, f"must have {len(kinds)} entries, has {len(value)}")
            return UNUSABLE
        built = tuple(
            self.build(kind, item, (*path, i)) for i, (kind, item) in enumerate(zip(kinds, value, strict=True))
        )
        return UNUSABLE if UNUSABLE in built else built

    def _mapping(self, kind: Any, value: Any, path: Path) -> Any:  # noqa: ANN401
        if not isinstance(value, Mapping):
            self._say(path, "must be a mapping")
            return UNUSABLE
        built = {str(key): self.build(kind, item, (*path, str(key))) for key, item in value.items()}
        return UNUSABLE if UNUSABLE in built.values() else built

    def _scalar(self, kind: Any, value: Any, path: Path) -> Any:  # noqa: ANN401
        if kind is datetime:
            return self._moment(value, path)
        accepted = (int, float) if kind is float else kind
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)) and value == value:  # noqa: PLR0124
            return float(value) if kind is float else value
        self._say(path, f"must be {_KINDS[kind]}, is {value!r}")
        return math.nan if kind in (int, float) else ""

    def _moment(self, value: Any, path: Path) -> Any:  # noqa: ANN401
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            moment = None
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            return moment
        self._say(path, f"must be a time with its zone, such as 2026-01-05T06:00:00Z, is {value!r}")
        return UNUSABLE

    def _say(self, path: Path, message: str) -> None:
        self.problems.append(Problem(path, message))


_KINDS = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


@cache
def _hints(kind: Any) -> dict[str, Any]:  # noqa: ANN401
    return get_type_hints(kind, include_extras=True)


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))


def _suggestion(key: Any, known: Mapping[str, Any]) -> str:  # noqa: ANN401
    close = get_close_matches(str(key), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {_listed(sorted(known))}"
