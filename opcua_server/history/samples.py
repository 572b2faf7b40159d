"""Columns of samples, and the bytes of a block that keeps them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """How the values of a node are kept."""

    INTEGER = 1  # int64; unsigned 64 bit ones as their two's complement, moments as Unix nanoseconds
    FLOAT = 2
    TEXT = 3


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of one node, n of them. Where the status is bad there is no value: 0 or None."""

    time: NDArray[np.int64]  # Unix nanoseconds, no two alike
    value: NDArray[Any]  # int64, float64 or object (str | None), by the kind of the node
    status: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, part: slice) -> Samples:
        return Samples(self.time[part], self.value[part], self.status[part])


_DTYPES = {Kind.INTEGER: np.dtype(np.int64), Kind.FLOAT: np.dtype(np.float64), Kind.TEXT: np.dtype(object)}
_NOTHING = {Kind.INTEGER: 0, Kind.FLOAT: 0.0, Kind.TEXT: None}
_STATUSES = 1
"""Flag of a block: it has statuses; without, all are good."""


_MOST_DECIMALS = 6
_RAW = 255
"""In place of the count of decimals: the bits of the numbers."""
_MODERATE = 1e9
"""Below it, a number of `_MOST_DECIMALS` decimals is a whole number of floating point too."""


def from_rows(kind: Kind, rows: Sequence[tuple[int, Any, int]]) -> Samples:
    """Samples of (time, value or None, status) rows."""
    nothing = _NOTHING[kind]
    return Samples(
        np.array([time for time, _, _ in rows], np.int64),
        np.array([nothing if value is None else value for _, value, _ in rows], _DTYPES[kind]),
        np.array([status for _, _, status in rows], np.uint32),
    )


def concatenate(kind: Kind, parts: Sequence[Samples]) -> Samples:
    """Samples one after the other; none gives none."""
    if not parts:
        return from_rows(kind, [])
    return Samples(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.status for part in parts]),
    )


def pack(kind: Kind, samples: Samples) -> bytes:
    """A block: flag, times, statuses where not all are good, values; differences, shuffled, deflated."""
    has_statuses = bool(samples.status.any())
    sections = [
        _shuffled(np.diff(samples.time, prepend=np.int64(0))),
        _shuffled(samples.status) if has_statuses else b"",
        _packed_values(kind, samples.value),
    ]
    return bytes([_STATUSES * has_statuses]) + zlib.compress(b"".join(sections), 1)


def unpack(kind: Kind, count: int, block: bytes) -> Samples:
    """The samples of a block."""
    data = zlib.decompress(block[1:])
    times, rest = data[: 8 * count], data[8 * count :]
    has_statuses = block[0] & _STATUSES
    statuses, values = (rest[: 4 * count], rest[4 * count :]) if has_statuses else (b"", rest)
    return Samples(
        np.cumsum(_unshuffled(times, np.int64)),
        _unpacked_values(kind, values),
        _unshuffled(statuses, np.uint32) if has_statuses else np.zeros(count, np.uint32),
    )


def _packed_values(kind: Kind, values: NDArray[Any]) -> bytes:
    if kind is Kind.TEXT:
        return json.dumps(values.tolist(), ensure_ascii=False).encode()
    return _packed_floats(values) if kind is Kind.FLOAT else _packed_integers(values)


def _unpacked_values(kind: Kind, data: bytes) -> NDArray[Any]:
    if kind is Kind.TEXT:
        return np.array(json.loads(data), object)
    return _unpacked_floats(data) if kind is Kind.FLOAT else _unpacked_integers(data)


def _packed_integers(values: NDArray[np.int64]) -> bytes:
    return _shuffled(np.diff(values, prepend=np.int64(0)))  # wraps around, and back again


def _unpacked_integers(data: bytes) -> NDArray[np.int64]:
    return np.cumsum(_unshuffled(data, np.int64))


def _packed_floats(values: NDArray[np.float64]) -> bytes:
    """Readings of few decimals as whole numbers of the last one, after their count; others as they are."""
    is_moderate = bool((np.abs(values) < _MODERATE).all())
    for decimals in range(_MOST_DECIMALS + 1 if is_moderate else 0):
        whole = np.rint(values * 10.0**decimals)
        if np.array_equal(whole / 10.0**decimals, values):
            return bytes([decimals]) + _packed_integers(whole.astype(np.int64))
    return bytes([_RAW]) + _packed_integers(values.view(np.int64))


def _unpacked_floats(data: bytes) -> NDArray[np.float64]:
    whole = _unpacked_integers(data[1:])
    return whole.view(np.float64) if data[0] == _RAW else whole / 10.0 ** data[0]


def _shuffled(array: NDArray[Any]) -> bytes:
    """First the lowest bytes of all numbers, then the next: slowly changing numbers become long runs."""
    return array.view(np.uint8).reshape(len(array), array.itemsize).T.tobytes()


def _unshuffled(data: bytes, dtype: type[np.generic]) -> NDArray[Any]:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(data, np.uint8).reshape(size, -1).T.copy().view(dtype).ravel()
