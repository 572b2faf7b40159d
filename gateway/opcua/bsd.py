"""OPC Binary type dictionaries, by which servers before 1.04 describe their structures (OPC 10000-3, Annex C).

Understood are fields that follow each other, of types, of bits, so many or as many as another field says, there or not
as another field says. Not understood are types with terminators, comparisons, lengths in bytes of what is no byte,
characters of 16 bits, and numbers with the highest byte first.
"""

from __future__ import annotations

import re
from dataclasses import replace
from enum import IntEnum
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from asyncua import ua

from gateway.opcua.described import Description, Part
from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

BSD = "bsd:"
"""Begins the names of types that are known by a dictionary's name of them only: they lie within others."""

_OPC = "http://opcfoundation.org/BinarySchema/"
_UA = "http://opcfoundation.org/UA/"
_TAG = f"{{{_OPC}}}"
_BUILT_IN = {one.name.lower(): int(one) for one in DataType} | {"chararray": int(DataType.STRING)}
_ENUMERATIONS = {"8": int(DataType.BYTE), "16": int(DataType.UINT16), "32": int(DataType.INT32)}
_BYTES = (DataType.BOOLEAN, DataType.SBYTE, DataType.BYTE)
_INTEGERS = range(DataType.BOOLEAN, DataType.UINT64 + 1)
_LITTLE = "LittleEndian"
_BYTE = 8
_MOST_BITS = 64  # of one field: no number has more
_MOST_SWITCHED = 256  # fields that take no bytes where they are not there
_NUMBER = re.compile(r"[0-9]{1,10}")
_PADDING = re.compile(r"Reserved[0-9]*")
_DEEPEST = 20  # types that a type inherits from


class Unclear(ValueError):  # noqa: N818 - a verdict on a description
    """A type is described in a way that is not understood."""


def read_dictionary(content: bytes) -> tuple[str, dict[str, Description]]:
    """The namespace, and the structures that are understood, by name_of(). Unclear if it is no dictionary."""
    prefixes: dict[str, str] = {}
    root: ET.Element | None = None
    try:
        for event, found in ET.iterparse(BytesIO(content), ("start-ns", "start")):  # noqa: S314 - expat bounds it
            if event == "start-ns":
                prefixes.setdefault(*found)
            elif root is None:
                root = found
    except ET.ParseError as error:
        raise Unclear(f"no XML: {error}") from error
    if root is None or root.tag != f"{_TAG}TypeDictionary":
        raise Unclear("no OPC Binary dictionary")
    dictionary = _Dictionary(root, prefixes)
    return dictionary.target, dict(dictionary.structures())


def name_of(namespace: str, name: str) -> str:
    """What a type of a dictionary is called among data types."""
    return f"{BSD}{namespace}#{name}"


