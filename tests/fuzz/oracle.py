"""The second opinion: where asyncua accepts the bytes, a value that we take for good must be the one that it sees."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua
from support_plain import plain

from gateway.opcua.decode import Part

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = datetime(1601, 1, 1, tzinfo=UTC)
_BAD = 0x8000_0000
_MICROSECOND = 1000  # ns; the library's times are no finer
_FIRST, _LAST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_DEFINED = range(11, 17)  # encodings of structures that only we have a definition of
_ANYTHING = object()


def difference(parts: tuple[Part, ...], items: list[Any], received: int) -> str:
    """What we take for good and the library sees otherwise; "" where nothing is."""
    for part in parts:
        rows = zip(part.index.tolist(), part.tag.tolist(), part.value.tolist(), part.status.tolist(), strict=True)
        for (place, tag, value, status), time in zip(rows, part.time.tolist(), strict=True):
            if status >= _BAD:
                continue
            if place >= len(items):
                return f"value {place} of {len(items)}"
            wrong = _differs(items[place], tag, value, status, None if time == received else time)
            if wrong:
                return f"value {place}: {wrong}"
    return ""


def _differs(item: Any, tag: int, value: Any, status: int, time: int | None) -> str:
    theirs: ua.DataValue = item.Value
    if tag != _signed(item.ClientHandle):
        return f"handle {tag}, the library has {item.ClientHandle}"
    if status != _status(theirs):
        return f"status {status:#x}, the library has {_status(theirs):#x}"
    if not _same(value, _value(theirs)):
        return f"value {value!r}, the library has {theirs.Value!r}"
    if not _same(time, _stamp(theirs)):
        return f"time {time}, the library has {_stamp(theirs)!r}"
    return ""


def _signed(handle: int) -> int:
    return handle - (1 << 32) if handle >= 1 << 31 else handle


def _status(value: ua.DataValue) -> int:
    return value.StatusCode.value if value.StatusCode else 0


def _value(value: ua.DataValue) -> Any:
    variant = value.Value
    return variant.Value if variant is not None and isinstance(variant.Value, bytes) else _shown(variant)


def _stamp(value: ua.DataValue) -> Any:
    """The best time; the server's is anything behind picoseconds, which the library reads in another order."""
    source, server = value.SourceTimestamp, value.ServerTimestamp
    if source is not None and source > _NO_TIME:
        return source
    if server is not None and value.SourcePicoseconds is not None:
        return _ANYTHING
    return server if server is not None and server > _NO_TIME else None


def _shown(value: Any) -> Any:
    """What the library has read, as we show it; times and structures that it does not know as they are."""
    match value:
        case list():
            shown = [_shown(one) for one in value]
        case ua.Variant():
            is_empty = value.Value is not None and 0 in (value.Dimensions or ())
            shown = [] if is_empty else _shown(value.Value)
        case ua.DataValue():
            shown = {"value": _shown(value.Value), "status": _status(value), "time": _stamp(value)}
        case ua.DiagnosticInfo():
            shown = _diagnosis(value)
        case ua.NodeId():
            shown = _node(value)
        case ua.QualifiedName():  # whose namespace index the library reads with a sign
            shown = plain(ua.QualifiedName(value.Name, value.NamespaceIndex & 0xFFFF))
        case datetime() | ua.ExtensionObject():
            shown = value
        case ua.LocalizedText() | ua.StatusCode() | ua.XmlElement():
            shown = plain(value)
        case _ if is_dataclass(value):
            shown = {one.name: _shown(getattr(value, one.name)) for one in fields(value) if one.name != "Encoding"}
        case _:
            shown = plain(value)
    return shown


def _diagnosis(info: ua.DiagnosticInfo) -> dict[str, Any]:
    """By our names. The library has the bits of locale and text the other way round, not what follows them."""
    locale, text = info.Locale, info.LocalizedText
    if locale is None or text is None:
        locale, text = text, locale
    return {
        "symbolicId": info.SymbolicId,
        "namespaceUri": info.NamespaceURI,
        "locale": locale,
        "localizedText": text,
        "additionalInfo": info.AdditionalInfo,
        "innerStatusCode": info.InnerStatusCode and info.InnerStatusCode.value,
        "innerDiagnosticInfo": info.InnerDiagnosticInfo and _diagnosis(info.InnerDiagnosticInfo),
    }


def _node(node: ua.NodeId) -> str:
    """An ExpandedNodeId by OPC 10000-6, 5.3.1.11, which the library does not write so."""
    if not isinstance(node, ua.ExpandedNodeId):
        return str(node.to_string())
    local = ua.NodeId(node.Identifier, 0 if node.NamespaceUri else node.NamespaceIndex, node.NodeIdType).to_string()
    scope = f"svr={node.ServerIndex};" if node.ServerIndex else ""
    return scope + (f"nsu={node.NamespaceUri};" if node.NamespaceUri else "") + local


def _same(ours: Any, theirs: Any) -> bool:
    match theirs:
        case _ if theirs is _ANYTHING:
            same = True
        case ua.ExtensionObject():
            same = _same_structure(ours, theirs)
        case datetime():
            same = isinstance(ours, int) and _same_time(ours, theirs)
        case dict() if isinstance(ours, dict):
            same = all(_same(ours.get(name), theirs.get(name)) for name in ours.keys() | theirs.keys())
        case list() if isinstance(ours, list):
            same = len(ours) == len(theirs) and all(map(_same, ours, theirs))
        case str():
            same = ours == theirs.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case float() if isinstance(ours, float) and math.isnan(theirs):
            same = math.isnan(ours)
        case _:
            same = type(ours) is type(theirs) and bool(ours == theirs)
    return same


def _same_structure(ours: Any, theirs: ua.ExtensionObject) -> bool:
    """Of a type that the library does not know: null, its bytes, or by a definition that only we have."""
    if ours is None:
        return bool(theirs.TypeId.is_null()) and theirs.Body is None
    if "typeId" not in ours:
        return theirs.TypeId.Identifier in _DEFINED
    return (
        _same(ours["typeId"], _node(theirs.TypeId)) and (ours["body"] or "") == b64encode(theirs.Body or b"").decode()
    )


def _same_time(ours: int, theirs: datetime) -> bool:
    """Beyond some centuries both give what they can."""
    return (
        abs(_near(ours) - _near(_nanoseconds(theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)))) < _MICROSECOND
    )


def _near(time: int) -> int:
    return min(max(time, _nanoseconds(_FIRST)), _nanoseconds(_LAST))


def _nanoseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1) * 1000
