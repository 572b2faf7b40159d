"""How DataValues lie in a body: row types for what has a fixed size, and where the values of a mixed body begin."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.variant import BAD_DECODING_ERROR, Malformed, Reader, data_value
from gateway.values import DataType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

HAS_VALUE, HAS_STATUS, HAS_SOURCE, HAS_SERVER, HAS_SOURCE_PICO, HAS_SERVER_PICO = (1 << bit for bit in range(6))
"""The encoding mask of a DataValue (OPC 10000-6, 5.2.2.17). Reserved bits are ignored."""

NOTIFICATION_HEAD = 4
"""Bytes before each DataValue of a DataChangeNotification: the client handle."""

VALUES = {
    DataType.BOOLEAN: "u1",
    DataType.SBYTE: "i1",
    DataType.BYTE: "u1",
    DataType.INT16: "<i2",
    DataType.UINT16: "<u2",
    DataType.INT32: "<i4",
    DataType.UINT32: "<u4",
    DataType.INT64: "<i8",
    DataType.UINT64: "<u8",
    DataType.FLOAT: "<f4",
    DataType.DOUBLE: "<f8",
    DataType.DATETIME: "<i8",
    DataType.STATUSCODE: "<u4",
}
"""Built-in types that always take the same number of bytes, as they lie on the wire."""

TEXTS = (DataType.STRING, DataType.XMLELEMENT)
"""Built-in types that are a length and so many bytes of UTF-8."""

_MASKS = 64
_TAIL = (
    (HAS_STATUS, "status", "<u4"),
    (HAS_SOURCE, "source", "<i8"),
    (HAS_SOURCE_PICO, "source_pico", "<u2"),
    (HAS_SERVER, "server", "<i8"),
    (HAS_SERVER_PICO, "server_pico", "<u2"),
)


@cache
def row(mask: int, code: int, head: int = NOTIFICATION_HEAD) -> np.dtype[np.void] | None:
    """The NumPy type of one value with this encoding mask and type byte; None where its size varies.

    Fields: handle (if head); shape (mask | type << 8 and then value; the mask alone where there is no value); status,
    source, server as far as the mask has them.
    """
    handle = [("handle", "<u4")] if head else []
    if not mask & HAS_VALUE:
        return np.dtype([*handle, ("shape", "u1"), *_tail(mask)])
    value = VALUES.get(DataType(code)) if code <= max(DataType) else None
    return np.dtype([*handle, ("shape", "<u2"), ("value", value), *_tail(mask)]) if value else None


def _tail(mask: int) -> list[tuple[str, str]]:
    return [(name, form) for bit, name, form in _TAIL if mask & bit]


@cache
def text_rows(shape: int) -> tuple[np.dtype[np.void], np.dtype[np.void]] | None:
    """The NumPy types of what is before the bytes of a text with this mask and type byte, and of what is behind them.

    Fields: handle, shape, length; status, source, server as far as the mask has them. None where it is no text.
    """
    mask, code = shape & (_MASKS - 1), shape >> 8
    if not mask & HAS_VALUE or code not in TEXTS:
        return None
    return np.dtype([("handle", "<u4"), ("shape", "<u2"), ("length", "<i4")]), np.dtype(_tail(mask))


def _size(mask: int, code: int) -> int:
    """Bytes of a DataValue; of a text, those that are not its own, negative; 0 where they vary otherwise."""
    fixed = row(mask & (_MASKS - 1), code if mask & HAS_VALUE else 0, 0)
    if fixed:
        return fixed.itemsize
    text = text_rows(mask | code << 8)
    return NOTIFICATION_HEAD - text[0].itemsize - text[1].itemsize if text else 0


@cache
def _sizes() -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(_size(mask, code) for code in range(256)) for mask in range(256))


@cache
def sizes() -> NDArray[np.int64]:
    """Bytes of a DataValue by mask and type byte; of a text, those not its own, negative; 0 where they vary else."""
    return np.array(_sizes(), np.int64)


def measured(body: bytes, pos: int, types: Structures | None) -> tuple[int, tuple[Any, int, int | None] | None]:
    """Bytes of the DataValue that begins here, and what it holds if that had to be decoded to measure it.

    Raises IndexError or Malformed where it is not all there.
    """
    size = _sizes()[body[pos]][body[pos + 1]]
    if size > 0:
        return size, None
    if size < 0:
        return measured_text(body, pos), None
    reader = Reader(body, pos, types)
    value = data_value(reader)
    return reader.pos - pos, value


def measured_text(body: bytes, pos: int) -> int:
    """Bytes of the DataValue that begins here and is a text. Raises Malformed where they are not all there."""
    beside = -_sizes()[body[pos]][body[pos + 1]]
    size = beside + max(int.from_bytes(body[pos + 2 : pos + 6], "little", signed=True), 0)
    if beside <= 0 or pos + size > len(body):
        raise Malformed(f"no text of {size} bytes at byte {pos}")
    return size


def row_of(shape: int, head: int = NOTIFICATION_HEAD) -> np.dtype[np.void] | None:
    """The NumPy type of a value that begins with this mask and type byte (mask | type << 8)."""
    mask = shape & (_MASKS - 1)
    return row(mask, shape >> 8 if mask & HAS_VALUE else 0, head)


@dataclass(slots=True)
class Scan:
    """Where the values of a body are. `offsets` has one more entry than there are values: the end of the last."""

    offsets: NDArray[np.int64]
    special: dict[int, tuple[Any, int, int | None]] = field(default_factory=dict)  # index -> value, status, time
    complete: bool = True

    def __len__(self) -> int:
        return len(self.offsets) - 1


def uniform(body: bytes, n: int, head: int = NOTIFICATION_HEAD) -> NDArray[np.void] | None:
    """The n values after the count as rows, without a copy; None unless all have the same mask and fixed-size type."""
    if not n or len(body) < 4 + head + 2:
        return None
    layout = row_of(body[4 + head] | body[5 + head] << 8, head)
    if layout is None or 4 + n * layout.itemsize > len(body):
        return None
    rows = np.frombuffer(body, layout, n, 4)
    shapes = rows["shape"].tobytes()
    return rows if shapes == shapes[: len(shapes) // n] * n else None


def scan(body: bytes, n: int, head: int = NOTIFICATION_HEAD, types: Structures | None = None) -> Scan:
    """Find the n values after the count; what is neither of fixed size nor a text is decoded on the way.

    Never raises: see `complete`.
    """
    sizes, lengths = _sizes(), array("q", bytes(8 * n))
    special: dict[int, tuple[Any, int, int | None]] = {}
    done, pos = 0, 4 + head
    try:
        for done in range(n):
            size = sizes[body[pos]][body[pos + 1]]
            if size < 0:
                size = measured_text(body, pos)
            elif not size:
                reader = Reader(body, pos, types)
                special[done] = data_value(reader)
                size = reader.pos - pos
            lengths[done] = size
            pos += size + head
    except (IndexError, Malformed):
        return cut(body, _offsets(lengths[:done], head), special, at=pos)
    return cut(body, _offsets(lengths, head), special, at=None)


def _offsets(lengths: array[int], head: int) -> NDArray[np.int64]:
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(np.frombuffer(lengths, np.int64) + head, out=offsets[1:])
    return offsets + 4


def cut(
    body: bytes, offsets: NDArray[np.int64], special: dict[int, tuple[Any, int, int | None]], at: int | None
) -> Scan:
    """The scan of what is whole. The value that could not be measured, if its handle is there, is one bad value."""
    found = len(offsets) - 1
    whole = int(np.searchsorted(offsets, len(body), side="right")) - 1
    if whole == found and at is not None and at <= len(body):
        special[whole] = (None, BAD_DECODING_ERROR, None)
        offsets, whole = np.append(offsets, len(body)), whole + 1
    return Scan(offsets[: whole + 1], special, complete=at is None and whole == found)
