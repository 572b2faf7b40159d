"""asyncua as a reader of OPC 10000-6: what it guesses, mistakes or reads backwards is put right or refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Optional

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

_MICROSECOND = 10  # ticks


@dataclass
class Options:
    """The structure with optional fields of the corpus, as the library wants it told."""

    Encoding: ua.UInt32 = 0
    boolean: ua.Boolean = False
    int64: ua.Int64 = 0
    string: ua.String = None
    any: Optional[ua.Variant] = None  # noqa: UP045 - as the library reads it


class InnerDiagnosis:
    """A DiagnosticInfo in another one, which the library takes for a structure (OPC 10000-6, 5.2.2.12)."""

    @staticmethod
    def unpack(data: Buffer) -> ua.DiagnosticInfo:
        """As the library reads the outer one."""
        return ua_binary.struct_from_binary(ua.DiagnosticInfo, data)

    @staticmethod
    def pack(info: ua.DiagnosticInfo) -> bytes:
        """As the library writes the outer one."""
        return ua_binary.struct_to_binary(info)


class Bytes(Buffer):
    """The library's bytes, less those that it reads backwards."""

    def read(self, size: int) -> bytes:
        """The next bytes."""
        if size < 0:
            raise ValueError(f"{size} bytes")
        return super().read(size)

    def copy(self, size: int = -1) -> Buffer:
        """The same bytes."""
        return Bytes(self._data, self._cur_pos, len(self) if size == -1 else min(size, len(self)))


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


def _time(data: Buffer) -> datetime:
    """To the microsecond; the first one, which the library takes for no time, rather too late than too early."""
    ticks = ua_binary.Primitives.Int64.unpack(data)
    return ua.win_epoch_to_datetime(max(ticks, _MICROSECOND) if ticks > 0 else ticks)


_lenient = ua_binary.extensionobject_from_binary
ua_binary.extensionobject_from_binary = _strict
ua_binary.Primitives.DateTime.unpack = _time
ua_binary.Primitives.InnerDiagnosis = InnerDiagnosis
ua.DiagnosticInfo.__annotations__["InnerDiagnosticInfo"] = Optional[InnerDiagnosis]  # noqa: UP045 - as above
ua.register_extension_object("Options", ua.NodeId(13, 2), Options)
for _one in vars(ua_binary).values():
    if hasattr(_one, "cache_clear"):  # what the library has made of its readers so far
        _one.cache_clear()


def accepted(body: bytes) -> list[Any] | None:
    """The items that asyncua reads; None where it rejects the bytes."""
    try:
        items = ua_binary.struct_from_binary(ua.DataChangeNotification, Bytes(body)).MonitoredItems
    except Exception:  # noqa: BLE001 - the library raises anything on bad bytes
        return None
    return list(items or ())
