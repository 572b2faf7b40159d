"""The tags that are known: ids are given once and for ever. Pure bookkeeping; the journal keeps it on disk."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import count
from operator import attrgetter
from sys import intern

import orjson

from gateway.opcua.datatypes import DataTypes
from gateway.values import DataType, Tag


@dataclass(frozen=True, slots=True)
class Adoption:
    """What an adopt() changes: computed first, then committed, then applied."""

    source: str
    tags: tuple[Tag, ...]  # parallel to what was asked for, ids filled in
    changed: tuple[Tag, ...]  # new, different or back again
    retired: tuple[int, ...]  # ids that the source no longer has


@dataclass(frozen=True, slots=True)
class Era:
    """The data types of a source for its records from `since` on, until the next era."""

    source: str
    since: int
    types: DataTypes


class TagCatalogue:
    """contract.Catalogue over tags in memory, and what is known of the structures of each source."""

    def __init__(self, active: Iterable[Tag] = (), former: Iterable[Tag] = (), eras: Iterable[Era] = ()) -> None:
        self.version = 1
        self._eras: dict[str, list[Era]] = {}
        for era in sorted(eras, key=lambda one: one.since):
            self.begin(era)
        self._active = tuple(sorted(active, key=_id))
        self._known = {tag.id: tag for tag in (*former, *self._active)}

    def __len__(self) -> int:
        return len(self._active)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self._active)

    def tag(self, tag_id: int) -> Tag:
        """The tag of this id, active or not. KeyError if it never was."""
        return self._known[tag_id]

    def plan(self, source: str, tags: Sequence[Tag], now: int) -> Adoption:
        """What it takes to make these the active tags of the source. A node named twice is one tag, as first named."""
        fresh = count(max(self._known, default=0) + 1)
        known = {tag.node: tag for tag in self._known.values() if tag.source == source}
        by_node: dict[str, Tag] = {}
        for tag in tags:
            if tag.node not in by_node:
                by_node[tag.node] = _settled(tag, source, known.get(tag.node), fresh, now)
        active = {tag.id: tag for tag in self._active if tag.source == source}
        changed = tuple(tag for tag in by_node.values() if active.get(tag.id) is not tag)
        retired = tuple(active.keys() - {tag.id for tag in by_node.values()})
        return Adoption(source, tuple(by_node[tag.node] for tag in tags), changed, retired)

    def apply(self, adoption: Adoption) -> None:
        """Make a committed plan true; `version` rises only if it changes something."""
        if not (adoption.changed or adoption.retired):
            return
        changed = {tag.id: tag for tag in adoption.changed}
        before = changed.keys() | adoption.retired
        kept = (tag for tag in self._active if tag.id not in before)
        self._active = tuple(sorted((*kept, *adoption.changed), key=_id))
        self._known |= changed
        self.version += 1

    def whole(self) -> Adoption:
        """Everything known as one change, for a file that knows nothing."""
        known = tuple(self._known.values())
        return Adoption("", known, known, tuple(self._known.keys() - {tag.id for tag in self._active}))

    def data_types(self, source: str, sequence: int | None = None) -> DataTypes | None:
        """What was known of the source's structures at a record; without one, what is known now."""
        eras = self._eras.get(source, [])
        place = len(eras) if sequence is None else bisect_right(eras, sequence, key=lambda era: era.since)
        return eras[place - 1].types if place else None

    def era(self, source: str, types: DataTypes, following: int) -> Era:
        """What it takes to have these data types known from the record `following` on.

        From earlier on where they only add to what was known: then the records of before are understood, too.
        """
        eras = self._eras.get(source)
        if not eras:
            return Era(source, 0, types)
        return Era(source, eras[-1].since if types.extends(eras[-1].types) else following, types)

    def begin(self, era: Era) -> None:
        """Make a committed era true."""
        eras = self._eras.setdefault(era.source, [])
        if eras and eras[-1].since == era.since:
            eras.pop()
        eras.append(era)

    def eras(self) -> list[Era]:
        """All of them."""
        return [era for eras in self._eras.values() for era in eras]


_id = attrgetter("id")


def _settled(tag: Tag, source: str, known: Tag | None, fresh: Iterator[int], now: int) -> Tag:
    """The tag with its source, id and first day; the very object that is known where nothing differs."""
    if known is None:
        return replace(tag, source=source, id=next(fresh), since=tag.since or now)
    tag = replace(tag, source=source, id=known.id, since=known.since)
    return known if tag == known or pack(tag) == pack(known) else tag


_FIELDS = tuple(field.name for field in fields(Tag))


def pack(tag: Tag) -> bytes:
    """The tag as JSON; NaN becomes null."""
    return orjson.dumps(tag)


def unpack(body: bytes) -> Tag:
    """The tag of pack(), also of one that knew more of a tag. ValueError if it is none."""
    try:
        known = orjson.loads(body)
        found = {name: known[name] for name in _FIELDS if known.get(name) is not None}
        path, enum = tuple(map(intern, found["path"])), tuple(map(intern, found["enum"]))
        shared = {"source": intern(found["source"]), "unit": intern(found["unit"])}
        return Tag(**{**found, **shared, "path": path, "enum": enum, "data_type": DataType(found["data_type"])})
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a tag: {error}") from error
