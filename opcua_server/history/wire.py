"""Samples as the HistoryData of OPC UA (OPC 10000-6, 5.2.2.17 and 10000-11, 6.6.2), encoded a column at a time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from asyncua import ua
from numpy.typing import NDArray

from opcua_server.history.samples import Kind, Samples
from opcua_server.uatypes import standard

_T = ua.VariantType
_EPOCH = 116_444_736_000_000_000
"""1970-01-01 in OPC UA's ticks of 100 ns since 1601."""
_HAS_VALUE, _HAS_STATUS, _HAS_SOURCE_TIME = 1, 2, 4
_BAD = 0x8000_0000
HISTORY_DATA = standard(ua.ObjectIds.HistoryData_Encoding_DefaultBinary)

_NATIVE = {
    _T.Boolean: "u1",
    _T.UInt16: "<u2",
    _T.UInt32: "<u4",
    _T.UInt64: "<u8",
    _T.Int32: "<i4",
    _T.Double: "<f8",
    _T.DateTime: "<i8",
}


def kind_of(type_: _T) -> Kind:
    """How values of a type are kept."""
    return {_T.Double: Kind.FLOAT, _T.String: Kind.TEXT}.get(type_, Kind.INTEGER)


def ticks(time: NDArray[np.int64]) -> NDArray[np.int64]:
    """OPC UA's DateTime of Unix nanoseconds."""
    return time // 100 + _EPOCH


def history_data(type_: _T, samples: Samples) -> ua.ExtensionObject:
    """A HistoryData structure of samples whose values have one type."""
    body: Any = struct.pack("<i", len(samples)) + b"".join(_encoded(type_, run) for run in _runs(samples))
    return ua.ExtensionObject(HISTORY_DATA, body)


def _runs(samples: Samples) -> Iterator[Samples]:
    """Stretches whose samples have the same fields: a value, value and status, or a status alone."""
    form = (samples.status != 0).astype(np.int8) + (samples.status >= _BAD)
    edges = [0, *(np.flatnonzero(np.diff(form)) + 1).tolist(), len(samples)]
    yield from (samples[start:end] for start, end in pairwise(edges) if start < end)


def _encoded(type_: _T, run: Samples) -> bytes:
    is_bad, has_status = run.status[0] >= _BAD, run.status[0] != 0
    if type_ is _T.String and not is_bad:
        return _encoded_texts(run, has_status=bool(has_status))
    mask = _HAS_SOURCE_TIME | _HAS_STATUS * bool(has_status) | _HAS_VALUE * (not is_bad)
    value = [] if is_bad else [("type", "u1"), ("value", _NATIVE[type_])]
    fields = [("mask", "u1"), *value, *([("status", "<u4")] if has_status else []), ("time", "<i8")]
    rows: NDArray[Any] = np.empty(len(run), np.dtype(fields))
    rows["mask"], rows["time"] = mask, ticks(run.time)
    if not is_bad:
        rows["type"], rows["value"] = type_, ticks(run.value) if type_ is _T.DateTime else run.value
    if has_status:
        rows["status"] = run.status
    return rows.tobytes()


def _encoded_texts(run: Samples, *, has_status: bool) -> bytes:
    head = bytes([_HAS_SOURCE_TIME | _HAS_VALUE | _HAS_STATUS * has_status, _T.String])
    texts = (str(value).encode() for value in run.value)
    return b"".join(
        head + struct.pack("<i", len(text)) + text + (struct.pack("<I", status) if has_status else b"") + tick
        for text, status, tick in zip(texts, run.status.tolist(), (t.tobytes() for t in ticks(run.time)), strict=True)
    )
