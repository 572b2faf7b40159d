"""The tables of signals in docs/plant.md: what each place of the plant shows; rows that places share are told once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from plant_model.signals import Signal, SignalType

BEGIN, END = "<!-- begin: made by conche schema --write -->\n", "<!-- end -->\n"
"""Between these lines of the page the tables stand; the rest is written by hand."""
_HEAD = "| tag | type | unit | range | every | meaning |\n|---|---|---|---|---|---|"
_TYPES = {SignalType.DATETIME: "DateTime", SignalType.ENUM: "enumeration"}
Symbol = Callable[[str], str]
"""How people write the unit of a code."""


class _Row(NamedTuple):
    """A tag as all places have it that share it."""

    tag: str
    type: SignalType
    unit: str
    period_s: float
    words: str


Ranges = dict[_Row, list[Signal]]
"""The signals of each row, whose ranges may differ."""


def page(text: str, signals: Sequence[Signal], symbol: Symbol) -> str:
    """The page with its tables made anew. ValueError when it has no place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"has no lines {BEGIN.strip()!r} and {END.strip()!r}, between which the tables go")
    return f"{before}{begin}\n{tables(signals, symbol)}\n{end}{after}"


def tables(signals: Sequence[Signal], symbol: Symbol) -> str:
    """A table for each set of places that share rows: line, warehouse, simulation; the most common rows first."""
    rows: Ranges = {}
    for signal in signals:
        rows.setdefault(_row(signal), []).append(signal)
    sets: dict[tuple[str, ...], list[_Row]] = {}
    for row, alike in rows.items():
        sets.setdefault(tuple(map(_place, alike)), []).append(row)
    areas = list(dict.fromkeys(signal.path[0] for signal in signals))
    area = {_place(signal): areas.index(signal.path[0]) for signal in signals}
    ordered = sorted(sets, key=lambda places: (area[places[0]], -len(places)))
    return "\n\n".join(_table(places, [rows[row] for row in sets[places]], symbol) for places in ordered)


def _table(places: Sequence[str], rows: Sequence[Sequence[Signal]], symbol: Symbol) -> str:
    names = ", ".join(f"`{place}`" for place in places)
    return "\n".join([f"**{names}**\n", _HEAD, *(f"| {' | '.join(_cells(alike, symbol))} |" for alike in rows)])


def _cells(alike: Sequence[Signal], symbol: Symbol) -> Iterator[str]:
    signal = alike[0]
    yield f"`{_tag(signal)}`"
    yield _TYPES.get(signal.type, signal.type.name.capitalize().replace("Ui", "UI"))
    yield symbol(signal.unit) if signal.unit else ""
    yield _range([one.low for one in alike], [one.high for one in alike])
    yield f"{signal.period_s:g} s"
    yield signal.description


def _range(lows: Sequence[float], highs: Sequence[float]) -> str:
    if math.isnan(lows[0]) or math.isnan(highs[0]):
        return ""
    return " … ".join(_number(ends[0]) if len(set(ends)) == 1 else "by place" for ends in (lows, highs))


def _number(value: float) -> str:
    return f"{value:g}".replace("e+0", "e")


def _row(signal: Signal) -> _Row:
    return _Row(_tag(signal), signal.type, signal.unit, signal.period_s, signal.description)


def _tag(signal: Signal) -> str:
    """What stands behind the place in the node: "Process.FeedRate", "Level"."""
    return ".".join(signal.path[-2:] if signal.path[0] == "Machines" else signal.path[-1:])


def _place(signal: Signal) -> str:
    return signal.node.removesuffix(f".{_tag(signal)}")
