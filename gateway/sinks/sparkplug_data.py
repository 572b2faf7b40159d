"""Loads to data messages: values of all types as metrics of their devices; what fits no row goes one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.news import select
from gateway.sinks.sparkplug_codec import Metrics, is_regular, metric_ends, text_metrics
from gateway.sinks.sparkplug_metric import Sample, data_metric
from gateway.sinks.sparkplug_spread import Load, Run, Spread
from gateway.sinks.sparkplug_state import TagState
from gateway.values import Column

_NANOSECONDS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Data:
    """The metrics of one DDATA, and which values they are."""

    device: str
    metrics: bytes
    positions: NDArray[np.int64]

    def cut(self, largest: int) -> Iterator[Data]:
        """Parts of at most so many bytes; a single metric that has more is a part by itself."""
        if len(self.metrics) <= largest:
            yield self
            return
        first = start = 0
        ends = metric_ends(self.metrics)
        for place, (end, following) in enumerate(pairwise([*ends, ends[-1] + largest + 1])):
            if following - start > largest:
                yield Data(self.device, self.metrics[start:end], self.positions[first : place + 1])
                first, start = place + 1, end


def encoded(load: Load, spread: Spread, state: TagState, *, historical: bool) -> Iterator[Data]:
    """One Data a device, or several where it has very many values."""
    stamps = [np.maximum(column.time // _NANOSECONDS_PER_MS, 0) for column in load]
    metrics = _together(
        [
            _Encoder(run, select(column, run.places), ms[run.places], state, historical=historical).metrics()
            for (run, column), ms in zip(spread.each(load), stamps, strict=True)
        ]
    )
    forward = spread.forward(np.concatenate(stamps))
    position = np.concatenate([column.position for column in load])[spread.order[forward]]
    parts = metrics.sorted(spread.moved[forward], spread.starts)
    for device, data, (first, last) in zip(spread.devices, parts, pairwise(spread.starts), strict=True):
        yield Data(device, data, position[first:last])


def _together(metrics: list[Metrics]) -> Metrics:
    """One after the other."""
    shifts = np.cumsum([0, *(len(some.data) for some in metrics)]).tolist()
    ends = [some.ends + shift for some, shift in zip(metrics, shifts, strict=False)]
    return Metrics(b"".join([some.data for some in metrics]), np.concatenate(ends))


class _Encoder:
    """A column on its way to metrics, in its order: regular values all at once, the others one by one."""

    def __init__(
        self, run: Run, column: Column, milliseconds: NDArray[np.int64], state: TagState, *, historical: bool
    ) -> None:
        self._run, self._column, self._ms, self._state = run, column, milliseconds, state
        self._historical = historical
        self._doubtful = column.status != 0 if historical else state.needs_quality(column)
        self._is_odd = ~is_regular(run.aliases, milliseconds) | self._doubtful

    def metrics(self) -> Metrics:
        """One a value."""
        regular = self._texts() if self._column.value.dtype == np.object_ else self._numbers()
        odd = np.flatnonzero(self._is_odd).tolist()
        return regular.replaced(odd, map(self._single, odd)) if odd else regular

    def _numbers(self) -> Metrics:
        dtype = self._column.value.dtype
        self._is_odd |= self._run.strange(self._state, dtype)
        return self._run.rows(dtype, historical=self._historical).encode(self._ms, self._values())

    def _values(self) -> NDArray[Any]:
        values = self._column.value
        if values.dtype != np.int64 or not self._run.is_time.any():
            return values
        return np.where(self._run.is_time, values // _NANOSECONDS_PER_MS, values)

    def _texts(self) -> Metrics:
        words = self._column.value.tolist()
        kinds = list(map(type, words))
        self._is_odd |= ~self._state.takes_text(self._column)
        if kinds.count(str) < len(kinds):
            self._is_odd |= [kind is not str for kind in kinds]
        for place in np.flatnonzero(self._is_odd).tolist():
            words[place] = ""
        return text_metrics(self._run.aliases, self._ms, words, historical=self._historical)

    def _single(self, place: int) -> bytes:
        column = self._column
        definition, value = self._run.definitions[int(column.tag[place])], column.value[place]
        sample = Sample(
            value.item() if isinstance(value, np.generic) else value,
            int(column.status[place]),
            int(column.time[place]),
        )
        datatype = self._state.datatype(definition.tag.id)
        return data_metric(
            definition, datatype, sample, historical=self._historical, quality_too=bool(self._doubtful[place])
        )
