"""Rules meet tags: which tags a rule watches, and where its limit and its related values come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.contract import Catalogue
from gateway.naming import fill
from gateway.rules.conditions import Timing
from gateway.rules.memory import StateKey
from gateway.rules.patterns import PathPattern
from gateway.rules.settings import ThresholdRule
from gateway.values import DataType, Tag

_log = structlog.get_logger(__name__)
_NS = 1_000_000_000
_Paths = Mapping[tuple[str, tuple[str, ...]], Tag]

NUMBERS = frozenset({*range(DataType.BOOLEAN, DataType.DOUBLE + 1)})
"""Data types that have an order."""


@dataclass(frozen=True, slots=True)
class Instance:
    """A threshold rule on one tag."""

    rule: ThresholdRule
    parts: Mapping[str, str]
    tag: Tag
    limit: Tag | float
    related: Mapping[str, Tag | None]  # None: the server has no such tag
    timing: Timing

    @property
    def name(self) -> str:
        """Source and browse path: the same after any restart."""
        return "/".join((self.tag.source, *self.tag.path))

    @property
    def key(self) -> StateKey:
        """Where its state is kept."""
        return self.rule.name, self.name

    @property
    def judged_by(self) -> tuple[Tag, ...]:
        """The tags whose change makes it look again."""
        return (self.tag, self.limit) if isinstance(self.limit, Tag) else (self.tag,)


@dataclass(frozen=True, slots=True)
class Binding:
    """All instances over a catalogue as it was at `version`."""

    version: int
    instances: tuple[Instance, ...]
    by_tag: Mapping[int, tuple[Instance, ...]]  # tag id -> the instances that it is judged by
    tags: Mapping[int, Tag]  # every tag that is watched, by id
    watched: NDArray[np.bool_]  # [tag id] -> whether it is watched; ids beyond the end are not


def bind(rules: Sequence[ThresholdRule], catalogue: Catalogue) -> Binding:
    """Look every rule's tags up. Rules without a tag, and tags without their limit, are logged."""
    paths = {(tag.source, tag.path): tag for tag in catalogue}
    instances = tuple(one for rule in rules for one in _instances(rule, paths))
    tags = {tag.id: tag for one in instances for tag in _watched_by(one)}
    watched = np.zeros(max(tags, default=0) + 1, dtype=np.bool_)
    watched[list(tags)] = True
    return Binding(catalogue.version, instances, _by_tag(instances), tags, watched)


def _instances(rule: ThresholdRule, paths: _Paths) -> list[Instance]:
    pattern = PathPattern.parse(rule.tag)
    matches = ((tag, pattern.match(tag.path)) for tag in paths.values())
    wanted = [(tag, parts) for tag, parts in matches if parts is not None and not _is_excluded(rule, parts)]
    found = [one for tag, parts in wanted if (one := _instance(rule, tag, parts, paths))]
    if paths and not found:
        _log.warning("rule watches no tag", rule=rule.name, tag=rule.tag, matches=len(wanted))
    return found


def _is_excluded(rule: ThresholdRule, parts: Mapping[str, str]) -> bool:
    return any(fnmatchcase(parts[part], wild) for part, wilds in rule.exclude.items() for wild in wilds)


def _instance(rule: ThresholdRule, tag: Tag, parts: Mapping[str, str], paths: _Paths) -> Instance | None:
    limit = _at(rule.limit, tag, parts, paths) if isinstance(rule.limit, str) else rule.limit
    if limit is None:
        _log.warning("rule has no limit for a tag", rule=rule.name, tag="/".join(tag.path), limit=rule.limit)
        return None
    if not all(one.data_type in NUMBERS for one in (tag, limit) if isinstance(one, Tag)):
        _log.warning("rule compares numbers only", rule=rule.name, tag="/".join(tag.path))
        return None
    related = {name: _at(pattern, tag, parts, paths) for name, pattern in rule.related.items()}
    timing = Timing(round(rule.delay_s * _NS), round(rule.cool_down_s * _NS))
    return Instance(rule, parts, tag, limit, related, timing)


def _at(pattern: str, tag: Tag, parts: Mapping[str, str], paths: _Paths) -> Tag | None:
    """The tag of the same server at the pattern's path."""
    return paths.get((tag.source, tuple(fill(segment, parts) for segment in pattern.split("/"))))


def _watched_by(instance: Instance) -> Iterator[Tag]:
    yield from instance.judged_by
    yield from filter(None, instance.related.values())


def _by_tag(instances: Iterable[Instance]) -> dict[int, tuple[Instance, ...]]:
    found: dict[int, tuple[Instance, ...]] = {}
    for one in instances:
        for tag in one.judged_by:
            found[tag.id] = (*found.get(tag.id, ()), one)
    return found