class _Dictionary:
    """One document."""

    def __init__(self, root: ET.Element, prefixes: Mapping[str, str]) -> None:
        self._prefixes = prefixes
        self.target = root.get("TargetNamespace", "")
        self._byte_order = root.get("DefaultByteOrder", _LITTLE)
        self._types = {one.get("Name", ""): one for one in root if one.tag == f"{_TAG}StructuredType"}
        self._enumerations = {
            one.get("Name", ""): one.get("LengthInBits", "32") for one in root if one.tag == f"{_TAG}EnumeratedType"
        }

    def structures(self) -> Iterator[tuple[str, Description]]:
        """By name_of()."""
        for name in self._types:
            try:
                yield name_of(self.target, name), self._description(name)
            except Unclear:
                continue

    def _description(self, name: str) -> Description:
        fields = self._fields(name, frozenset({name}))
        of_others = {one.get(key, "") for one in fields for key in ("LengthField", "SwitchField")}
        parts = tuple(replace(part, is_hidden=_is_hidden(part, of_others)) for part in map(self._part, fields))
        _check(parts)
        return Description(parts)

    def _fields(self, name: str, seen: frozenset[str]) -> list[ET.Element]:
        """The fields of a type, inherited ones first; some dictionaries repeat these in each type and say so."""
        element = self._types[name]
        if element.get("DefaultByteOrder", self._byte_order) != _LITTLE:
            raise Unclear("numbers with the highest byte first")
        own = [one for one in element if one.tag == f"{_TAG}Field"]
        base = self._qualified(element.get("BaseType", "")).removeprefix(f"{{{self.target}}}")
        if base not in self._types or any(one.get("SourceType") is not None for one in own):
            return own
        if base in seen or len(seen) > _DEEPEST:
            raise Unclear("a type that inherits from itself, or from too many")
        return [*self._fields(base, seen | {base}), *own]

    def _part(self, one: ET.Element) -> Part:
        if not {"Terminator", "SwitchOperand"}.isdisjoint(one.keys()):
            raise Unclear("fields with a terminator or a comparison")
        kind, case = self._qualified(one.get("TypeName", "")), one.get("SwitchValue")
        part = self._typed(one.get("Name", ""), kind, _count(one))
        if part.type not in _BYTES and one.get("IsLengthInBytes", "false") not in ("false", "0"):
            raise Unclear("lengths in bytes")
        return replace(part, switch=one.get("SwitchField", ""), case=None if case is None else _number(case))

    def _typed(self, name: str, kind: str, count: int | str) -> Part:
        """A field of a type: of bits, of characters, or of what else there is."""
        namespace, _, local = kind.removeprefix("{").partition("}")
        if kind == f"{_TAG}Char":
            return Part(name, int(DataType.BYTE), count=1 if count == "" else count, is_text=True)
        if kind == f"{_TAG}Bit":
            return _bits(name, 1 if count == "" else count)
        width = self._enumerations.get(local, "") if namespace == self.target else ""
        if width in _ENUMERATIONS:
            return Part(name, _ENUMERATIONS[width], count=count)
        if width:
            return _bits(name, _number(width) if count == "" else f"{count} x {width}")
        return Part(name, self._type(namespace, local), count=count)

    def _type(self, namespace: str, name: str) -> int | str:
        if namespace not in (_OPC, _UA):
            return name_of(namespace, name)
        known = _BUILT_IN.get(name.lower())
        return _standard(namespace, name) if known is None else known

    def _qualified(self, text: str) -> str:
        prefix, separator, name = text.rpartition(":")
        namespace = self._prefixes.get(prefix, "") if separator else self.target
        return f"{{{namespace}}}{name}" if text else ""


def _count(one: ET.Element) -> int | str:
    """As in Part."""
    length = one.get("Length")
    return one.get("LengthField", "") if length is None else _number(length)


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Unclear(f"{text!r} is no number")
    return int(text)


def _bits(name: str, bits: int | str) -> Part:
    """A field of bits, which show as one number."""
    if isinstance(bits, str) or not 0 < bits <= _MOST_BITS:
        raise Unclear(f"a field of {bits} bits")
    return Part(name, int(DataType.UINT64), bits=bits)


def _is_hidden(part: Part, of_others: Collection[str]) -> bool:
    """Whether a field only tells of others, or fills up: such bits are called Reserved1 and so on."""
    return part.name in of_others or (bool(part.bits) and _PADDING.fullmatch(part.name) is not None)


def _check(parts: Sequence[Part]) -> None:
    """Unclear where a field asks another that is no number before it, or begins within a byte."""
    if sum(bool(part.switch) for part in parts) > _MOST_SWITCHED:
        raise Unclear(f"a type with more than {_MOST_SWITCHED} optional fields")
    numbers = {""}
    bits = 0
    for part in parts:
        if part.switch not in numbers or (isinstance(part.count, str) and part.count not in numbers):
            raise Unclear("a length or a switch that is no number before it")
        if not part.bits and bits % _BYTE:
            raise Unclear("a field that begins within a byte")
        bits += part.bits
        if part.bits or (part.count == "" and part.type in _INTEGERS):
            numbers.add(part.name)
    if bits % _BYTE:
        raise Unclear("a type that ends within a byte")


def _standard(namespace: str, name: str) -> int | str:
    """A type of OPC UA's own dictionary: a structure that the library knows, or an enumeration."""
    found = getattr(ua, name, None) if namespace == _UA else None
    if isinstance(found, type) and hasattr(found, "data_type"):
        return str(found.data_type.to_string())
    if isinstance(found, type) and issubclass(found, IntEnum):
        return int(DataType.INT32)
    raise Unclear(f"{name} is no type of OPC UA")
