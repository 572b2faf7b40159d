"""Where the values of a mixed body are: found by a scan, and known without one in bodies that lie as one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.layout import HAS_VALUE, NOTIFICATION_HEAD, Scan, text_rows
from gateway.opcua.leaps import find

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

SPECIAL = 0xFFFF_FFFF
"""In place of the shape of a value that is neither of fixed size nor a text."""

_MOST_ORDERS = 32
_LENGTH = NOTIFICATION_HEAD + 2  # bytes before the length of a text


@dataclass(frozen=True, slots=True)
class Order:
    """What a body has where; the next one may be the same in all but values."""

    offsets: NDArray[np.int64]
    shapes: NDArray[np.uint32]
    texts: NDArray[np.int64]  # the places of texts
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
    known = _ORDERS.get(key)
    if known is not None and _lies_as(data, known):
        return Places(known.offsets, known.groups)
    found = find(data, n, types)
    order = _ordered(data, found)
    if found.complete and not found.special:
        _remember(key, order)
    return Places(found.offsets, order.groups, found.special)


def _remember(key: tuple[int, bytes], order: Order) -> None:
    if len(_ORDERS) >= _MOST_ORDERS and key not in _ORDERS:
        _ORDERS.clear()
    _ORDERS[key] = order


def _ordered(data: bytes, found: Scan) -> Order:
    shapes = _shapes(data, found.offsets[:-1])
    shapes[list(found.special)] = SPECIAL
    groups = tuple((shape, np.flatnonzero(shapes == shape)) for shape in np.unique(shapes).tolist())
    texts = np.concatenate([np.empty(0, np.int64), *(places for shape, places in groups if text_rows(shape))])
    return Order(found.offsets, shapes, texts, _lengths(data, found.offsets[texts]), groups)


def _lies_as(data: bytes, order: Order) -> bool:
    """Whether all values begin where they did: they are of the same shapes, and their texts have the same lengths."""
    return bool(
        order.offsets[-1] <= len(data)
        and (_shapes(data, order.offsets[:-1]) == order.shapes).all()
        and (_lengths(data, order.offsets[order.texts]) == order.lengths).all()
    )


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
