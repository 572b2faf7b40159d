"""What of a batch can be sent together: columns of the same records, cut where a tag has values in several of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.news import news, select
from gateway.sinks.sparkplug_codec import FIRST_ALIAS
from gateway.sinks.sparkplug_run import Run, Spread
from gateway.values import Batch, Column

_INDEX_BITS = 20  # of a position tell the place within its record


@dataclass(frozen=True, slots=True)
class Load:
    """Columns that can be sent together, one a run: no tag has values in two of them."""

    columns: tuple[Column, ...]
    spread: Spread

    def each(self) -> Iterator[tuple[Run, Column]]:
        """Every column with its run."""
        return zip(self.spread.runs, self.columns, strict=True)


def loads(batch: Batch, runs: Sequence[Run]) -> list[Load]:
    """What a batch has to send, in order; what is late only as far as it is news."""
    chosen = [_chosen(column, run, late=batch.historical) for column, run in zip(batch.columns, runs, strict=True)]
    return [load for columns in _stretches(chosen) for load in _ordered(columns)]


def _chosen(column: Column, run: Run, *, late: bool) -> tuple[Column, Run]:
    if not late:
        return column, run
    kept, definitions = news(column, run.definitions)
    return kept, run if len(kept) == len(column) else Run(definitions)


def _stretches(columns: Sequence[tuple[Column, Run]]) -> Iterator[list[tuple[Column, Run]]]:
    """Columns of the same records, together, in the order of the journal."""
    together, end = list[tuple[Column, Run]](), -1
    for column, run in sorted((one for one in columns if len(one[0])), key=lambda one: int(one[0].position[0])):
        first, last = (column.position[[0, -1]] >> _INDEX_BITS).tolist()
        if together and first > end:
            yield together
            together = []
        together.append((column, run))
        end = max(end, last)
    if together:
        yield together


def _ordered(columns: Sequence[tuple[Column, Run]]) -> Iterator[Load]:
    """One load of these columns, or several where a tag has values in more than one of them."""
    whole = _load(columns)
    cuts = _cuts(whole.columns, whole.spread.shared - FIRST_ALIAS)
    if not cuts:
        yield whole
        return
    bounds = [[0, *np.searchsorted(column.position, cuts).tolist(), len(column)] for column, _ in columns]
    for number in range(len(cuts) + 1):
        parts = [slice(*bound[number : number + 2]) for bound in bounds]
        pieces = [_piece(*one, part) for one, part in zip(columns, parts, strict=True) if part.start < part.stop]
        if pieces:
            yield _load(pieces)


def _load(columns: Sequence[tuple[Column, Run]]) -> Load:
    runs = [run for _, run in columns]
    return Load(tuple(column for column, _ in columns), runs[0].beside(*runs[1:]))


def _piece(column: Column, run: Run, part: slice) -> tuple[Column, Run]:
    return select(column, part), Run(run.definitions[part])


def _cuts(columns: Sequence[Column], shared: NDArray[np.int64]) -> list[int]:
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
