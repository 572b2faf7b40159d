"""How the metrics of a load are spread over messages: by device, in each forward in time, and what of them is fixed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.rows import Rows
from gateway.sinks.sparkplug_codec import FIRST_ALIAS, NumberRows
from gateway.sinks.sparkplug_metric import Definition
from gateway.sinks.sparkplug_state import TagState
from gateway.values import Column

_MOST = 4000  # metrics in one message: some 100 kB


Load = Sequence[Column]
"""Columns that are sent together."""


class Run:
    """Metrics of one column in the order in which they leave."""

    def __init__(self, places: NDArray[np.intp], tags: NDArray[np.intp], definitions: Rows[Definition]) -> None:
        self.places: NDArray[np.intp] | slice = slice(None) if _is_rising(places) else places
        """Where they are in the column."""
        self.aliases = tags + FIRST_ALIAS
        self.definitions = definitions
        self._tags = tags
        self._rows: dict[tuple[str, bool], NumberRows] = {}
        self._strange: tuple[str, int, NDArray[np.bool_]] | None = None

    @cached_property
    def is_time(self) -> NDArray[np.bool_]:
        """Whose values are dates."""
        return self.definitions.take("is_time", self._tags)

    def rows(self, dtype: np.dtype[Any], *, historical: bool) -> NumberRows:
        """Rows for the values, ready but for time and value."""
        key = dtype.name, historical
        if key not in self._rows:
            self._rows[key] = NumberRows(self.aliases, dtype, historical=historical)
        return self._rows[key]

    def strange(self, state: TagState, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
        """Where numbers of this type do not fit the datatypes of the metrics."""
        if self._strange is None or self._strange[:2] != (dtype.name, state.version):
            self._strange = dtype.name, state.version, state.is_strange(self._tags, dtype)
        return self._strange[2]

    def adapt(self, state: TagState, column: Column) -> bool:
        """Have the datatypes take the values; True if births are due."""
        is_number = column.value.dtype != np.object_
        if is_number and not self.strange(state, column.value.dtype).any():
            return False
        return state.adapt(column, self.definitions)


class Spread:
    """The metrics of a load by device, in messages that are not too long. All of this depends on their tags only."""

    def __init__(self, load: Load, definitions: Rows[Definition]) -> None:
        """`definitions` has FIELDS."""
        tags = np.concatenate([column.tag for column in load]).astype(np.intp)  # NumPy takes by these twice as fast
        devices = definitions.take("device_number", tags)
        self.order = _sorted(devices)
        """Where what leaves is in the columns, one after the other."""
        self._tags, self._devices = tags[self.order], devices[self.order]
        edges = np.flatnonzero(np.diff(self._devices)) + 1
        self.starts = _starts([0, *edges.tolist(), len(tags)])
        """Of each message, and the end of the last."""
        self.devices = [one.device for one in definitions.of(self._tags[self.starts[:-1]])]
        """Of each message."""
        self.runs = list[Run]()
        """Of each column."""
        self.moved = np.empty_like(self.order)
        """Where what leaves is in the runs, one after the other."""
        for first, end in pairwise([0, *np.cumsum([len(column) for column in load]).tolist()]):
            mine = np.flatnonzero((self.order >= first) & (self.order < end))
            self.moved[mine] = np.arange(first, end)
            self.runs.append(Run(self.order[mine] - first, self._tags[mine], definitions))
        self.shared = _shared(load) if len(load) > 1 else tags[:0]
        """Tags with values in several columns."""

    def each(self, load: Load) -> Iterator[tuple[Run, Column]]:
        """The columns with their runs."""
        return zip(self.runs, load, strict=True)

    def forward(self, milliseconds: NDArray[np.int64]) -> NDArray[np.intp] | slice:
        """The order less its steps back in time within a device, as places in it."""
        time = milliseconds[self.order]
        steps_back = (time[1:] < time[:-1]) & (self._devices[1:] == self._devices[:-1])
        if not steps_back.any():
            return slice(None)
        places = np.flatnonzero(_has(self._devices, self._devices[1:][steps_back]))
        forward = np.arange(len(time))
        forward[places] = self._kept(places, places[_sorted_by(time[places], self._devices[places])])
        return forward

    def _kept(self, before: NDArray[np.intp], after: NDArray[np.intp]) -> NDArray[np.intp]:
        """What is sorted, less of devices in which a tag's own time steps back: its last value must stay the last."""
        by_tag = after[_sorted(self._tags[after])]
        steps_back = by_tag[1:][(np.diff(self._tags[by_tag]) == 0) & (np.diff(by_tag) < 0)]
        if not len(steps_back):
            return after
        return np.where(_has(self._devices[before], self._devices[steps_back]), before, after)


def _shared(load: Load) -> NDArray[np.intp]:
    room = max(int(column.tag.max()) for column in load) + 1
    seen, again = np.zeros(room, np.bool_), np.zeros(room, np.bool_)
    for column in load:
        again[column.tag[seen[column.tag]]] = True
        seen[column.tag] = True
    return np.flatnonzero(again)


def _has(devices: NDArray[np.int32], some: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which of the devices are among some of them."""
    is_one = np.zeros(int(devices.max()) + 1, np.bool_)
    is_one[some] = True
    found: NDArray[np.bool_] = is_one[devices]
    return found


def _sorted_by(minor: NDArray[Any], major: NDArray[Any]) -> NDArray[np.intp]:
    """The places by two keys, rising."""
    by_minor = _sorted(minor)
    return by_minor[_sorted(major[by_minor])]


def _sorted(keys: NDArray[Any]) -> NDArray[np.intp]:
    """The places of the keys, rising; of equal ones as they are. NumPy sorts 16 bits ten times as fast as more."""
    above = keys - keys.min()
    return np.argsort(above.astype(np.uint16) if above.max() < 1 << 16 else above, kind="stable")


def _is_rising(places: NDArray[np.intp]) -> bool:
    return bool((places[1:] > places[:-1]).all())


def _starts(edges: list[int]) -> list[int]:
    """Where messages begin, and the last ends: stretches of one device, none longer than a message may be."""
    return [start for first, last in pairwise(edges) for start in range(first, last, _MOST)] + edges[-1:]
