"""Bodies decoded last: what the source looks at before it stores them, sinks want a moment later, each of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.opcua.decode import Part, decode_data

if TYPE_CHECKING:
    from gateway.opcua.variant import Structures

_REMEMBERED_BYTES: Final = 16 << 20
_NUMBER_BYTES: Final = 32  # of a value in the arrays of a part, at most
_OBJECT_BYTES: Final = _NUMBER_BYTES + 80  # of one that is a Python object, a guess


class _Decoded(NamedTuple):
    body: bytes
    received: int
    types: Structures | None
    parts: tuple[Part, ...]
    suits_all: bool  # types: none of the values is a structure, or could be one
    size: int  # bytes, about

    def answers(self, body: bytes, received: int, types: Structures | None) -> bool:
        """Whether decoding this anew would come to the same."""
        return self.body is body and self.received == received and (self.suits_all or self.types is types)


class Memory:
    """Parts by body, bounded by bytes; a body is known by its identity, so that nothing is compared."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._known: OrderedDict[int, _Decoded] = OrderedDict()
        self.bytes = 0

    def parts(self, body: bytes, received: int, types: Structures | None = None) -> tuple[Part, ...]:
        """Decode as decode_data() does, or recall."""
        known = self._known.get(id(body))
        if known is not None and known.answers(body, received, types):
            self._known.move_to_end(id(body))
            return known.parts
        parts = decode_data(body, received, types)
        size = len(body) + sum(map(_size, parts))
        self._keep(_Decoded(body, received, types, parts, all(map(_suits_all, parts)), size))
        return parts

    def _keep(self, decoded: _Decoded) -> None:
        former = self._known.pop(id(decoded.body), None)
        self.bytes += decoded.size - (former.size if former else 0)
        self._known[id(decoded.body)] = decoded
        while self.bytes > self._max_bytes:
            self.bytes -= self._known.popitem(last=False)[1].size


decoded: Final = Memory(_REMEMBERED_BYTES).parts
"""Decode as decode_data() does, or recall; for bodies that are wanted again soon."""


def _suits_all(part: Part) -> bool:
    return not part.value.dtype.hasobject or set(map(type, part.value)) == {str}


def _size(part: Part) -> int:
    return len(part.index) * (_OBJECT_BYTES if part.value.dtype.hasobject else _NUMBER_BYTES)
