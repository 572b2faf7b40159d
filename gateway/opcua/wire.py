"""Answers of the server cut into their parts, notification bodies left as bytes (OPC 10000-4, 5.14 and 7.25)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from gateway.opcua.errors import fault, is_bad
from gateway.opcua.variant import Malformed, Reader, diagnostic_info, node_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.opcua.variant import Structures

T = TypeVar("T")

_FOUR_BYTES: Final = b"\x01\x00"
"""How the id of a type of namespace 0 usually begins: that in four bytes, two of them its number."""

_USUAL: Final = frozenset({bytes(12), bytes(5) + b"\xff" * 4 + bytes(3)})
"""A ResponseHeader behind its time and handle: a good result, no diagnostics, no texts, nothing additional."""

_USUAL_END: Final = 28


class Body(IntEnum):
    """Ids of the binary encodings that are met here."""

    SERVICE_FAULT = 397
    READ_RESPONSE = 634
    HISTORY_DATA = 658
    HISTORY_EVENT = 661
    HISTORY_READ_RESPONSE = 667
    DATA_CHANGE = 811
    STATUS_CHANGE = 820
    PUBLISH_RESPONSE = 829
    REPUBLISH_RESPONSE = 835
    EVENTS = 916
    HISTORY_MODIFIED_DATA = 11227


class Notification(NamedTuple):
    """One notification of a message: the id of its encoding and its body."""

    kind: int
    body: bytes


class Message(NamedTuple):
    """A NotificationMessage; without notifications it is a keep-alive and its number that of the next message."""

    sequence: int
    notifications: tuple[Notification, ...]


class Published(NamedTuple):
    """A PublishResponse. How the server took the acknowledgements changes nothing and is left out."""

    subscription: int
    available: tuple[int, ...]  # messages that the server keeps for Republish
    more: bool
    message: Message


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The history of one node, or a part of it. `values`: Int32 count, then DataValues, or the fields of events."""

    status: int
    continuation: bytes  # b"": that was all
    values: bytes


def publish_response(data: bytes) -> Published:
    """Cut a PublishResponse. Raises ServiceFault, SessionLost or Malformed."""
    reader = _opened(data, Body.PUBLISH_RESPONSE)
    return Published(reader.uint32(), reader.uint32s(), reader.byte() != 0, _message(reader))


def republish_response(data: bytes) -> Message:
    """Cut a RepublishResponse. Raises ServiceFault, SessionLost or Malformed."""
    return _message(_opened(data, Body.REPUBLISH_RESPONSE))


def read_response(data: bytes) -> bytes:
    """The DataValues of a ReadResponse: Int32 count, then the values. Raises ServiceFault, SessionLost or Malformed."""
    return data[_opened(data, Body.READ_RESPONSE).pos :]


def history_read_response(data: bytes) -> list[HistoryPage]:
    """Cut a HistoryReadResponse, one page a node. Raises ServiceFault, SessionLost or Malformed."""
    return _list(_opened(data, Body.HISTORY_READ_RESPONSE), _page, 9)


def status_change(body: bytes) -> int:
    """The status of a StatusChangeNotification."""
    return Reader(body).uint32()


def event_fields(body: bytes, read: Callable[[Reader], Any], types: Structures | None = None) -> list[list[Any]]:
    """The fields of each event of an EventNotificationList, by select clause; `read` reads one Variant."""
    reader = Reader(body, types=types)

    def event(reader: Reader) -> list[Any]:
        reader.uint32()  # the client handle: there is one event item
        return _list(reader, read, 1)

    return _list(reader, event, 8)


def historical_event_fields(
    body: bytes, read: Callable[[Reader], Any], types: Structures | None = None
) -> list[list[Any]]:
    """The fields of each event of a HistoryEvent, by select clause; b"" has none."""
    return _list(Reader(body, types=types), lambda reader: _list(reader, read, 1), 4) if body else []


def _opened(data: bytes, expected: Body) -> Reader:
    """A reader behind the ResponseHeader, when this is the expected answer and its result is not bad."""
    if data.startswith(_FOUR_BYTES + expected.to_bytes(2, "little")) and data[16:_USUAL_END] in _USUAL:
        return Reader(data, _USUAL_END)
    reader = Reader(data)
    kind = _encoding_id(reader)
    result = _header(reader)
    if is_bad(result):
        raise fault(result)
    if kind != expected:
        raise Malformed(f"answer {kind} where {expected.name} was due")
    return reader


def _header(reader: Reader) -> int:
    """Read a ResponseHeader; its service result."""
    reader.time()
    reader.uint32()
    result = reader.uint32()
    diagnostic_info(reader)
    _list(reader, Reader.text, 4)
    _extension_object(reader)
    return result


def _message(reader: Reader) -> Message:
    sequence = reader.uint32()
    reader.time()  # when it was published, by the server's clock
    return Message(sequence, tuple(Notification(*_extension_object(reader)) for _ in range(reader.count(3))))


def _page(reader: Reader) -> HistoryPage:
    status, continuation = reader.uint32(), reader.binary() or b""
    kind, body = _extension_object(reader)
    is_history = kind in (Body.HISTORY_DATA, Body.HISTORY_MODIFIED_DATA, Body.HISTORY_EVENT)
    return HistoryPage(status, continuation, body if is_history else b"")


def _extension_object(reader: Reader) -> tuple[int, bytes]:
    kind = _encoding_id(reader)
    body = reader.binary() if reader.byte() & 3 else None
    return kind, body or b""


def _encoding_id(reader: Reader) -> int:
    """The number of a type of namespace 0; 0 for anything else."""
    if reader.data.startswith(_FOUR_BYTES, reader.pos):
        reader.pos += len(_FOUR_BYTES)
        return reader.uint16()
    text = node_id(reader)
    return int(text[2:]) if text.startswith("i=") else 0


def _list(reader: Reader, read: Callable[[Reader], T], smallest: int) -> list[T]:
    return [read(reader) for _ in range(reader.count(smallest))]
