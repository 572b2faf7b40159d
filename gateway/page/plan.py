"""Which tag plays which part on the page: the settings' patterns laid over the catalogue, once per change of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.naming import Naming
from gateway.opcua.patterns import compiled
from gateway.page import text
from gateway.page.settings import KpiSettings, LineSettings, PageSettings
from gateway.values import DataType, Tag

MOST_TRENDS = 500
"""Tags offered for trends; a longer list helps nobody, and every browser gets it."""

_DRAWABLE = frozenset(range(DataType.BOOLEAN, DataType.DOUBLE + 1))
_PLACE_PARTS = ("state", "product", "lot", "speed", "oee", "reason")
_STOCK_PARTS = ("level", "limit", "on_order")


@dataclass(frozen=True, slots=True)
class Place:
    """A station, a unit of one or a store, with its tags by part ("state", "level" and so on)."""

    name: str
    tags: Mapping[str, Tag]
    units: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """A tag that can be drawn, and what people call it."""

    tag: Tag
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything on the page that depends on the catalogue."""

    version: int = -1  # of the catalogue
    clock: Tag | None = None
    speed: Tag | None = None
    stations: tuple[Place, ...] = ()
    stocks: tuple[Place, ...] = ()
    kpis: tuple[tuple[KpiSettings, Tag | None], ...] = ()
    trends: tuple[Trend, ...] = ()


@dataclass(slots=True)
class _Cast:
    """Who got which part while the catalogue is walked; places by (station, unit)."""

    single: dict[str, Tag] = field(default_factory=dict)
    places: dict[tuple[str, str], dict[str, Tag]] = field(default_factory=lambda: defaultdict(dict))
    stocks: dict[tuple[str, str], dict[str, Tag]] = field(default_factory=lambda: defaultdict(dict))
    trends: dict[int, tuple[int, Tag]] = field(default_factory=dict)  # by tag id: place of the first pattern, tag


def make_plan(tags: Iterable[Tag], version: int, settings: PageSettings, naming: Naming) -> Plan:
    """Lay the patterns over all tags. Takes about 1 µs a tag that plays no part: a thread's work for big servers."""
    patterns = _patterns(settings)
    anything = re.compile("|".join(pattern.pattern for _, pattern in patterns) or "(?!)")
    cast = _Cast()
    for tag in tags:
        path = "/".join(tag.path)
        if anything.match(path):
            for part, pattern in patterns:
                if pattern.match(path):
                    _give(cast, part, tag, naming)
    return Plan(
        version,
        cast.single.get("clock"),
        cast.single.get("speed"),
        _stations(cast.places, settings.line),
        tuple(Place(key[0], parts) for key, parts in cast.stocks.items() if "level" in parts),
        tuple((kpi, cast.single.get(f"kpi.{index}")) for index, kpi in enumerate(settings.kpis)),
        _trends(cast.trends, naming),
    )


def _patterns(settings: PageSettings) -> list[tuple[str, re.Pattern[str]]]:
    wanted = [
        ("clock", settings.clock),
        ("speed", settings.speed),
        *((f"line.{part}", getattr(settings.line, part)) for part in _PLACE_PARTS),
        *((f"stock.{part}", getattr(settings.stock, part)) for part in _STOCK_PARTS),
        *((f"kpi.{index}", kpi.tag) for index, kpi in enumerate(settings.kpis)),
        *((f"trend.{index}", pattern) for index, pattern in enumerate(settings.trends)),
    ]
    return [(part, compiled(pattern)) for part, pattern in wanted if pattern]


def _give(cast: _Cast, part: str, tag: Tag, naming: Naming) -> None:
    group, _, role = part.partition(".")
    if group == "line":
        cast.places[_key(tag, naming)].setdefault(role, tag)
    elif group == "stock":
        cast.stocks[_key(tag, naming)].setdefault(role, tag)
    elif group != "trend":
        cast.single.setdefault(part, tag)
    elif tag.data_type in _DRAWABLE:
        cast.trends.setdefault(tag.id, (int(role), tag))


def _key(tag: Tag, naming: Naming) -> tuple[str, str]:
    """Station and unit (`station` and `module`) by the tag's names; without names, the folder above its group."""
    names = naming.names(tag.path)
    return names.get("station") or "/".join(tag.path[:-2]) or tag.path[0], names.get("module", "")


def _trends(found: Mapping[int, tuple[int, Tag]], naming: Naming) -> tuple[Trend, ...]:
    """In the patterns' order, so that the first ones are what a browser shows first."""
    ranked = sorted(found.values(), key=lambda place: (place[0], place[1].id))
    return tuple(Trend(tag, called(tag, naming)) for _, tag in ranked[:MOST_TRENDS])


def called(tag: Tag, naming: Naming) -> str:
    """A tag as people call it: the named parts that tell it from others, or its browse path."""
    names = naming.names(tag.path)
    station, last = names.get("station"), names.get("tag")
    return text.spaced(f"{station} · {last}") if station and last else "/".join(tag.path)


def _stations(places: Mapping[tuple[str, str], Mapping[str, Tag]], line: LineSettings) -> tuple[Place, ...]:
    own = {station: parts for (station, unit), parts in places.items() if not unit}
    units: dict[str, list[Place]] = defaultdict(list)
    for (station, unit), parts in places.items():
        if unit and "state" in parts:
            units[station].append(Place(unit, parts))
    made = [
        Place(station, own.get(station, {}), tuple(units[station]))
        for station in dict.fromkeys(station for station, _ in places)
        if "state" in own.get(station, {}) or units[station]
    ]
    rank = {name: place for place, name in enumerate(line.order)}
    return tuple(sorted(made, key=lambda place: rank.get(place.name, len(rank))))
