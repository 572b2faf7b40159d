"""Who changes the tree of a plant's state raises the version of its snapshots: an old one is refused, not misread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any, NamedTuple, get_args, get_type_hints

from plant_model.snapshot import VERSION
from plant_model.state import PlantState
from plant_model.tally import Count

TREES = {15: "0da4ccba2d166ec4"}
"""The digest of the tree by version. Plants were saved with it: a line is added, none is changed."""


def test_a_changed_tree_has_a_version_of_its_own() -> None:
    found = digest(PlantState, Count)
    advice = f"the state tree has changed: raise VERSION in plant_model/snapshot.py and add {found!r} to TREES for it"
    assert TREES.get(VERSION) == found, advice


class Kind(Enum):
    Raw = 1


class Pair(NamedTuple):
    mass: float


@dataclass
class Item:
    kind: Kind
    pairs: dict[str, tuple[Pair, ...]]


@dataclass
class Tree:
    items: list[Item | None]
    name: str = ""


def test_every_field_and_member_that_is_reached_makes_the_digest() -> None:
    assert list(shape(Tree)) == [
        f"Tree.items: list[{__name__}.Item | None]",
        "Tree.name: <class 'str'>",
        "Item.kind: <enum 'Kind'>",
        f"Item.pairs: dict[str, tuple[{__name__}.Pair, ...]]",
        "Kind.Raw = 1",
        "Pair.mass: <class 'float'>",
    ]


def digest(*roots: type) -> str:
    lines = [line for root in roots for line in shape(root)]
    return sha256("\n".join(lines).encode()).hexdigest()[:16]


def shape(root: type) -> Iterator[str]:
    """A line for each field, or member, of all classes that are reached from one."""
    classes = [root]
    for one in classes:
        if issubclass(one, Enum):
            yield from (f"{one.__qualname__}.{member.name} = {member.value}" for member in one)
            continue
        for field, hint in get_type_hints(one).items():
            yield f"{one.__qualname__}.{field}: {hint}"
            classes += [other for other in named_in(hint) if other not in classes]


def named_in(hint: Any) -> Iterator[type]:
    """The classes that a type speaks of."""
    if isinstance(hint, type) and hint.__module__ != "builtins":
        yield hint
    for part in get_args(hint):
        yield from named_in(part)
