"""Changes a plant file by paths: keys with dots between them, `*` for every key or index there is."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plant_model.schema import Path, Problem

ANY = "*"
"""Stands in a path for every key or index there is."""


def put(data: dict[str, Any], changes: Mapping[str, Any]) -> Iterator[Problem]:
    """Set what each path leads to, in place; tell of paths that lead nowhere."""
    for path, value in changes.items():
        found = list(_settable(data, path.split(".")))
        for holder, key in found:
            holder[key] = copy.deepcopy(value)
        if not found:
            yield Problem((path,), _lost(data, path))


def scale(data: dict[str, Any], factors: Mapping[str, float]) -> Iterator[Problem]:
    """Multiply all numbers that each path leads to, in place; tell of paths that lead nowhere or to no number."""
    for path, factor in factors.items():
        found = list(_places(data, path.split(".")))
        numbers = any(_has_number(holder[key]) for holder, key in found)
        for holder, key in found:
            holder[key] = _scaled(holder[key], factor)
        if not numbers:
            yield Problem((path,), "holds no number to scale" if found else _lost(data, path))


def meets(change: str, path: Path) -> bool:
    """Whether one of two paths leads through the other."""
    return all(key in (ANY, str(other)) for key, other in zip(change.split("."), path, strict=False))


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
