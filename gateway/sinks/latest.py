"""The last value of every tag, in memory, for the page: a sink like any other that keeps nothing beyond the process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.contract import Catalogue
from gateway.values import Batch, Column


@dataclass(frozen=True, slots=True)
class Value:
    """What a tag showed last. Numbers are floats (integers beyond 2**53 are rounded), everything else as it came."""

    value: Any
    status: int
    time: int  # source timestamp, Unix nanoseconds


class Latest:
    """Keeps the newest value by source time, one row a tag id. Its delivery may start at the journal's head.

    Costs 32 bytes a tag id and no Python object a number; reading makes the objects.
    """

    def __init__(self, name: str = "page") -> None:
        self.name = name
        self._time = np.zeros(0, np.int64)  # 0 = no value yet
        self._status = np.zeros(0, np.uint32)
        self._number = np.zeros(0, np.float64)
        self._object = np.zeros(0, np.object_)
        self._is_object = np.zeros(0, np.bool_)
        self._last_row = np.zeros(0, np.intp)

    async def open(self, tags: Catalogue) -> None:
        """Nothing to connect to; what is known stays."""

    async def write(self, batch: Batch) -> None:
        """Take over what is newer than what is known. Events and gaps carry no values."""
        for column in batch.columns:
            if len(column):
                self._take(column)

    async def close(self) -> None:
        """Nothing to let go of."""

    def get(self, tag_id: int) -> Value | None:
        """The last value of a tag; None as long as there was none."""
        if not 0 <= tag_id < len(self._time) or not self._time[tag_id]:
            return None
        value = self._object[tag_id] if self._is_object[tag_id] else float(self._number[tag_id])
        return Value(value, int(self._status[tag_id]), int(self._time[tag_id]))

    def _take(self, column: Column) -> None:
        tag = column.tag.astype(np.intp)  # NumPy finds places by these twice as fast
        self._reserve(int(tag.max()) + 1)
        rows = self._newest_rows(tag, column.time)
        tags = tag[rows]
        is_object = column.value.dtype == np.object_
        if is_object:
            self._object[tags] = column.value[rows]
        else:
            self._number[tags] = column.value[rows]
            self._object[tags[self._is_object[tags]]] = None
        self._time[tags] = column.time[rows]
        self._status[tags] = column.status[rows]
        self._is_object[tags] = is_object

    def _newest_rows(self, tag: NDArray[np.intp], time: NDArray[np.int64]) -> NDArray[np.intp] | slice:
        """The last row of each tag (values of a tag come in order), unless something newer is known."""
        rows = _last_rows(tag, self._last_row)
        newer: NDArray[np.bool_] = time[rows] >= self._time[tag[rows]]
        if newer.all():
            return rows
        return np.flatnonzero(newer) if isinstance(rows, slice) else rows[newer]

    def _reserve(self, size: int) -> None:
        if size <= len(self._time):
            return
        extra = max(size, 2 * len(self._time)) - len(self._time)
        for name in ("_time", "_status", "_number", "_object", "_is_object", "_last_row"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros(extra, array.dtype)]))


def _last_rows(tag: NDArray[np.intp], scratch: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """The last row of each tag; all of them where tags rise. `scratch` has room for every tag id."""
    if (tag[1:] > tag[:-1]).all():
        return slice(None)
    order = np.arange(len(tag))
    scratch[tag] = order  # of equal indices the last one stays
    return np.flatnonzero(scratch[tag] == order)
