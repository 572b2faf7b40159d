"""Charts as inline SVG: bars with intervals, stacked bars, lines. Colours are CSS classes c0, c1, … of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

WIDTH = 340
ROW = 26
LABEL = 118
LETTERS = 18
"""A chart's width, the height of a bar with its gap and the room for names in pixels; letters that fit there."""


class Bar(NamedTuple):
    """A value with the half-width of its interval (NaN: none)."""

    name: str
    value: float
    half_width: float
    text: str


def bars(rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero, the base case first, each with its interval."""
    reach = max((row.value + _known(row.half_width) for row in rows if math.isfinite(row.value)), default=0.0) or 1.0
    scale = (WIDTH - LABEL - 84) / reach
    drawn = "".join(_bar(row, i, scale) for i, row in enumerate(rows))
    return _svg(WIDTH, len(rows) * ROW, drawn)


def _bar(row: Bar, index: int, scale: float) -> str:
    y, length = index * ROW, max(_known(row.value) * scale, 0.0)
    spread = _known(row.half_width) * scale
    left, right = LABEL + max(length - spread, 0.0), LABEL + length + spread
    middle = y + ROW / 2
    ends = f"M{left:.1f} {middle - 4}v8M{right:.1f} {middle - 4}v8"
    whisker = f'<path class="whisker" d="M{left:.1f} {middle}H{right:.1f}{ends}"/>'
    return (
        _text(LABEL - 8, middle + 4, cut(row.name), "name end")
        + f'<rect class="c{index}" x="{LABEL}" y="{y + 4}" width="{length:.1f}" height="{ROW - 8}" rx="2"/>'
        + (whisker if spread > 0.0 else "")
        + _text(max(right, LABEL + length) + 6, middle + 4, row.text, "value")
    )


class Part(NamedTuple):
    """What a colour stands for: the class of the page that has it, and a name."""

    kind: str
    name: str


class Stack(NamedTuple):
    """A bar of parts; `first` begins a group, with room above it."""

    name: str
    parts: tuple[float, ...]
    first: bool = False


def stacks(rows: Sequence[Stack], names: Sequence[Part], unit: str, width: int = 700) -> str:
    """Horizontal bars of parts on a common scale, with a tip on each part."""
    reach = max((sum(row.parts) for row in rows), default=1.0) or 1.0
    scale, y = (width - 190) / reach, 0.0
    drawn: list[str] = []
    for row in rows:
        y += 10.0 if row.first and drawn else 0.0
        drawn.append(_stack(row, names, unit, y, scale))
        y += 20.0
    return _svg(width, y, "".join(drawn))


def _stack(row: Stack, names: Sequence[Part], unit: str, y: float, scale: float) -> str:
    x, parts = 182.0, []
    for part, (kind, name) in zip(row.parts, names, strict=True):
        length = part * scale
        tip = f"<title>{escape(row.name)}, {escape(name)}: {part:.3g} {escape(unit)}</title>"
        parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y + 2:.1f}" width="{length:.2f}" height="16">{tip}</rect>')
        x += length
    weight = "name end strong" if row.first else "name end"
    return _text(174, y + 14, row.name, weight) + "".join(parts)


class Line(NamedTuple):
    """A series over days, one value a day."""

    name: str
    values: Sequence[float]


def lines(series: Sequence[Line], width: int = WIDTH, height: int = 150) -> str:
    """Lines over days on a common scale that begins at zero."""
    reach = _ceiling(max((max(one.values, default=0.0) for one in series), default=0.0))
    days = max((len(one.values) for one in series), default=1)
    left, bottom = 46, height - 22
    across, up = (width - left - 8) / max(days - 1, 1), (bottom - 8) / reach
    drawn = [_grid(left, bottom, width, reach, up), _text(width - 8, height - 6, f"day {days}", "axis end")]
    drawn.append(_text(left, height - 6, "day 1", "axis"))
    for index, one in reversed(list(enumerate(series))):
        points = " ".join(f"{left + i * across:.1f},{bottom - value * up:.1f}" for i, value in enumerate(one.values))
        drawn.append(f'<polyline class="line l{index}" points="{points}"><title>{escape(one.name)}</title></polyline>')
    return _svg(width, height, "".join(drawn))


def _grid(left: int, bottom: int, width: int, reach: float, up: float) -> str:
    def row(value: float) -> str:
        y = bottom - value * up
        rule = f'<path class="grid" d="M{left} {y:.1f}H{width - 8}"/>'
        return rule + _text(left - 6, y + 4, short(value), "axis end")

    return "".join(row(reach * i / 2) for i in range(3))


def _ceiling(value: float) -> float:
    """The next round number."""
    if value <= 0.0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * factor >= value)


def short(value: float) -> str:
    """A number as an axis shows it."""
    if abs(value) >= 1000:  # noqa: PLR2004
        return f"{value / 1000:g}k"
    return f"{value:.3g}"


def legend(parts: Sequence[Part]) -> str:
    """Names with their colours."""
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in parts)
    return f'<p class="legend">{keys}</p>'


def cut(name: str) -> str:
    """A name that fits beside its bar."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _svg(width: float, height: float, inside: str) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img">{inside}</svg>'
