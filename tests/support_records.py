"""Notifications as a server would send them, made by hand, and what is in batches."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from time import time_ns

import numpy as np

from gateway.journal import Draft, Kind
from gateway.values import Batch, DataType, Tag

_EPOCH_TICKS = 116_444_736_000_000_000
_ROW = np.dtype([("handle", "<u4"), ("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("time", "<i8")])

Seen = tuple[int, int, float]
"""(tag id, source time in ns, value)"""


def doubles(tags: Sequence[int], values: Sequence[float], times: Sequence[int]) -> bytes:
    """The body of a DataChangeNotification of Doubles with source timestamps (ns, cut to 100 ns)."""
    rows = np.zeros(len(tags), _ROW)
    rows["handle"], rows["mask"], rows["type"] = tags, 0x05, DataType.DOUBLE
    rows["value"], rows["time"] = values, np.asarray(times, np.int64) // 100 + _EPOCH_TICKS
    return struct.pack("<i", len(rows)) + rows.tobytes() + struct.pack("<i", -1)


def draft(
    *values: float, tag: int = 1, source: str = "plant", historical: bool = False, received: int | None = None
) -> Draft:
    """Values of one tag; the value says when: at 2020-01-01 plus so many seconds."""
    body = doubles([tag] * len(values), values, [moment(value) for value in values])
    return Draft(Kind.DATA, source, body, len(values), historical, time_ns() if received is None else received)


def moment(value: float) -> int:
    return 1_577_836_800_000_000_000 + int(value) * 1_000_000_000


def values(batches: Iterable[Batch]) -> list[float]:
    """All numbers in the order of arrival."""
    return [float(value) for batch in batches for column in batch.columns for value in column.value]


def seen(batches: Iterable[Batch]) -> list[Seen]:
    """All numbers with tag and time, in the order of arrival."""
    return [
        (int(tag), int(time), float(value))
        for batch in batches
        for column in batch.columns
        if not column.value.dtype.hasobject
        for tag, time, value in zip(column.tag, column.time, column.value, strict=True)
    ]


def tag(tag_id: int = 0, name: str = "", source: str = "plant", data_type: DataType = DataType.DOUBLE) -> Tag:
    """A tag of a conche; its node follows from the name."""
    name = name or f"Tag{tag_id}"
    path = ("Machines", "Line1", "Components", "Conching", "Process", name)
    return Tag(tag_id, source, f"nsu=urn:test;s={name}", path, data_type)
