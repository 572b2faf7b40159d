"""A server's bytes cut into message chunks (OPC 10000-6, 6.7.2), their lengths checked before they are waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 20
"""The longest chunk that our Hello allows."""

MESSAGE_BYTES = 64 << 20
"""The longest message; 10,000 values of 6 kB each fit."""

MESSAGE_CHUNKS = MESSAGE_BYTES // 8_192
"""The most chunks of a message: as many as it has with the shortest buffer that a server may have (7.1.2.4)."""

_HEADER = 8
_KINDS = frozenset({b"ACK", b"ERR", b"OPN", b"MSG", b"CLO"})
_PARTS = frozenset(b"FCA")
_SHOWN = 16


class Garbage(ua.UaError):
    """The server breaks the protocol: nothing that follows on this connection can be read."""


class Chunks:
    """Cuts what arrives; keeps less than one chunk between two calls."""

    def __init__(self, most_bytes: int = CHUNK_BYTES) -> None:
        self._most_bytes = most_bytes
        self._rest = b""

    def cut(self, data: bytes) -> Iterator[bytes]:
        """The chunks that are whole now. Raises Garbage behind those before it."""
        data, start = self._rest + data if self._rest else data, 0
        while start + _HEADER <= len(data):
            end = start + self._size(data[start : start + _SHOWN])
            if end > len(data):
                break
            yield data[start:end]
            start = end
        self._rest = data[start:]

    def _size(self, begin: bytes) -> int:
        if begin[:3] not in _KINDS or begin[3] not in _PARTS:
            raise Garbage(f"sends {begin!r} where a message should begin: is it an OPC UA server?")
        size = int.from_bytes(begin[4:_HEADER], "little")
        if not _HEADER < size <= self._most_bytes:
            raise Garbage(f"announces a message chunk of {size:,} bytes; {self._most_bytes:,} are agreed")
        return size
