"""Curves as inline SVG: series over days, and bands of what is to be expected; colours are classes of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from plant_model.statistics import Band

WIDTH, HEIGHT = 340, 170
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 8, 22
"""Size of a chart and its margins in pixels."""


class Line(NamedTuple):
    """A series, one value a step; `kind` is the class of its colour and dashes."""

    name: str
    kind: str
    values: Sequence[float]


class Frame(NamedTuple):
    """Where values stand: the highest one of the scale, and how many steps there are."""

    reach: float
    steps: int

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return LEFT + step * (WIDTH - LEFT - RIGHT) / max(self.steps - 1, 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        return HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP) / self.reach


def lines(series: Sequence[Line], first: str, last: str) -> str:
    """Series on a common scale that begins at zero, the first of them on top."""
    top = max((max(one.values, default=0.0) for one in series), default=0.0)
    frame = Frame(ceiling(top), max((len(one.values) for one in series), default=1))
    return _chart(frame, (first, last), "".join(_line(frame, one) for one in reversed(series)))


def fan(bands: Sequence[Band], more: Sequence[Line], kind: str, ends: tuple[str, str]) -> str:
    """The band from P10 to P90 with the line of P50, and other lines over it."""
    top = max([one.p90 for one in bands] + [value for one in more for value in one.values])
    frame = Frame(ceiling(top), len(bands))
    upper = [_point(frame, i, one.p90) for i, one in enumerate(bands)]
    lower = [_point(frame, i, one.p10) for i, one in enumerate(bands)]
    area = f'<polygon class="band {kind}" points="{" ".join(upper + lower[::-1])}"><title>P10 to P90</title></polygon>'
    middle = Line("P50", kind, [one.p50 for one in bands])
    return _chart(frame, ends, area + "".join(_line(frame, one) for one in (middle, *more)))


def _line(frame: Frame, one: Line) -> str:
    points = " ".join(_point(frame, i, value) for i, value in enumerate(one.values))
    return f'<polyline class="line {one.kind}" points="{points}"><title>{escape(one.name)}</title></polyline>'


def _point(frame: Frame, step: float, value: float) -> str:
    return f"{frame.x(step):.1f},{frame.y(value):.1f}"


def _chart(frame: Frame, ends: tuple[str, str], inside: str) -> str:
    rules = "".join(_rule(frame, frame.reach * i / 2) for i in range(3))
    first = _text(LEFT, HEIGHT - 6, ends[0], "")
    last = _text(WIDTH - RIGHT, HEIGHT - 6, ends[1], "end")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{rules}{first}{last}{inside}</svg>'


def _rule(frame: Frame, value: float) -> str:
    y = frame.y(value)
    return f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>' + _text(LEFT - 6, y + 4, short(value), "end")


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def ceiling(value: float) -> float:
    """The next round number; 1 for nothing."""
    if value <= 0.0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(value))
    return next(step * factor for factor in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if step * factor >= value)


def short(value: float) -> str:
    """A number as an axis shows it."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"
