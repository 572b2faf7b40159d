"""Columns from the bytes of a DataChangeNotification: by NumPy in place where they are all alike, else by scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.layout import HAS_VALUE, NOTIFICATION_HEAD, Scan, row_of, scan, uniform
from gateway.opcua.variant import EPOCH_TICKS, MAX_TICKS, MIN_TICKS, Malformed, Reader, data_value
from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

_SPAN = MAX_TICKS - EPOCH_TICKS
_SPECIAL = 0xFFFF_FFFF
_MOST_PLANS = 64
_SMALLEST = NOTIFICATION_HEAD + 1  # bytes of the smallest item: a handle and an empty mask


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

    `types` knows the structures of the server; without it they stay {"typeId", "body": base64}.

    Where the bytes end too early, what cannot be found is left out: fewer values come out than were announced.
    """
    data = bytes(body)
    n = announced(data)
    rows = uniform(data, n)
    if rows is not None:
        return (_part(_places(n), rows, received),)
    return _mixed(data, n, received, types)


@lru_cache(maxsize=64)
def _places(n: int) -> NDArray[np.int64]:
    places = np.arange(n, dtype=np.int64)
    places.flags.writeable = False
    return places


def _part(index: NDArray[np.int64], rows: NDArray[np.void], received: int) -> Part:
    """Rows of one shape as columns."""
    names = rows.dtype.names or ()
    status = rows["status"].astype(np.uint32) if "status" in names else np.zeros(len(rows), np.uint32)
    return Part(index, rows["handle"].astype(np.int32), _values(rows), status, _times(rows, received))


def _values(rows: NDArray[np.void]) -> NDArray[Any]:
    if "value" not in (rows.dtype.names or ()):
        return np.full(len(rows), None, object)
    value: NDArray[Any] = rows["value"].copy()
    code = int(rows["shape"][0]) >> 8
    if code == DataType.BOOLEAN:
        return value.astype(np.bool_)
    return nanoseconds(value) if code == DataType.DATETIME else value


def _times(rows: NDArray[np.void], received: int) -> NDArray[np.int64]:
    """The best timestamp of each row. A timestamp of 0 means that there is none."""
    time = np.full(len(rows), received, np.int64)
    for name in ("server", "source"):
        if name in (rows.dtype.names or ()):
            ticks = rows[name]
            time = nanoseconds(ticks) if ticks.min() > 0 else np.where(ticks > 0, nanoseconds(ticks), time)
    return time


