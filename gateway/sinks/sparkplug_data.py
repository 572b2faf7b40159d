"""Columns to the metrics of data messages: split by device, regular values as rows, the others one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.news import news, select
from gateway.sinks.sparkplug_codec import Rows, framed_texts, is_regular
from gateway.sinks.sparkplug_metric import Definition, Sample, data_metric
from gateway.sinks.sparkplug_state import TagState
from gateway.values import Batch, Column, DataType

_MOST = 4000  # metrics in one message: some 100 kB
_NANOSECONDS_PER_MS = 1_000_000


class Run:
    """One run of tags as columns have it, sorted by device, and what their messages have in common."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        devices = np.unique([definition.device for definition in definitions], return_inverse=True)[1]
        order = np.argsort(devices, kind="stable")
        self.order = None if (np.diff(order) > 0).all() else order
        self.definitions = [definitions[i] for i in order.tolist()]
        self.aliases = np.fromiter((definition.alias for definition in self.definitions), np.int64, len(definitions))
        self.is_time = np.array([definition.tag.data_type == DataType.DATETIME for definition in self.definitions])
        self.ids = np.unique([definition.tag.id for definition in definitions])
        self.parts = list(_parts(devices[order]))
        self._starts = np.array([part.start for part in self.parts], np.intp)
        self._repeats = [len(np.unique(self.aliases[part])) < len(self.aliases[part]) for part in self.parts]
        self._rows: dict[tuple[str, bool], Rows] = {}
        self._strangers: dict[str, NDArray[np.intp]] = {}

    def arranged(self, column: Column) -> Column:
        """The column in the order of the definitions."""
        return column if self.order is None else select(column, self.order)

    def rows(self, dtype: np.dtype[Any], *, historical: bool) -> Rows:
        """Rows for the values, ready but for time and value."""
        key = dtype.name, historical
        if key not in self._rows:
            self._rows[key] = Rows(self.aliases, dtype, historical=historical)
        return self._rows[key]

    def chronological(self, column: Column) -> NDArray[np.intp] | None:
        """The order in which the parts of an arranged column run forward in time; None = they do."""
        back = np.flatnonzero(column.time[1:] < column.time[:-1]) + 1
        back = np.setdiff1d(back, self._starts) if len(back) else back
        if not len(back):
            return None
        order = np.arange(len(column))
        for number in np.unique(np.searchsorted(self._starts, back, "right") - 1).tolist():
            part = self.parts[number]
            order[part] = part.start + _sorted(column.tag[part], column.time[part], repeats=self._repeats[number])
        return order

    def strangers(self, state: TagState, column: Column) -> NDArray[np.intp]:
        """Where values of a numeric column do not fit their datatypes. They change only together with all runs."""
        name = column.value.dtype.name
        if name not in self._strangers:
            self._strangers[name] = state.strangers(column)
        return self._strangers[name]

    def adapt(self, state: TagState, column: Column) -> bool:
        """Have the datatypes take the values; True if births are due."""
        is_numeric = column.value.dtype != np.object_
        if is_numeric and not len(self.strangers(state, column)):
            return False
        self._strangers.clear()
        return state.adapt(self.definitions, column)


def _parts(devices: NDArray[np.intp]) -> Iterator[slice]:
    """Stretches of one device, none longer than a message may be."""
    edges = [0, *(np.flatnonzero(np.diff(devices)) + 1).tolist(), len(devices)]
    for first, last in pairwise(edges):
        for start in range(first, last, _MOST):
            yield slice(start, min(start + _MOST, last))


@dataclass(frozen=True, slots=True)
class Load:
    """Values that can be sent together: no tag has values in two loads that follow each other out of order."""

    run: Run
    column: Column  # arranged


def loads(batch: Batch, runs: Sequence[Run]) -> list[Load]:
    """What a batch has to send, in order; what is late only as far as it is news."""
    chosen = [_chosen(column, run, late=batch.historical) for column, run in zip(batch.columns, runs, strict=True)]
    return [load for columns in _stretches(chosen) for load in _ordered(columns)]


def _stretches(columns: Sequence[tuple[Column, Run]]) -> Iterator[list[tuple[Column, Run]]]:
    """Columns whose positions overlap, together, in the order of the journal."""
    together, end = list[tuple[Column, Run]](), -1
    for column, run in sorted((one for one in columns if len(one[0])), key=lambda one: int(one[0].position[0])):
        if together and column.position[0] > end:
            yield together
            together = []
        together.append((column, run))
        end = max(end, int(column.position[-1]))
    if together:
        yield together


def _ordered(columns: Sequence[tuple[Column, Run]]) -> Iterator[Load]:
    """Loads of columns that overlap, cut where a tag has values in several of them."""
    cuts = _cuts(columns)
    if not cuts:
        yield from (Load(run, run.arranged(column)) for column, run in columns)
        return
    for number in range(len(cuts) + 1):
        for column, run in columns:
            bounds = [0, *np.searchsorted(column.position, cuts).tolist(), len(column)]
            part = slice(bounds[number], bounds[number + 1])
            if part.start < part.stop:
                yield _piece(column, run, part)


def _chosen(column: Column, run: Run, *, late: bool) -> tuple[Column, Run]:
    if not late:
        return column, run
    kept, definitions = news(column, _unsorted(run))
    return kept, run if len(kept) == len(column) else Run(definitions)


