"""Samples of one tag in few bytes: times and numbers as differences, bytes shuffled, then zlib.

A block can be read without anything else, and decode(encode(samples)) gives the samples back bit for bit.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from enum import IntEnum
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.history.samples import Samples

_VERSION = 1
_LEVEL = 6
_HEAD = struct.Struct("<BBBBI")  # version, type, form, decimals, how many samples
_STEPS = struct.Struct("<qqQB")  # first, smallest difference, unit of the differences, bytes of each
_TYPES = "?bhiqBHIQfdO"
_CODES = {np.dtype(char): code for code, char in enumerate(_TYPES)}
_DECIMALS = range(7)
_PROBE = 16
_EXACT = float(1 << 53)


class _Form(IntEnum):
    PLAIN = 0  # as they are
    STEPS = 1  # integers as differences
    DECIMAL = 2  # floats that are an integer / 10^decimals exactly, as differences
    JSON = 3  # objects


def encode(samples: Samples) -> bytes:
    """The samples, at least one, as a block."""
    form, decimals, values = _pack_values(samples.value)
    head = _HEAD.pack(_VERSION, _CODES[samples.value.dtype], form, decimals, len(samples))
    return head + zlib.compress(b"".join((_pack(samples.time), _pack_status(samples.status), values)), _LEVEL)


def decode(block: bytes) -> Samples:
    """The samples of a block. ValueError if it is none."""
    try:
        version, code, form, decimals, n = _HEAD.unpack_from(block)
        if version != _VERSION:
            raise ValueError(f"a block of version {version}")
        body = memoryview(zlib.decompress(memoryview(block)[_HEAD.size :]))
        time, body = _unpack(body, n)
        status, body = _unpack_status(body, n)
        return Samples(time, _unpack_values(body, n, np.dtype(_TYPES[code]), _Form(form), decimals), status)
    except (struct.error, zlib.error, IndexError) as error:
        raise ValueError(f"not a block of samples: {error}") from error


def as_json(value: NDArray[Any]) -> bytes:
    """Objects as a JSON array; bytes become base64 text, NaN null."""
    return orjson.dumps(value.tolist(), default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def from_json(text: bytes | memoryview, n: int) -> NDArray[Any]:
    """The n objects of as_json(). ValueError if these are others."""
    return np.fromiter(orjson.loads(text), object, n)


def _pack_values(value: NDArray[Any]) -> tuple[_Form, int, bytes]:
    match value.dtype.kind:
        case "O":
            return _Form.JSON, 0, as_json(value)
        case "f":
            for decimals in _DECIMALS:
                if (whole := _whole(value, decimals)) is not None:
                    return _Form.DECIMAL, decimals, _pack(whole)
            return _Form.PLAIN, 0, _shuffle(value)
        case _:
            return _Form.STEPS, 0, _pack(value.astype(np.int64))


def _unpack_values(body: memoryview, n: int, dtype: np.dtype[Any], form: _Form, decimals: int) -> NDArray[Any]:
    match form:
        case _Form.JSON:
            return from_json(body, n)
        case _Form.PLAIN:
            return _unshuffle(body, n, dtype)
        case _Form.DECIMAL:
            return (_unpack(body, n)[0] / 10.0**decimals).astype(dtype)
        case _Form.STEPS:
            return _unpack(body, n)[0].astype(dtype)


def _whole(value: NDArray[Any], decimals: int) -> NDArray[np.int64] | None:
    """The integers that divided by 10^decimals give exactly these floats; None if there are none."""
    whole = np.empty(0, np.int64)
    for some in (value[:_PROBE], value):
        with np.errstate(all="ignore"):
            scaled = np.rint(some.astype(np.float64) * 10.0**decimals)
            whole = scaled.astype(np.int64)
            back = (whole / 10.0**decimals).astype(value.dtype)
        if not (np.abs(scaled) < _EXACT).all() or back.tobytes() != some.tobytes():
            return None
    return whole


def _pack(numbers: NDArray[np.int64]) -> bytes:
    """Integers as differences less the smallest one, in their greatest common unit. Arithmetic is modulo 2^64."""
    steps = np.diff(numbers)
    least = steps.min() if len(steps) else np.int64(0)
    rest = (steps - least).view(np.uint64)
    unit = np.gcd.reduce(rest) if len(rest) else np.uint64(0)
    unit = max(unit, np.uint64(1))
    rest = rest // unit
    width = _width(int(rest.max())) if len(rest) else 1
    head = _STEPS.pack(int(numbers[0]), int(least), int(unit), width)
    return head + _shuffle(rest.astype(f"<u{width}"))


def _unpack(body: memoryview, n: int) -> tuple[NDArray[np.int64], memoryview]:
    """The integers, and what comes after them."""
    first, least, unit, width = _STEPS.unpack_from(body)
    end = _STEPS.size + width * (n - 1)
    steps = _unshuffle(body[_STEPS.size : end], n - 1, np.dtype(f"<u{width}")).astype(np.uint64) * np.uint64(unit)
    numbers = np.empty(n, np.int64)
    numbers[0] = first
    numbers[1:] = steps.view(np.int64) + np.int64(least)
    return np.cumsum(numbers), body[end:]


def _pack_status(status: NDArray[np.uint32]) -> bytes:
    """One status for all, or all of them."""
    if (status == status[0]).all():
        return b"\1" + int(status[0]).to_bytes(4, "little")
    return b"\0" + _shuffle(status)


def _unpack_status(body: memoryview, n: int) -> tuple[NDArray[np.uint32], memoryview]:
    if body[0]:
        return np.full(n, int.from_bytes(body[1:5], "little"), np.uint32), body[5:]
    return _unshuffle(body[1 : 1 + 4 * n], n, np.dtype("<u4")), body[1 + 4 * n :]


def _shuffle(values: NDArray[Any]) -> bytes:
    """First bytes of all values, then second bytes, …: slow signals become runs."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.itemsize).T.tobytes()


def _unshuffle(body: memoryview, n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    if len(body) != n * dtype.itemsize:
        raise ValueError("a block that is too short")
    planes = np.frombuffer(body, np.uint8).reshape(dtype.itemsize, n)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)


def _width(greatest: int) -> int:
    return next(width for width in (1, 2, 4, 8) if greatest < 1 << 8 * width)


def _plain(value: object) -> object:
    """What JSON does not know: bytes become base64 text."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} cannot be kept in the history")
