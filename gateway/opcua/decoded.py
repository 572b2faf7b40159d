"""Bodies decoded last: what the source looks at before it stores them, sinks want a moment later, each of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from gateway.opcua.decode import Part, decode_data

if TYPE_CHECKING:
    from gateway.opcua.variant import Structures

_REMEMBERED_BYTES: Final = 16 << 20
_OBJECT_BYTES: Final = 80  # of a value that is a Python object, a guess


@dataclass(frozen=True, slots=True)
class _Decoded:
    body: bytes
    received: int
    types: Structures | None
    parts: tuple[Part, ...]
    suits_all: bool  # types: none of the values is a structure, or could be one

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
        self._keep(_Decoded(body, received, types, parts, all(map(_suits_all, parts))))
        return parts

    def _keep(self, decoded: _Decoded) -> None:
        former = self._known.pop(id(decoded.body), None)
        self.bytes -= _size(former) if former else 0
        self._known[id(decoded.body)] = decoded
        self.bytes += _size(decoded)
        while self.bytes > self._max_bytes:
            self.bytes -= _size(self._known.popitem(last=False)[1])


decoded: Final = Memory(_REMEMBERED_BYTES).parts
"""Decode as decode_data() does, or recall; for bodies that are wanted again soon."""


def _suits_all(part: Part) -> bool:
    return part.value.dtype != np.object_ or set(map(type, part.value)) == {str}


def _size(one: _Decoded) -> int:
    return len(one.body) + sum(map(_part_size, one.parts))


def _part_size(part: Part) -> int:
    arrays = (part.index, part.tag, part.value, part.status, part.time)
    return sum(array.nbytes for array in arrays) + _OBJECT_BYTES * len(part.index) * part.value.dtype.hasobject