def _unsorted(run: Run) -> list[Definition]:
    """The definitions in the order of the column."""
    if run.order is None:
        return run.definitions
    return [run.definitions[i] for i in np.argsort(run.order).tolist()]


def _piece(column: Column, run: Run, part: slice) -> Load:
    piece = Run(_unsorted(run)[part])
    return Load(piece, piece.arranged(select(column, part)))


def _cuts(columns: Sequence[tuple[Column, Run]]) -> list[int]:
    """Positions to cut at, so that values of one tag in several columns (a null between numbers) stay in order."""
    ids = np.sort(np.concatenate([run.ids for _, run in columns])) if len(columns) > 1 else np.empty(0, np.int64)
    shared = ids[1:][np.diff(ids) == 0]
    if not len(shared):
        return []
    rows: list[tuple[int, int, int]] = []
    for number, (column, _) in enumerate(columns):
        mask = np.isin(column.tag, shared)
        rows += [(p, t, number) for p, t in zip(column.position[mask].tolist(), column.tag[mask].tolist(), strict=True)]
    cuts, seen = [], dict[int, int]()
    for position, tag, number in sorted(rows):
        if seen.setdefault(tag, number) != number:
            cuts.append(position)
            seen = {tag: number}
    return cuts


@dataclass(frozen=True, slots=True)
class Data:
    """The metrics of one DDATA, and which values they are."""

    device: str
    metrics: bytes
    positions: NDArray[np.int64]


def encoded(load: Load, state: TagState, *, historical: bool) -> Iterator[Data]:
    """One Data a device, or several where it has very many values."""
    encoder = _Encoder(load, state, historical=historical)
    return map(encoder.data, load.run.parts)


class _Encoder:
    """A load on its way to bytes: numbers whole, to be cut by device. Places count in the arranged column."""

    def __init__(self, load: Load, state: TagState, *, historical: bool) -> None:
        self._run, self._column = load.run, load.column
        self._state = state
        self._historical = historical
        self._ms = np.maximum(self._column.time // _NANOSECONDS_PER_MS, 0)
        self._doubtful = self._column.status != 0 if historical else state.needs_quality(self._column)
        self._order = load.run.chronological(load.column)
        self._position = self._ordered(self._column.position)
        self._is_odd = ~is_regular(self._run.aliases, self._ms) | self._doubtful
        if self._column.value.dtype == np.object_:
            self._is_odd |= ~state.takes_text(self._column)
            self._pieces = self._objects()
        else:
            self._is_odd[self._run.strangers(state, self._column)] = True
            self._odd = np.flatnonzero(self._ordered(self._is_odd))
            rows = self._run.rows(self._column.value.dtype, historical=historical)
            self._metrics = rows.encode(self._ms, self._values(), self._order)

    def data(self, part: slice) -> Data:
        """The message of one part."""
        is_object = self._column.value.dtype == np.object_
        metrics = b"".join(self._pieces[part]) if is_object else self._numbers(part)
        return Data(self._run.definitions[part.start].device, metrics, self._position[part])

    def _ordered(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._order is None else values[self._order]

    def _values(self) -> NDArray[Any]:
        values, is_time = self._column.value, self._run.is_time
        if values.dtype != np.int64 or not is_time.any():
            return values
        return np.where(is_time, values // _NANOSECONDS_PER_MS, values)

    def _numbers(self, part: slice) -> bytes:
        """The rows, with single metrics in the places of those that do not fit."""
        if not len(self._odd):
            return self._metrics.part(part.start, part.stop)
        first, last = np.searchsorted(self._odd, (part.start, part.stop))
        pieces, start = list[bytes](), part.start
        for index in self._odd[first:last].tolist():
            place = index if self._order is None else int(self._order[index])
            pieces += self._metrics.part(start, index), self._single(place)
            start = index + 1
        return b"".join([*pieces, self._metrics.part(start, part.stop)])

    def _objects(self) -> list[bytes]:
        """Texts in one go, everything else one by one; in the order of the messages."""
        values = self._column.value
        is_text = [isinstance(value, str) for value in values] & ~self._is_odd
        aliases, words = self._run.aliases[is_text], values[is_text].tolist()
        texts = iter(framed_texts(aliases, self._ms[is_text], words, historical=self._historical))
        pieces = [next(texts) if plain else self._single(place) for place, plain in enumerate(is_text.tolist())]
        return pieces if self._order is None else [pieces[place] for place in self._order.tolist()]

    def _single(self, place: int) -> bytes:
        definition, value = self._run.definitions[place], self._column.value[place]
        sample = Sample(
            value.item() if isinstance(value, np.generic) else value,
            int(self._column.status[place]),
            int(self._column.time[place]),
        )
        datatype = self._state.datatype(definition.tag.id)
        return data_metric(
            definition, datatype, sample, historical=self._historical, quality_too=bool(self._doubtful[place])
        )


def _sorted(tag: NDArray[np.int32], time: NDArray[np.int64], *, repeats: bool) -> NDArray[np.intp]:
    """The order that metrics of one message must have.

    Where a tag's own time steps back they stay as reported: else its last value would not be the last one.
    """
    order = np.argsort(time, kind="stable")
    if repeats:
        by_tag = order[np.argsort(tag[order], kind="stable")]
        same = np.diff(tag[by_tag]) == 0
        if (np.diff(by_tag)[same] < 0).any():
            return np.arange(len(time))
    return order
