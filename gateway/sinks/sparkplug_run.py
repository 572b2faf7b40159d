"""Runs of tags as columns have them, and how the metrics of several runs are spread over messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.sparkplug_codec import FIRST_ALIAS, Rows
from gateway.sinks.sparkplug_metric import Definition
from gateway.sinks.sparkplug_state import TagState
from gateway.values import Column, DataType

_MOST = 4000  # metrics in one message: some 100 kB


class Run:
    """One run of tags as columns have it, and what their metrics have in common."""

    def __init__(self, definitions: Sequence[Definition]) -> None:
        self.definitions = definitions
        self.devices, self.device = _numbered([definition.device for definition in definitions])
        tags = [definition.tag for definition in definitions]
        self.aliases = np.array([tag.id for tag in tags], np.int64) + FIRST_ALIAS
        self.is_time = np.array([tag.data_type for tag in tags]) == DataType.DATETIME
        self._rows: dict[tuple[str, bool], Rows] = {}
        self._strangers: dict[str, NDArray[np.intp]] = {}
        self._spread: Spread | None = None

    def beside(self, *others: Run) -> Spread:
        """How the metrics of this run and of others are sent together; remembered for the last ones asked about."""
        runs = (self, *others)
        if self._spread is None or self._spread.runs != runs:
            self._spread = Spread(runs)
        return self._spread

    def rows(self, dtype: np.dtype[Any], *, historical: bool) -> Rows:
        """Rows for the values, ready but for time and value."""
        key = dtype.name, historical
        if key not in self._rows:
            self._rows[key] = Rows(self.aliases, dtype, historical=historical)
        return self._rows[key]

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


class Spread:
    """The metrics of several runs, one run after the other, by message: one a device, more where there are very many.

    Places count through all runs.
    """

    def __init__(self, runs: tuple[Run, ...]) -> None:
        self.runs = runs
        names, numbers = _numbered([name for run in runs for name in run.devices])
        shifts = np.cumsum([0, *(len(run.devices) for run in runs)]).tolist()
        devices = np.concatenate([numbers[run.device + shift] for run, shift in zip(runs, shifts, strict=False)])
        self._order = np.argsort(devices, kind="stable")
        devices = devices[self._order]
        self.starts = np.array([*_starts(devices), len(devices)])  # of each message, and the end of the last
        self.devices = [names[number] for number in devices[self.starts[:-1]].tolist()]  # of each message
        self._message = np.repeat(np.arange(len(self.devices)), np.diff(self.starts))  # of each metric, as they leave
        self._goes_on = np.diff(self._message) == 0
        self._alias = np.concatenate([run.aliases for run in runs])[self._order]
        self._repeats = bool((np.diff(np.sort(self._alias)) == 0).any())
        self.shared = _shared([run.aliases for run in runs])

    def order(self, milliseconds: NDArray[np.int64]) -> NDArray[np.intp]:
        """The places as they leave: by message, in each forward in time."""
        time = milliseconds[self._order]
        if not ((time[1:] < time[:-1]) & self._goes_on).any():
            return self._order
        order = np.lexsort((time, self._message))
        return self._order[self._kept(order) if self._repeats else order]

    def _kept(self, order: NDArray[np.intp]) -> NDArray[np.intp]:
        """The order, less of messages in which a tag's own time steps back: its last value must stay the last one."""
        alias = self._alias[order]
        by_tag = np.argsort(alias, kind="stable")
        steps_back = (np.diff(alias[by_tag]) == 0) & (np.diff(order[by_tag]) < 0)
        for number in np.unique(self._message[order[by_tag[1:][steps_back]]]).tolist():
            first, last = self.starts[number : number + 2]
            order[first:last] = np.arange(first, last)
        return order


def _numbered(names: list[str]) -> tuple[list[str], NDArray[np.intp]]:
    """Different names, sorted; and of each name given, which of them it is."""
    different = sorted(set(names))
    numbers = {name: number for number, name in enumerate(different)}
    return different, np.fromiter(map(numbers.__getitem__, names), np.intp, len(names))


def _starts(devices: NDArray[np.intp]) -> Iterator[int]:
    """Where messages begin: stretches of one device, none longer than a message may be."""
    edges = [0, *(np.flatnonzero(np.diff(devices)) + 1).tolist(), len(devices)]
    for first, last in pairwise(edges):
        yield from range(first, last, _MOST)


def _shared(aliases: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """What several runs have."""
    if len(aliases) == 1:
        return np.empty(0, np.int64)
    every, counts = np.unique(np.concatenate([np.unique(some) for some in aliases]), return_counts=True)
    return every[counts > 1]
