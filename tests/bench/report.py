"""What the benchmarks found: figures, their table, and build/bench.jsonl with one {name, value, unit} a line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

JSONL = Path(__file__).parents[2] / "build" / "bench.jsonl"
SMALL = 100.0
"""Below it a figure is shown with decimals."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str


def table(figures: Iterable[Figure]) -> str:
    """A line for each figure."""
    return "\n".join(f"{one.name:66}{_shown(one.value):>14} {one.unit}" for one in figures)


def write(figures: Iterable[Figure], path: Path = JSONL) -> None:
    """What this run measured, in place of what the last one did."""
    path.parent.mkdir(exist_ok=True)
    rows = (asdict(one) | {"value": round(one.value, 3)} for one in figures)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _shown(value: float) -> str:
    return f"{value:,.2f}" if 0.0 < abs(value) < SMALL else f"{value:,.0f}"
