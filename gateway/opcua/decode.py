"""Columns from the bytes of a DataChangeNotification: by NumPy in place where they are all alike, else by scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.datatypes import DataTypes
from gateway.opcua.layout import NOTIFICATION_HEAD, row_of, text_rows, uniform
from gateway.opcua.places import SPECIAL, Places, places
from gateway.opcua.variant import EPOCH_TICKS, MAX_TICKS, MIN_TICKS
from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

_SPAN = MAX_TICKS - EPOCH_TICKS
_SMALLEST = NOTIFICATION_HEAD + 1  # bytes of the smallest item: a handle and an empty mask
_STANDARD = DataTypes()  # where nothing is known of the server's own
_HANDLE = np.dtype([("handle", "<u4")])


@dataclass(frozen=True, slots=True)
class Part:
    """Values of one NumPy type within one notification; all arrays have the same length, `index` rises.

    DateTime values are int64 Unix nanoseconds (the tag's data_type tells them from numbers). A value that the server
    left out, as it does when its status is bad, stands in the column of objects as None.
    """

    index: NDArray[np.int64]  # place within the notification
    tag: NDArray[np.int32]  # the client handle
    value: NDArray[Any]
    status: NDArray[np.uint32]
    time: NDArray[np.int64]  # source timestamp, else the server's, else `received`


def announced(body: bytes | memoryview) -> int:
    """How many values a body says it has, as far as so many can be there at all."""
    n = int.from_bytes(body[:4], "little", signed=True)
    return max(0, min(n, (len(body) - 4) // _SMALLEST))


def decode_data(body: bytes | memoryview, received: int, types: Structures | None = None) -> tuple[Part, ...]:
    """One part a NumPy type. Never raises: a value that means nothing has status BadDecodingError.

    `types` knows the structures of the server; without it those of its own stay {"typeId", "body": base64}.

    Where the bytes end too early, what cannot be found is left out: fewer values come out than were announced.
    """
    data = bytes(body)
    n = announced(data)
    if not n:
        return ()
    rows = uniform(data, n)
    if rows is not None:
        return (_part(_places(n), rows, received),)
    return _mixed(data, n, received, types or _STANDARD)


@lru_cache(maxsize=64)
def _places(n: int) -> NDArray[np.int64]:
    places = np.arange(n, dtype=np.int64)
    places.flags.writeable = False
    return places


def _part(index: NDArray[np.int64], rows: NDArray[np.void], received: int) -> Part:
    """Rows of one shape as columns."""
    return Part(index, rows["handle"].astype(np.int32), _values(rows), _statuses(rows), _times(rows, received))


def _values(rows: NDArray[np.void]) -> NDArray[Any]:
    if "value" not in (rows.dtype.names or ()):
        return np.full(len(rows), None, object)
    value: NDArray[Any] = rows["value"].copy()
    code = int(rows["shape"][0]) >> 8
    if code == DataType.BOOLEAN:
        return value.astype(np.bool_)
    return nanoseconds(value) if code == DataType.DATETIME else value


def _statuses(rows: NDArray[np.void]) -> NDArray[np.uint32]:
    if "status" not in (rows.dtype.names or ()):
        return np.zeros(len(rows), np.uint32)
    return rows["status"].astype(np.uint32)


def _times(rows: NDArray[np.void], received: int) -> NDArray[np.int64]:
    """The best timestamp of each row. A timestamp of 0 means that there is none."""
    names = rows.dtype.names or ()
    if "source" in names and (plain := _plain_nanoseconds(rows["source"])) is not None:
        return plain
    time = np.full(len(rows), received, np.int64)
    for name in ("server", "source"):
        if name in names:
            time = np.where(rows[name] > 0, nanoseconds(rows[name]), time)
    return time


def nanoseconds(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Unix nanoseconds of OPC UA DateTimes, kept within int64 (years 1677 to 2262)."""
    plain = _plain_nanoseconds(ticks)
    return plain if plain is not None else (np.clip(ticks, MIN_TICKS, MAX_TICKS) - np.int64(EPOCH_TICKS)) * 100


def _plain_nanoseconds(ticks: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """The same where all are in the years 1970 to 2262, as they usually are, and so none is missing; else None."""
    moved = ticks - np.int64(EPOCH_TICKS)
    if moved.view(np.uint64).max() > _SPAN:  # what is negative is very large then
        return None
    moved *= 100
    return moved


def _mixed(data: bytes, n: int, received: int, types: Structures) -> tuple[Part, ...]:
    """The parts of a body whose values differ in shape."""
    found = places(data, n, types)
    return _joined(_alike(data, shape, index, found, received) for shape, index in found.groups)


def _alike(data: bytes, shape: int, index: NDArray[np.int64], found: Places, received: int) -> Part:
    """The part of the values of one shape."""
    starts = found.starts[index]
    if shape == SPECIAL:
        handles = _gather(data, _HANDLE, starts)["handle"].astype(np.int32)
        return _objects(index, handles, [found.special[i] for i in index.tolist()], received)
    if text := text_rows(shape):
        return _texts(data, *text, index, starts, received)
    layout = row_of(shape)
    assert layout is not None, "what has no layout is special or a text"
    return _part(index, _gather(data, layout, starts), received)


def _gather(data: bytes, layout: np.dtype[np.void], starts: NDArray[np.int64]) -> NDArray[np.void]:
    """The rows of this layout that begin at these bytes; bytes that mean nothing yet are copied eight times faster."""
    size = layout.itemsize
    windows = np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))
    return windows[starts].view(layout) if size else np.empty(len(starts), layout)


def _texts(
    data: bytes,
    before: np.dtype[np.void],
    behind: np.dtype[np.void],
    index: NDArray[np.int64],
    starts: NDArray[np.int64],
    received: int,
) -> Part:
    """The part of texts of one shape; what is not UTF-8 is shown as �."""
    heads = _gather(data, before, starts)
    begins = starts + before.itemsize
    ends = begins + np.maximum(heads["length"], 0)
    raw = map(data.__getitem__, map(slice, begins.tolist(), ends.tolist()))
    value = np.empty(len(index), object)
    value[:] = list(map(str, raw, repeat("utf-8"), repeat("replace")))
    value[heads["length"] < 0] = None
    tails = _gather(data, behind, ends)
    return Part(index, heads["handle"].astype(np.int32), value, _statuses(tails), _times(tails, received))


def _objects(
    index: NDArray[np.int64], handles: NDArray[np.int32], found: list[tuple[Any, int, int | None]], received: int
) -> Part:
    """The part of what was decoded value by value."""
    value = np.empty(len(found), object)
    value[:] = [one for one, _, _ in found]
    status = np.array([status for _, status, _ in found], np.uint32)
    return Part(index, handles, value, status, np.array([received if t is None else t for _, _, t in found], np.int64))


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """One part a NumPy type, its values in the order of the notification."""
    alike: dict[str, list[Part]] = {}
    for part in parts:
        alike.setdefault(part.value.dtype.str, []).append(part)
    return tuple(_merged(group) if len(group) > 1 else group[0] for group in alike.values())


def _merged(parts: list[Part]) -> Part:
    order = np.argsort(np.concatenate([part.index for part in parts]))
    return Part(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in Part.__slots__))
