"""The general decoder: any OPC UA value, one at a time, as something that JSON can show. For what NumPy cannot read.

str, bool, int, float, bytes and lists stay what they are; DateTime becomes Unix nanoseconds (int), Guid, NodeId and
QualifiedName become text, LocalizedText its text, a structure a dict.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from math import prod
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH_TICKS = 116_444_736_000_000_000
"""Ticks of 100 ns from 1601-01-01, where OPC UA's time begins, to 1970-01-01 (OPC 10000-6, 5.2.2.5)."""

MIN_TICKS = EPOCH_TICKS - 92_233_720_368_547_758
MAX_TICKS = EPOCH_TICKS + 92_233_720_368_547_758
BAD_DECODING_ERROR = 0x8007_0000

_DEPTH = 16  # of values in values; a server that nests deeper means harm
_MOST_DIMENSIONS = 8  # of a matrix: with this depth still no more than JSON is nested
_U1 = struct.Struct("<B")
_U2 = struct.Struct("<H")
_U4 = struct.Struct("<I")
_I4 = struct.Struct("<i")
_I8 = struct.Struct("<q")
_GUID = 16
_ARRAY = 0x80
_DIMENSIONS = 0x40
_XML = 2  # encoding of a structure: 0 none, 1 binary, 2 XML


class Malformed(ValueError):  # noqa: N818 - a verdict on bytes
    """The bytes end too early or mean nothing: what follows them cannot be found either."""


class Undecodable(ValueError):  # noqa: N818 - a verdict on bytes
    """The bytes of one structure do not fit its type."""


def unix_ns(ticks: int) -> int:
    """Unix nanoseconds of an OPC UA DateTime, kept within int64 (years 1677 to 2262)."""
    return (min(max(ticks, MIN_TICKS), MAX_TICKS) - EPOCH_TICKS) * 100


class Structures(Protocol):
    """What knows the structures of a server (datatypes.DataTypes)."""

    def decode(self, type_id: str, body: bytes, depth: int) -> dict[str, Any] | None:
        """The fields of a structure by its encoding id; None where the type is not known. Raises Undecodable."""
        ...


class Reader:
    """A place in a body. Every method reads one thing and moves on; Malformed when the body ends before it does.

    `types` knows the server's structures, `depth` how many values this one is in; `undecodable` counts what could be
    delimited but not understood.
    """

    __slots__ = ("data", "depth", "pos", "types", "undecodable")

    def __init__(self, data: bytes, pos: int = 0, types: Structures | None = None, depth: int = 0) -> None:
        self.data = data
        self.pos = pos
        self.types = types
        self.depth = depth
        self.undecodable = 0

    def number(self, shape: struct.Struct) -> Any:  # noqa: ANN401 - int, float or bool by shape
        """One number of this shape."""
        try:
            (value,) = shape.unpack_from(self.data, self.pos)
        except struct.error as error:
            raise Malformed("the body ends within a number") from error
        self.pos += shape.size
        return value

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self.pos + size
        if size < 0 or end > len(self.data):
            raise Malformed(f"{size} bytes announced, {len(self.data) - self.pos} there")
        chunk = self.data[self.pos : end]
        self.pos = end
        return chunk

    def byte(self) -> int:
        """One unsigned byte."""
        return int(self.number(_U1))

    def uint16(self) -> int:
        """One UInt16."""
        return int(self.number(_U2))

    def uint32(self) -> int:
        """One UInt32."""
        return int(self.number(_U4))

    def int32(self) -> int:
        """One Int32."""
        return int(self.number(_I4))

    def time(self) -> int:
        """One DateTime, as Unix nanoseconds."""
        return unix_ns(self.number(_I8))

    def count(self, smallest: int = 1) -> int:
        """The length of an array; null is 0. Malformed when so many things of this smallest size cannot be there."""
        n = self.int32()
        self.require(n, smallest)
        return max(n, 0)

    def require(self, n: int, smallest: int = 1) -> None:
        """Malformed when n things of this smallest size cannot be there."""
        if n > (len(self.data) - self.pos) // smallest:
            raise Malformed(f"{n} elements announced, {len(self.data) - self.pos} bytes there")

    def uint32s(self) -> tuple[int, ...]:
        """An array of UInt32; null is empty."""
        n = self.count(4)
        return struct.unpack(f"<{n}I", self.take(4 * n))

    def dimensions(self) -> list[int]:
        """The dimensions of a matrix. Malformed where these are more than anybody needs."""
        n = self.count(4)
        if n > _MOST_DIMENSIONS:
            raise Malformed(f"a matrix of {n} dimensions")
        return [self.int32() for _ in range(n)]

    def is_null_array(self) -> bool:
        """Whether the array that begins here is null, which is not the same as empty."""
        return self.data[self.pos : self.pos + 4] == b"\xff\xff\xff\xff"

    def binary(self) -> bytes | None:
        """One ByteString."""
        size = self.int32()
        return None if size < 0 else self.take(size)

    def text(self) -> str | None:
        """One String; what is not UTF-8 is shown as �."""
        raw = self.binary()
        return None if raw is None else raw.decode("utf-8", errors="replace")


