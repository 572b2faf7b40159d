"""Values on their way into blocks: durable rows on disk, and the same in memory for queries."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.history.blocks import as_json, from_json
from gateway.history.samples import Samples

_HEAD = struct.Struct("<BBII")  # type, whether there are statuses, how many values, bytes of the values
_TYPES = "?bhiqBHIQfdO"
_CODES = {np.dtype(char): code for code, char in enumerate(_TYPES)}
_OBJECT_BYTES = 100  # of a value that is a Python object, a guess


@dataclass(frozen=True, slots=True)
class Staged:
    """Values of one type, of many tags, as they came; all arrays have the same length."""

    series: NDArray[np.int32]
    time: NDArray[np.int64]
    value: NDArray[Any]
    status: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.series)

    @property
    def bytes(self) -> int:
        """What it takes in memory, about."""
        arrays = (self.series, self.time, self.value, self.status)
        return sum(array.nbytes for array in arrays) + _OBJECT_BYTES * len(self) * self.value.dtype.hasobject

    def of(self, series: int) -> Samples:
        """The samples of one series."""
        mine = np.flatnonzero(self.series == series)
        return Samples(self.time[mine], self.value[mine], self.status[mine])


class Tail:
    """What is staged, immutable: a few chunks a type, each at least twice as long as the next."""

    def __init__(self, chunks: Sequence[Staged] = ()) -> None:
        self.chunks = tuple(chunks)
        self.bytes = sum(chunk.bytes for chunk in self.chunks)

    def plus(self, added: Iterable[Staged]) -> Tail:
        """With more values. Each value is copied log(n) times in all, and a query looks at log(n) chunks."""
        by_type: dict[np.dtype[Any], list[Staged]] = {}
        for chunk in (*self.chunks, *added):
            alike = by_type.setdefault(chunk.value.dtype, [])
            while alike and len(alike[-1]) < 2 * len(chunk):
                chunk = _concatenated([alike.pop(), chunk])  # noqa: PLW2901 - it grows on its way down
            alike.append(chunk)
        return Tail([chunk for alike in by_type.values() for chunk in alike])

    def of(self, series: int) -> list[Samples]:
        """The samples of one series, in the order in which they came for each type."""
        return [found for chunk in self.chunks if len(found := chunk.of(series))]

    def sorted(self) -> list[Staged]:
        """One chunk a type, by series and time; of values with the same time the one that came last."""
        by_type: dict[np.dtype[Any], list[Staged]] = {}
        for chunk in self.chunks:
            by_type.setdefault(chunk.value.dtype, []).append(chunk)
        return [_sorted(_concatenated(alike)) for alike in by_type.values()]


def pack(chunks: Sequence[Staged]) -> bytes:
    """Chunks as a row of the staging table: raw and quick."""
    return b"".join(part for chunk in chunks for part in _pack(chunk))


def unpack(body: bytes) -> list[Staged]:
    """The chunks of a row. ValueError if it is none."""
    chunks = []
    rest = memoryview(body)
    while rest:
        chunk, rest = _unpack(rest)
        chunks.append(chunk)
    return chunks


def _pack(chunk: Staged) -> tuple[bytes, ...]:
    values = as_json(chunk.value) if chunk.value.dtype.hasobject else chunk.value.tobytes()
    any_status = bool(chunk.status.any())
    head = _HEAD.pack(_CODES[chunk.value.dtype], any_status, len(chunk), len(values))
    return head, chunk.series.tobytes(), chunk.time.tobytes(), chunk.status.tobytes() if any_status else b"", values


def _unpack(body: memoryview) -> tuple[Staged, memoryview]:
    try:
        code, any_status, n, size = _HEAD.unpack_from(body)
        dtype = np.dtype(_TYPES[code])
    except (struct.error, IndexError) as error:
        raise ValueError(f"not a row of staged values: {error}") from error
    ends = np.cumsum([_HEAD.size, 4 * n, 8 * n, 4 * n * any_status, size]).tolist()
    series, time, status, values = (body[a:b] for a, b in pairwise(ends))
    chunk = Staged(
        np.frombuffer(series, np.int32, n),
        np.frombuffer(time, np.int64, n),
        from_json(values, n) if dtype.hasobject else np.frombuffer(values, dtype, n),
        np.frombuffer(status, np.uint32, n) if any_status else np.zeros(n, np.uint32),
    )
    return chunk, body[ends[-1] :]


def _concatenated(chunks: Sequence[Staged]) -> Staged:
    if len(chunks) == 1:
        return chunks[0]
    return Staged(
        np.concatenate([chunk.series for chunk in chunks]),
        np.concatenate([chunk.time for chunk in chunks]),
        np.concatenate([chunk.value for chunk in chunks]),
        np.concatenate([chunk.status for chunk in chunks]),
    )


def _sorted(chunk: Staged) -> Staged:
    order = np.lexsort((chunk.time, chunk.series))
    series, time = chunk.series[order], chunk.time[order]
    last = np.append((series[1:] != series[:-1]) | (time[1:] != time[:-1]), True)
    order = order[last]
    return Staged(series[last], time[last], chunk.value[order], chunk.status[order])
