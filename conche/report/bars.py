"""Bars as plain HTML that takes any width: with intervals, or of parts. Colours are classes of the page's style."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

THINNEST = 0.05
"""A part of less than this share (%) of the longest bar is not drawn."""


class Bar(NamedTuple):
    """A value with the half-width of its interval (NaN: none), and what is written beside it."""

    name: str
    value: float
    half_width: float
    text: str
    aside: str = ""  # HTML


def bars(rows: Sequence[Bar], unit: str) -> str:
    """Bars from zero, the base case first, each with its interval; % end at 100."""
    ends = [row.value + _known(row.half_width) for row in rows if math.isfinite(row.value)]
    reach = 100.0 if unit == "%" else max(ends, default=0.0) or 1.0
    return "".join(_bar(row, f"c{i}", 100.0 / reach) for i, row in enumerate(rows))


def _bar(row: Bar, kind: str, scale: float) -> str:
    length, spread = max(_known(row.value) * scale, 0.0), _known(row.half_width) * scale
    left = max(length - spread, 0.0)
    whisker = f'<i class="whisker" style="left:{left:.2f}%;width:{length + spread - left:.2f}%"></i>'
    return (
        f'<div class="bar"><span>{escape(row.name)}</span><b>{escape(row.text)}{row.aside}</b>'
        f'<div class="track"><i class="{kind}" style="width:{length:.2f}%"></i>{whisker if spread else ""}</div></div>'
    )


class Part(NamedTuple):
    """What a colour stands for: the class of the page that has it, and a name."""

    kind: str
    name: str


class Stack(NamedTuple):
    """A bar of parts."""

    name: str
    parts: tuple[float, ...]
    text: str = ""


def stacks(rows: Sequence[Stack], parts: Sequence[Part], unit: str, reach: float) -> str:
    """Bars of parts on a scale that ends at `reach`, with a tip on each part."""
    return "".join(_stack(row, parts, unit, 100.0 / reach) for row in rows)


def _stack(row: Stack, parts: Sequence[Part], unit: str, scale: float) -> str:
    drawn = "".join(
        f'<i class="{kind}" style="width:{size * scale:.2f}%" title="{escape(row.name)}, {escape(name)}: '
        f'{size:.3g} {escape(unit)}"></i>'
        for size, (kind, name) in zip(row.parts, parts, strict=True)
        if size * scale >= THINNEST
    )
    text = f"<b>{escape(row.text)}</b>" if row.text else ""
    return f'<div class="stack"><span>{escape(row.name)}</span><div class="track">{drawn}</div>{text}</div>'


def legend(parts: Iterable[Part], title: str = "") -> str:
    """Names with their colours."""
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in parts)
    return f'<p class="legend">{f"<em>{escape(title)}</em>" if title else ""}{keys}</p>'


def _known(value: float) -> float:
    return value if math.isfinite(value) else 0.0
