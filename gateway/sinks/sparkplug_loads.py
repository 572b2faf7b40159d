"""What of a batch can be sent together: columns of the same records, cut where a tag has values in several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.news import news, select
from gateway.sinks.plans import Plans
from gateway.sinks.rows import Rows
from gateway.sinks.sparkplug_metric import Definition
from gateway.sinks.sparkplug_spread import Load, Spread
from gateway.values import Batch, Column

_INDEX_BITS = 20  # of a position tell the place within its record

Spreads = Plans[Definition, Spread]


def loads(batch: Batch, definitions: Rows[Definition], spreads: Spreads) -> list[tuple[Load, Spread]]:
    """What a batch has to send, in order, and how; what is late only as far as it is news."""
    columns = [news(column, definitions) for column in batch.columns] if batch.historical else batch.columns
    return [one for together in _stretches(columns) for one in _cut(together, definitions, spreads)]


def _stretches(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Columns of the same records, together, in the order of the journal."""
    together, end = list[Column](), -1
    for column in sorted(filter(len, columns), key=lambda one: int(one.position[0])):
        first, last = (column.position[[0, -1]] >> _INDEX_BITS).tolist()
        if together and first > end:
            yield together
            together = []
        together.append(column)
        end = max(end, last)
    if together:
        yield together


def _cut(columns: Load, definitions: Rows[Definition], spreads: Spreads) -> Iterator[tuple[Load, Spread]]:
    """One load of these columns, or several where a tag has values in more than one of them."""
    spread = spreads.of(columns, definitions)
    cuts = _cuts(columns, spread.shared)
    if not cuts:
        yield columns, spread
        return
    bounds = [[0, *np.searchsorted(column.position, cuts).tolist(), len(column)] for column in columns]
    for number in range(len(cuts) + 1):
        parts = [slice(*bound[number : number + 2]) for bound in bounds]
        load = [select(column, p) for column, p in zip(columns, parts, strict=True) if p.start < p.stop]
        yield load, spreads.of(load, definitions)


def _cuts(columns: Sequence[Column], shared: NDArray[np.intp]) -> list[int]:
    """Positions to cut at, so that values of one tag in several columns (a null between numbers) stay in order."""
    if not len(shared):
        return []
    rows: list[tuple[int, int, int]] = []
    for number, column in enumerate(columns):
        mask = np.isin(column.tag, shared)
        rows += [(p, t, number) for p, t in zip(column.position[mask].tolist(), column.tag[mask].tolist(), strict=True)]
    cuts, seen = [], dict[int, int]()
    for position, tag, number in sorted(rows):
        if seen.setdefault(tag, number) != number:
            cuts.append(position)
            seen = {tag: number}
    return cuts