def nanoseconds(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Unix nanoseconds of OPC UA DateTimes, kept within int64 (years 1677 to 2262)."""
    moved = ticks - np.int64(EPOCH_TICKS)
    if moved.max() > _SPAN or moved.min() < -_SPAN:
        moved = np.clip(ticks, MIN_TICKS, MAX_TICKS) - np.int64(EPOCH_TICKS)
    moved *= 100
    return moved


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a mixed body has where; most bodies carry the same tags as one before, only their texts differ in length."""

    shapes: NDArray[np.uint32]
    fixed: NDArray[np.int64]  # bytes of the values of fixed size before each value
    special: list[int]  # places of the others
    passed: NDArray[np.int64]  # how many of those are before each value
    groups: tuple[tuple[int, NDArray[np.int64]], ...]  # shape, places


_PLANS: dict[tuple[int, bytes], _Plan] = {}


def _mixed(data: bytes, n: int, received: int, types: Structures | None) -> tuple[Part, ...]:
    """The parts of a body whose values differ in shape."""
    key = n, data[4 : 4 + NOTIFICATION_HEAD]
    plan = _PLANS.get(key)
    found = _found_again(data, plan, types) if plan is not None else None
    if plan is None or found is None:
        found = scan(data, n, types=types)
        plan = _planned(data, found)
        if found.complete:
            _remember(key, plan)
    starts = found.offsets
    return _joined(
        _objects(data, index, found, received)
        if shape == _SPECIAL
        else _part(index, _gather(data, shape, starts[index]), received)
        for shape, index in plan.groups
    )


def _remember(key: tuple[int, bytes], plan: _Plan) -> None:
    if len(_PLANS) >= _MOST_PLANS:
        _PLANS.clear()
    _PLANS[key] = plan


def _planned(data: bytes, found: Scan) -> _Plan:
    shapes = _shapes(data, found.offsets[:-1])
    special = sorted(found.special)
    shapes[special] = _SPECIAL
    is_special = shapes == _SPECIAL
    sizes = np.where(is_special, 0, np.diff(found.offsets))
    groups = tuple((shape, np.flatnonzero(shapes == shape)) for shape in np.unique(shapes).tolist())
    return _Plan(shapes, _running(sizes), special, _running(is_special), groups)


def _running(counts: NDArray[Any]) -> NDArray[np.int64]:
    """The sum of what is before each place, and of all."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _found_again(data: bytes, plan: _Plan, types: Structures | None) -> Scan | None:
    """The values where the plan has them, what varies in size decoded on the way; None where they are not there."""
    special: dict[int, tuple[Any, int, int | None]] = {}
    ends = [0]  # bytes of what varies in size
    try:
        for place in plan.special:
            pos = 4 + int(plan.fixed[place]) + ends[-1] + NOTIFICATION_HEAD
            reader = Reader(data, pos, types)
            special[place] = data_value(reader)
            ends.append(ends[-1] + NOTIFICATION_HEAD + reader.pos - pos)
    except (IndexError, Malformed):
        return None
    offsets = 4 + plan.fixed + np.array(ends)[plan.passed]
    if offsets[-1] > len(data):
        return None
    shapes = _shapes(data, offsets[:-1])
    fits = (shapes == plan.shapes) | ((plan.shapes == _SPECIAL) & _varies(shapes))
    return Scan(offsets, special) if fits.all() else None


def _varies(shapes: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Whether values of these shapes vary in size."""
    kinds = np.unique(shapes)
    varying = np.array([row_of(int(kind)) is None for kind in kinds], np.bool_)
    return varying[np.searchsorted(kinds, shapes)]


def _shapes(data: bytes, starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Mask and type byte of each value as one number."""
    raw = np.frombuffer(data, np.uint8)
    place = starts + NOTIFICATION_HEAD
    mask = raw[np.minimum(place, len(raw) - 1)].astype(np.uint32)  # the last value may be cut off
    code = raw[np.minimum(place + 1, len(raw) - 1)].astype(np.uint32)
    return mask | (code << 8) * (mask & HAS_VALUE)


def _gather(data: bytes, shape: int, starts: NDArray[np.int64]) -> NDArray[np.void]:
    """The rows of this shape that begin at these bytes."""
    layout = row_of(shape)
    assert layout is not None, "the scan decodes what has no layout"
    windows = np.ndarray((len(data) - layout.itemsize + 1,), layout, data, strides=(1,))
    return windows[starts]


def _objects(data: bytes, index: NDArray[np.int64], found: Scan, received: int) -> Part:
    """The part of what is no number."""
    special = [found.special[i] for i in index.tolist()]
    value = np.empty(len(special), object)
    value[:] = [one for one, _, _ in special]
    handles = np.ndarray((len(data) - 3,), "<u4", data, strides=(1,))
    return Part(
        index,
        handles[found.offsets[index]].astype(np.int32),
        value,
        np.array([status for _, status, _ in special], np.uint32),
        np.array([received if time is None else time for _, _, time in special], np.int64),
    )


def _joined(parts: Iterable[Part]) -> tuple[Part, ...]:
    """One part a NumPy type, its values in the order of the notification."""
    alike: dict[str, list[Part]] = {}
    for part in parts:
        alike.setdefault(part.value.dtype.str, []).append(part)
    return tuple(_merged(group) if len(group) > 1 else group[0] for group in alike.values())


def _merged(parts: list[Part]) -> Part:
    order = np.argsort(np.concatenate([part.index for part in parts]))
    return Part(*(np.concatenate([getattr(part, name) for part in parts])[order] for name in Part.__slots__))
