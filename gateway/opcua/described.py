"""Structures as OPC Binary type dictionaries describe them (OPC 10000-5, Annex C).

Field follows field; whether one is there, and how often, may stand in those before it, and some take bits only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.opcua.variant import Malformed, Reader, elements, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BYTE = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One field. `type`: number of a built-in type, or the data type of a structure that lies inline."""

    name: str
    type: int | str
    bits: int = 0  # that it takes instead, the lowest first; 0: it is of its type
    count: int | str = ""  # how many of it there are, or the field that says so; "": it is no array
    switch: str = ""  # the field that says whether it is there; "": it always is
    case: int | None = None  # what stands in that field then; None: anything but 0
    is_text: bool = False  # its bytes are the characters of a text
    is_hidden: bool = False  # it only tells of others, or fills up a byte


@dataclass(frozen=True, slots=True)
class Description:
    """A structure; inherited fields come first."""

    fields: tuple[Part, ...]


def read_described(
    description: Description, reader: Reader, reader_of: Callable[[int | str], Callable[[Reader], Any]]
) -> dict[str, Any]:
    """The fields that are there, by name. `reader_of` gives what reads a type. Malformed where the bytes do not fit."""
    bits = _Bits(reader)
    values: dict[str, Any] = {}
    for one in description.fields:
        if one.switch and not _is_there(one, values):
            continue
        if one.bits:
            taken = bits.take(one.bits)
            values[one.name] = taken if one.bits > 1 else bool(taken)
        else:
            bits.finish()
            values[one.name] = _value(one, values, reader, reader_of)
    bits.finish()
    return {one.name: shown(values[one.name]) for one in description.fields if one.name in values and not one.is_hidden}


def _is_there(one: Part, values: Mapping[str, Any]) -> bool:
    switch = values.get(one.switch, 0)
    return bool(switch) if one.case is None else bool(switch == one.case)


def _value(
    one: Part, values: Mapping[str, Any], reader: Reader, reader_of: Callable[[int | str], Callable[[Reader], Any]]
) -> Any:  # noqa: ANN401 - any OPC UA value
    if one.count == "":
        return reader_of(one.type)(reader)
    n = one.count if isinstance(one.count, int) else int(values.get(one.count, 1))  # 1 if it is not there (C.4)
    if n < 0:
        return None
    if one.is_text:
        return reader.take(n).partition(b"\0")[0].decode("utf-8", errors="replace")
    reader.require(n)
    return elements(reader, reader_of(one.type), n)


class _Bits:
    """Bits of the bytes that come, the lowest of each first."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._rest, self._left = 0, 0

    def take(self, n: int) -> int:
        """The next n as a number."""
        while self._left < n:
            self._rest |= self._reader.byte() << self._left
            self._left += _BYTE
        value = self._rest & ((1 << n) - 1)
        self._rest >>= n
        self._left -= n
        return value

    def finish(self) -> None:
        """Malformed where a byte is not used up."""
        if self._left:
            raise Malformed(f"{self._left} bits are left of a byte")