def node_id(reader: Reader) -> str:
    """A NodeId or ExpandedNodeId as text, "ns=2;s=Name"; the namespace index is the server's of that day."""
    encoding = reader.byte()
    namespace, identifier = _NODE_IDS.get(encoding & 0x3F, _unknown_node_id)(reader)
    uri = reader.text() if encoding & 0x80 else None
    server = reader.uint32() if encoding & 0x40 else 0
    scope = f"nsu={uri};" if uri else f"ns={namespace};" if namespace else ""
    return f"svr={server};{scope}{identifier}" if server else scope + identifier


def _unknown_node_id(reader: Reader) -> tuple[int, str]:
    raise Malformed(f"a NodeId of no known kind at byte {reader.pos - 1}")


_NODE_IDS: dict[int, Callable[[Reader], tuple[int, str]]] = {
    0: lambda r: (0, f"i={r.byte()}"),
    1: lambda r: (r.byte(), f"i={r.uint16()}"),
    2: lambda r: (r.uint16(), f"i={r.uint32()}"),
    3: lambda r: (r.uint16(), f"s={r.text() or ''}"),
    4: lambda r: (r.uint16(), f"g={guid(r)}"),
    5: lambda r: (r.uint16(), f"b={b64encode(r.binary() or b'').decode()}"),
}


def guid(reader: Reader) -> str:
    """A Guid in its usual text form."""
    return str(UUID(bytes_le=reader.take(_GUID)))


def qualified_name(reader: Reader) -> str:
    """A QualifiedName as "2:Name", in namespace 0 as "Name"."""
    namespace, text = reader.uint16(), reader.text() or ""
    return f"{namespace}:{text}" if namespace else text


def localized_text(reader: Reader) -> str | None:
    """The text of a LocalizedText; its locale is left out."""
    mask = reader.byte()
    if mask & 1:
        reader.text()
    return reader.text() if mask & 2 else None


def extension_object(reader: Reader) -> dict[str, Any] | None:
    """A structure as a dict, {"typeId", "body": base64} where its type is not known; None for a null one."""
    type_id = node_id(reader)
    encoding = reader.byte()
    if encoding > _XML:
        raise Malformed(f"a structure in no known encoding ({encoding})")
    body = reader.binary() if encoding else None
    if type_id == "i=0":
        return None
    try:
        known = None if body is None or encoding == _XML else _known_structure(reader, type_id, body)
    except Undecodable:
        reader.undecodable += 1
        return None
    return _opaque(type_id, body) if known is None else known


def _known_structure(reader: Reader, type_id: str, body: bytes) -> dict[str, Any] | None:
    if reader.depth >= _DEPTH:
        raise Undecodable(f"more than {_DEPTH} values within values")
    return reader.types.decode(type_id, body, reader.depth + 1) if reader.types is not None else None


def _opaque(type_id: str, body: bytes | None) -> dict[str, Any]:
    return {"typeId": type_id, "body": None if body is None else b64encode(body).decode()}


def data_value(reader: Reader) -> tuple[Any, int, int | None]:
    """A DataValue as value, status and time (Unix ns; the source's, else the server's, else None)."""
    mask = reader.byte()
    before = reader.undecodable
    value = variant(reader) if mask & 0x01 else None
    status = reader.uint32() if mask & 0x02 else 0
    source = reader.number(_I8) if mask & 0x04 else 0
    reader.take(2 if mask & 0x10 else 0)
    server = reader.number(_I8) if mask & 0x08 else 0
    reader.take(2 if mask & 0x20 else 0)
    ticks = source if source > 0 else server
    if reader.undecodable > before:
        value, status = None, BAD_DECODING_ERROR
    return value, status, unix_ns(ticks) if ticks > 0 else None


def _data_value_object(reader: Reader) -> dict[str, Any]:
    value, status, time = data_value(reader)
    return {"value": shown(value), "status": status, "time": time}


