"""Where the values of a mixed body are: found by a scan, and found again without one in bodies that repeat an order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.layout import HAS_VALUE, NOTIFICATION_HEAD, Scan, measured_text, row_of, scan, text_rows
from gateway.opcua.variant import Malformed, Reader, data_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

SPECIAL = 0xFFFF_FFFF
"""In place of the shape of a value that is neither of fixed size nor a text."""

_MOST_ORDERS = 64
_LENGTH = NOTIFICATION_HEAD + 2  # bytes before the length of a text


@dataclass(frozen=True, slots=True)
class Order:
    """What a body has where; most bodies carry the same tags as one before, only their texts differ in length."""

    shapes: NDArray[np.uint32]
    fixed: NDArray[np.int64]  # bytes of the values of fixed size before each value
    passed: NDArray[np.int64]  # how many values of other sizes are before each value
    varying: list[int]  # the places of those
    texts: NDArray[np.int64]  # the texts among them
    offsets: NDArray[np.int64]  # where the values were last
    lengths: NDArray[np.int32]  # of the texts
    groups: tuple[tuple[int, NDArray[np.int64]], ...]  # shape, places


@dataclass(frozen=True, slots=True)
class Places:
    """The values of one body: where each begins, which are alike, and what was decoded already."""

    starts: NDArray[np.int64]
    groups: tuple[tuple[int, NDArray[np.int64]], ...]  # shape, places
    special: dict[int, tuple[Any, int, int | None]] = field(default_factory=dict)  # place -> value, status, time


_ORDERS: dict[tuple[int, bytes], Order] = {}


def places(data: bytes, n: int, types: Structures | None) -> Places:
    """The places of the n values after the count, as far as they are there."""
    key = n, data[4 : 4 + NOTIFICATION_HEAD]
    order = _ORDERS.get(key)
    found = _found_again(data, order, types) if order is not None else None
    if order is None or found is None:
        found = scan(data, n, types=types)
        order = _ordered(data, found)
        if found.complete:
            _remember(key, order)
    elif found.offsets is not order.offsets:
        _remember(key, replace(order, offsets=found.offsets, lengths=_lengths(data, found.offsets[order.texts])))
    return Places(found.offsets, order.groups, found.special)


def _remember(key: tuple[int, bytes], order: Order) -> None:
    if len(_ORDERS) >= _MOST_ORDERS and key not in _ORDERS:
        _ORDERS.clear()
    _ORDERS[key] = order


def _ordered(data: bytes, found: Scan) -> Order:
    shapes = _shapes(data, found.offsets[:-1])
    shapes[list(found.special)] = SPECIAL
    kinds = np.unique(shapes)
    groups = tuple((shape, np.flatnonzero(shapes == shape)) for shape in kinds.tolist())
    is_text = _of_kind(shapes, [shape for shape in kinds.tolist() if text_rows(shape)])
    varies = is_text | (shapes == SPECIAL)
    texts = np.flatnonzero(is_text)
    return Order(
        shapes,
        _running(np.where(varies, 0, np.diff(found.offsets))),
        _running(varies),
        np.flatnonzero(varies).tolist(),
        texts,
        found.offsets,
        _lengths(data, found.offsets[texts]),
        groups,
    )


def _of_kind(shapes: NDArray[np.uint32], kinds: list[int]) -> NDArray[np.bool_]:
    return np.isin(shapes, np.array(kinds, np.uint32))


def _running(counts: NDArray[Any]) -> NDArray[np.int64]:
    """The sum of what is before each place, and of all."""
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])


def _found_again(data: bytes, order: Order, types: Structures | None) -> Scan | None:
    """The values where the order has them, what varies in size measured on the way; None where they are not there."""
    found = Scan(order.offsets) if _is_as_before(data, order) else _walked(data, order, types)
    if found is None or found.offsets[-1] > len(data):
        return None
    shapes = _shapes(data, found.offsets[:-1])
    differs = shapes != order.shapes
    if found.special:
        differs &= (order.shapes != SPECIAL) | _of_kind(shapes, [s for s in np.unique(shapes).tolist() if row_of(s)])
    return None if differs.any() else found


def _is_as_before(data: bytes, order: Order) -> bool:
    """Whether all values may begin where they did: their texts have the same lengths."""
    if len(order.texts) < len(order.varying) or order.offsets[-1] > len(data):
        return False
    return bool((_lengths(data, order.offsets[order.texts]) == order.lengths).all())


def _walked(data: bytes, order: Order, types: Structures | None) -> Scan | None:
    """From one value that varies in size to the next."""
    special: dict[int, tuple[Any, int, int | None]] = {}
    ends = [0]  # bytes of what varies in size
    is_special = (order.shapes[order.varying] == SPECIAL).tolist()
    befores = order.fixed[order.varying].tolist()
    try:
        for place, before, decode in zip(order.varying, befores, is_special, strict=True):
            pos = 4 + before + ends[-1] + NOTIFICATION_HEAD
            if decode:
                reader = Reader(data, pos, types)
                special[place] = data_value(reader)
                size = reader.pos - pos
            else:
                size = measured_text(data, pos)
            ends.append(ends[-1] + NOTIFICATION_HEAD + size)
    except (IndexError, Malformed):
        return None
    return Scan(4 + order.fixed + np.array(ends)[order.passed], special)


def _shapes(data: bytes, starts: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Mask and type byte of each value as one number."""
    raw = np.frombuffer(data, np.uint8)
    place = starts + NOTIFICATION_HEAD
    mask = raw[np.minimum(place, len(raw) - 1)].astype(np.uint32)  # the last value may be cut off
    code = raw[np.minimum(place + 1, len(raw) - 1)].astype(np.uint32)
    return mask | (code << 8) * (mask & HAS_VALUE)


def _lengths(data: bytes, starts: NDArray[np.int64]) -> NDArray[np.int32]:
    """The lengths of the texts that begin here."""
    return np.ndarray((len(data) - 3,), "<i4", data, strides=(1,))[starts + _LENGTH]
