"""The second opinion: where asyncua accepts the bytes, a value that we take for good must be the one that it sees."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Optional

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

from gateway.opcua.decode import Part
from gateway.opcua.structures import plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BAD = 0x8000_0000
_MICROSECOND = 1000  # ns; the library's times are no finer
_FIRST, _LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass
class Options:
    """The structure with optional fields of the corpus, as the library wants it told."""

    Encoding: ua.UInt32 = 0
    boolean: ua.Boolean = False
    int64: ua.Int64 = 0
    string: ua.String = None
    any: Optional[ua.Variant] = None  # noqa: UP045 - as the library reads it


ua.register_extension_object("Options", ua.NodeId(13, 2), Options)


class _Bytes(Buffer):
    """The library's bytes, less those that it reads backwards."""

    def read(self, size: int) -> bytes:
        if size < 0:
            raise ValueError(f"{size} bytes")
        return super().read(size)

    def copy(self, size: int = -1) -> Buffer:
        return _Bytes(self._data, self._cur_pos, len(self) if size == -1 else min(size, len(self)))


def _strict(data: Buffer) -> Any:
    """As the library, less what it guesses: XML bodies, which it takes for absent, and lengths that are missing.

    A type 0 of another namespace, which the library takes for none, stays a type.
    """
    ahead = data.copy()
    kind = ua_binary.nodeid_from_binary(ahead)
    encoding = ahead.read(1)[0]
    size = ua_binary.Primitives.Int32.unpack(ahead) if encoding else 0
    if encoding > 1 or size == -1:
        raise ValueError("a structure that the library does not read")
    value = _lenient(data)
    is_type = kind.Identifier != 0 or kind.NamespaceIndex == 0
    return value if is_type else ua.ExtensionObject(kind, ahead.read(max(size, 0)))


_lenient = ua_binary.extensionobject_from_binary
ua_binary.extensionobject_from_binary = _strict


def accepted(body: bytes) -> list[Any] | None:
    """The items that asyncua reads; None where it rejects the bytes."""
    try:
        items = ua_binary.struct_from_binary(ua.DataChangeNotification, _Bytes(body)).MonitoredItems
    except Exception:  # noqa: BLE001 - the library raises anything on bad bytes
        return None
    return list(items or ())


def difference(parts: tuple[Part, ...], items: list[Any]) -> str:
    """What we take for good and the library sees otherwise; "" where nothing is."""
    for part in parts:
        rows = zip(part.index.tolist(), part.tag.tolist(), part.value.tolist(), part.status.tolist(), strict=True)
        for (place, tag, value, status), time in zip(rows, part.time.tolist(), strict=True):
            if status >= _BAD:
                continue
            if place >= len(items):
                return f"value {place} of {len(items)}"
            wrong = _differs(items[place], tag, value, status, time)
            if wrong:
                return f"value {place}: {wrong}"
    return ""


def _differs(item: Any, tag: int, value: Any, status: int, time: int) -> str:
    theirs: ua.DataValue = item.Value
    if tag != _signed(item.ClientHandle):
        return f"handle {tag}, the library has {item.ClientHandle}"
    expected_status = theirs.StatusCode.value if theirs.StatusCode else 0
    if status != expected_status:
        return f"status {status:#x}, the library has {expected_status:#x}"
    if not _same(value, _json(theirs.Value)):
        return f"value {value!r}, the library has {theirs.Value!r}"
    stamp = theirs.SourceTimestamp or theirs.ServerTimestamp
    in_order = theirs.SourcePicoseconds is None  # the library reads these in another order than OPC 10000-6, 5.2.2.17
    if in_order and stamp is not None and not _same_time(time, stamp):
        return f"time {time}, the library has {stamp!r}"
    return ""


def _signed(handle: int) -> int:
    return handle - (1 << 32) if handle >= 1 << 31 else handle


def _json(variant: ua.Variant | None) -> Any:
    if variant is None:
        return None
    return variant.Value if isinstance(variant.Value, bytes) else _listed(variant.Value)


def _listed(value: Any) -> Any:
    if isinstance(value, list):
        return [_listed(one) for one in value]
    if isinstance(value, ua.QualifiedName):  # whose namespace index the library reads with a sign
        return plain(ua.QualifiedName(value.Name, value.NamespaceIndex & 0xFFFF))
    if isinstance(value, ua.DataValue):
        return {"value": _listed(_json(value.Value)), "status": value.StatusCode.value if value.StatusCode else 0}
    if isinstance(value, ua.DiagnosticInfo):
        return _diagnosis(value)
    return value if isinstance(value, datetime | ua.ExtensionObject) else plain(value)


def _diagnosis(info: ua.DiagnosticInfo) -> dict[str, Any]:
    """As we name its parts, less locale and text, whose bits the library has the other way round."""
    parts = {
        "symbolicId": info.SymbolicId,
        "namespaceUri": info.NamespaceURI,
        "additionalInfo": info.AdditionalInfo,
        "innerStatusCode": info.InnerStatusCode and info.InnerStatusCode.value,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _same(ours: Any, theirs: Any) -> bool:
    match theirs:
        case ua.ExtensionObject():
            same = _same_structure(ours, theirs)
        case datetime():
            same = isinstance(ours, int) and _same_time(ours, theirs)
        case dict() if isinstance(ours, dict):
            same = all(_same(ours.get(name), one) for name, one in theirs.items())
        case list() if isinstance(ours, list):
            same = len(ours) == len(theirs) and all(map(_same, ours, theirs))
        case str():
            same = ours == theirs.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case float() if isinstance(ours, float) and math.isnan(theirs):
            same = math.isnan(ours)
        case _:
            same = bool(ours == theirs)
    return same


def _same_structure(ours: Any, theirs: ua.ExtensionObject) -> bool:
    """Of a type that the library does not know: null, its bytes, or by a definition that only we have."""
    if ours is None:
        return theirs.TypeId.is_null() and theirs.Body is None
    if "typeId" not in ours:
        return True
    return (ours["body"] or "") == b64encode(theirs.Body or b"").decode()


def _same_time(ours: int, theirs: datetime) -> bool:
    """Beyond some centuries both give what they can."""
    moment = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    if not _FIRST < moment < _LAST:
        return True
    return abs(ours - (moment - _EPOCH) // timedelta(microseconds=1) * 1000) < _MICROSECOND
