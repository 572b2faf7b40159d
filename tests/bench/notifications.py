"""Notifications of a load: bodies prepared once, whose values and times NumPy rewrites in place at every interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 10_000
"""Values in one message."""
SHARE = 0.3
"""Of the tags that report at an interval, where only what changed is reported."""
SUBSETS = 128
"""Different ones, in turn: of 10,000 tags 384,000 values, more than the gateway ever remembered of such orders."""
EPOCH_1601 = 116_444_736_000_000_000  # 100 ns between 1601 and 1970
_BOOLEAN, _INT32, _DOUBLE, _STRING = 1, 6, 11, 12
_VALUE, _STATUS, _SOURCE, _SERVER = 0x01, 0x02, 0x04, 0x08
_TEXT = "S12"
_NO_DIAGNOSTICS = b"\xff\xff\xff\xff"


class Kind(StrEnum):
    """What the tags are and what a server says of each value."""

    NUMBERS = "numbers"  # Doubles with source time, one time for all
    MIXED = "mixed"  # half Doubles, a quarter Int32, a fifth Booleans, 5 % texts; status, two times of each tag's own
    CHANGES = "changes"  # as mixed, but at each interval other tags report, in another order


def data_type(kind: Kind, tag: int) -> int:
    """The built-in type of a tag by its number."""
    if kind is Kind.NUMBERS:
        return _DOUBLE
    place = tag % 20
    return _STRING if place == 0 else _BOOLEAN if place < 5 else _INT32 if place < 10 else _DOUBLE


def _row(kind: Kind, code: int) -> np.dtype[np.void]:
    head = [("handle", "<u4"), ("mask", "u1"), ("type", "u1")]
    value = {_BOOLEAN: [("value", "u1")], _INT32: [("value", "<i4")], _DOUBLE: [("value", "<f8")]}
    text = [("length", "<i4"), ("value", _TEXT)]
    source: list[tuple[str, str]] = [("source", "<i8")]
    tail = source if kind is Kind.NUMBERS else [("status", "<u4"), *source, ("server", "<i8")]
    return np.dtype([*head, *value.get(code, text), *tail])


@dataclass(frozen=True, slots=True)
class _Group:
    """The values of one type in a body: a row type that may begin at any byte, and where they begin."""

    code: int
    rows: np.ndarray[Any, Any]
    starts: np.ndarray[Any, Any]
    ages: np.ndarray[Any, Any]  # ticks by which each tag is later than the first


class Notification:
    """A DataChangeNotification of some tags, by tag number and client handle."""

    def __init__(self, kind: Kind, tags: Sequence[tuple[int, int]]) -> None:
        self.tags = len(tags)
        codes = np.array([data_type(kind, tag) for tag, _ in tags])
        rows = {code: _row(kind, code) for code in np.unique(codes).tolist()}
        starts = 4 + np.concatenate([[0], np.cumsum([rows[code].itemsize for code in codes.tolist()])])
        self._body = bytearray(len(tags).to_bytes(4, "little") + bytes(int(starts[-1]) - 4) + _NO_DIAGNOSTICS)
        self._groups = [self._group(kind, code, row, codes, starts) for code, row in rows.items()]
        handles = np.array([handle for _, handle in tags], np.uint32)
        for group in self._groups:
            group.rows["handle"][group.starts] = handles[codes == group.code]

    def _group(self, kind: Kind, code: int, row: np.dtype[np.void], codes: Any, starts: Any) -> _Group:
        rows = np.ndarray((len(self._body) - row.itemsize + 1,), row, self._body, strides=(1,))
        places = np.flatnonzero(codes == code)
        group = _Group(code, rows, starts[places], np.zeros_like(places) if kind is Kind.NUMBERS else places)
        mask = _VALUE | _SOURCE if kind is Kind.NUMBERS else _VALUE | _STATUS | _SOURCE | _SERVER
        rows["mask"][group.starts], rows["type"][group.starts] = mask, code
        if code == _STRING:
            rows["length"][group.starts] = rows["value"].dtype.itemsize
        return group

    def at(self, interval: int, time_ns: int) -> bytes:
        """The body with new values of this interval and time."""
        ticks = time_ns // 100 + EPOCH_1601
        values = {_BOOLEAN: interval & 1, _STRING: b"Lot %08d" % interval}
        for group in self._groups:
            group.rows["value"][group.starts] = values.get(group.code, interval)
            times = ticks + group.ages
            for name in {"source", "server"} & set(group.rows.dtype.names or ()):
                group.rows[name][group.starts] = times
        return bytes(self._body)


def rounds(kind: Kind, tags: Sequence[tuple[int, int]]) -> list[list[Notification]]:
    """What is reported at one interval after the other, over and over: as many notifications as its tags need."""
    every = np.array(tags)
    if kind is not Kind.CHANGES:
        return [_notifications(kind, every)]
    random = np.random.default_rng(len(tags))
    size = max(1, int(SHARE * len(tags)))
    subsets = [random.permutation(every)[:size] for _ in range(SUBSETS)]
    return [_notifications(kind, some) for some in (every, *subsets)]  # at first a server reports everything


def _notifications(kind: Kind, tags: NDArray[np.int64]) -> list[Notification]:
    parts = (tags[first : first + MOST] for first in range(0, len(tags), MOST))
    return [Notification(kind, [(tag, handle) for tag, handle in part.tolist()]) for part in parts]