def diagnostic_info(reader: Reader) -> dict[str, Any]:
    """A DiagnosticInfo as a dict of the parts that are there. The locale is before the text, its bit behind."""
    mask = reader.byte()
    parts: dict[str, Any] = {}
    for bit, name in ((0x01, "symbolicId"), (0x02, "namespaceUri"), (0x08, "locale"), (0x04, "localizedText")):
        if mask & bit:
            parts[name] = reader.int32()
    if mask & 0x10:
        parts["additionalInfo"] = reader.text()
    if mask & 0x20:
        parts["innerStatusCode"] = reader.uint32()
    if mask & 0x40:
        parts["innerDiagnosticInfo"] = nested(reader, diagnostic_info)
    return parts


def nested(reader: Reader, read: Callable[[Reader], Any]) -> Any:  # noqa: ANN401 - what `read` gives
    """One value within another. Malformed where this goes too deep."""
    if reader.depth >= _DEPTH:
        raise Malformed(f"more than {_DEPTH} values within values")
    reader.depth += 1
    value = read(reader)
    reader.depth -= 1
    return value


def variant(reader: Reader) -> Any:  # noqa: ANN401 - any OPC UA value
    """A Variant: a scalar, or a list (nested by dimensions) for an array. ByteStrings in arrays are base64 text."""
    encoding = reader.byte()
    read = READERS[encoding & 0x3F]
    if not encoding & _ARRAY:
        return read(reader) if not encoding & _DIMENSIONS else _contradiction(reader, read)
    is_null = reader.is_null_array()
    flat = elements(reader, read, reader.count())
    shape = reader.dimensions() if encoding & _DIMENSIONS else []
    fits = not shape or (min(shape) >= 0 and prod(shape) == len(flat))
    reader.undecodable += not fits
    return folded(flat, shape) if fits and not is_null else None


def _contradiction(reader: Reader, read: Callable[[Reader], Any]) -> None:
    """Pass over a single value that has dimensions."""
    read(reader)
    reader.take(4 * reader.count(4))
    reader.undecodable += 1


def elements(reader: Reader, read: Callable[[Reader], Any], n: int) -> list[Any]:
    """The n elements of an array. None of those that take no bytes, for so any number could be announced."""
    start = reader.pos
    first = [shown(read(reader)) for _ in range(min(n, 1))]
    if n > 1 and reader.pos == start:
        reader.undecodable += 1
        return []
    return first + [shown(read(reader)) for _ in range(n - 1)]


def shown(value: Any) -> Any:  # noqa: ANN401 - any OPC UA value
    """A value as it stands within lists and dicts: bytes as base64 text."""
    return b64encode(value).decode() if isinstance(value, bytes) else value


def folded(flat: list[Any], shape: list[int]) -> list[Any]:
    """The values of a matrix as lists of lists by its dimensions."""
    if len(shape) < 2 or not flat:  # noqa: PLR2004 - one dimension is a vector
        return flat
    step = len(flat) // shape[0]
    return [folded(flat[i : i + step], shape[1:]) for i in range(0, len(flat), step)]


def _number(code: str) -> Callable[[Reader], Any]:
    shape = struct.Struct("<" + code)
    return lambda reader: reader.number(shape)


_BY_TYPE: dict[int, Callable[[Reader], Any]] = {
    DataType.NULL: lambda _: None,
    DataType.BOOLEAN: _number("?"),
    DataType.SBYTE: _number("b"),
    DataType.BYTE: _number("B"),
    DataType.INT16: _number("h"),
    DataType.UINT16: _number("H"),
    DataType.INT32: _number("i"),
    DataType.UINT32: _number("I"),
    DataType.INT64: _number("q"),
    DataType.UINT64: _number("Q"),
    DataType.FLOAT: _number("f"),
    DataType.DOUBLE: _number("d"),
    DataType.STRING: Reader.text,
    DataType.DATETIME: Reader.time,
    DataType.GUID: guid,
    DataType.BYTESTRING: Reader.binary,
    DataType.XMLELEMENT: Reader.text,
    DataType.NODEID: node_id,
    DataType.EXPANDEDNODEID: node_id,
    DataType.STATUSCODE: _number("I"),
    DataType.QUALIFIEDNAME: qualified_name,
    DataType.LOCALIZEDTEXT: localized_text,
    DataType.EXTENSIONOBJECT: extension_object,
    DataType.DATAVALUE: lambda reader: nested(reader, _data_value_object),
    DataType.VARIANT: lambda reader: nested(reader, variant),
    DataType.DIAGNOSTICINFO: diagnostic_info,
}
READERS = tuple(_BY_TYPE.get(code, Reader.binary) for code in range(64))
"""By type number; the unassigned ones are read as ByteStrings (OPC 10000-6, 5.2.2.16)."""
