"""OPC Binary type dictionaries, by which servers before 1.04 describe their structures (OPC 10000-3, Annex C).

What such a dictionary can say and our structures cannot makes a type one that is not understood: fields of so many
bits, fixed lengths, terminators, numbers with the highest byte first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from io import BytesIO
from itertools import takewhile
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from asyncua import ua

from gateway.opcua.structures import Field, Shape, Structure
from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

BSD = "bsd:"
"""Begins the names of types that are known by a dictionary's name of them only: they lie within others."""

_OPC = "http://opcfoundation.org/BinarySchema/"
_UA = "http://opcfoundation.org/UA/"
_TAG = f"{{{_OPC}}}"
_BUILT_IN = {one.name.lower(): int(one) for one in DataType} | {"chararray": int(DataType.STRING)}
_ENUMERATIONS = {"8": DataType.BYTE, "16": DataType.UINT16, "32": DataType.INT32}
_BIT = f"{{{_OPC}}}Bit"
_MASK_BITS = 32
_DEEPEST = 20  # types that a type inherits from


class Unclear(ValueError):  # noqa: N818 - a verdict on a description
    """A type is described in a way that is not understood."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A field as the dictionary describes it. Type names are "{namespace}name"."""

    name: str
    kind: str
    count_in: str  # the field that holds its length; "": it is no array
    switch: str  # the field that says whether it is there
    case: int | None  # the value of that field, in a union
    bits: int  # of a field of bits; 0: it is none
    inherited: bool


def read_dictionary(content: bytes) -> tuple[str, dict[str, Structure]]:
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
        self._is_little = root.get("DefaultByteOrder", "LittleEndian") == "LittleEndian"
        self._types = {one.get("Name", ""): one for one in root if one.tag == f"{_TAG}StructuredType"}
        self._enumerations = {
            one.get("Name", ""): one.get("LengthInBits", "32") for one in root if one.tag == f"{_TAG}EnumeratedType"
        }

    def structures(self) -> Iterator[tuple[str, Structure]]:
        """By name_of()."""
        for name in self._types if self._is_little else ():
            try:
                yield name_of(self.target, name), self._structure(name)
            except Unclear:
                continue

    def _structure(self, name: str) -> Structure:
        parts = self._parts(name, frozenset({name}))
        is_union = self._qualified(self._types[name].get("BaseType", "")) == f"{{{_UA}}}Union"
        if is_union or any(part.case is not None for part in parts):
            return Structure(Shape.UNION, self._choices(parts))
        if not any(part.bits for part in parts):
            return Structure(Shape.PLAIN, self._fields(parts))
        return Structure(Shape.OPTIONAL, self._optional(parts))

    def _parts(self, name: str, seen: frozenset[str]) -> list[_Part]:
        """The fields of a type, inherited ones first; some dictionaries repeat these in each type and say so."""
        element = self._types[name]
        own = [self._part(one) for one in element if one.tag == f"{_TAG}Field"]
        base = self._qualified(element.get("BaseType", "")).removeprefix(f"{{{self.target}}}")
        if base not in self._types or any(part.inherited for part in own):
            return own
        if base in seen or len(seen) > _DEEPEST:
            raise Unclear("a type that inherits from itself, or from too many")
        return [*self._parts(base, seen | {base}), *own]

    def _part(self, one: ET.Element) -> _Part:
        if not {"Terminator", "SwitchOperand"}.isdisjoint(one.keys()):
            raise Unclear("fields with a terminator or a comparison")
        kind, case, length = self._qualified(one.get("TypeName", "")), one.get("SwitchValue"), one.get("Length", "")
        if length and (kind != _BIT or not length.isdecimal()):
            raise Unclear("fields of a fixed length")
        return _Part(
            one.get("Name", ""),
            kind,
            one.get("LengthField", ""),
            one.get("SwitchField", ""),
            int(case) if case is not None and case.isdecimal() else None,
            int(length or 1) if kind == _BIT else 0,
            one.get("SourceType") is not None,
        )

    def _choices(self, parts: Sequence[_Part]) -> tuple[Field, ...]:
        """The fields of a union: a number, then one of them, which are numbered from 1."""
        if not parts or parts[0].kind != f"{{{_OPC}}}UInt32":
            raise Unclear("a union without a UInt32 before it")
        choices = [part for part in parts[1:] if part.case is not None]
        if [part.case for part in choices] != list(range(1, len(choices) + 1)):
            raise Unclear("a union with other numbers")
        if any(part.switch != parts[0].name for part in parts[1:]) or len(choices) < len(parts) - 1:
            raise Unclear("a union with fields that are always there")
        return self._fields(choices)

    def _optional(self, parts: Sequence[_Part]) -> tuple[Field, ...]:
        """The fields behind a mask of 32 bits, in whose order the optional ones follow."""
        mask = list(takewhile(lambda part: part.bits, parts))
        rest = parts[len(mask) :]
        wanted = list(dict.fromkeys(part.switch for part in rest if part.switch))
        used = mask[: len(wanted)]
        if [part.name for part in used] != wanted or any(part.bits != 1 for part in used):
            raise Unclear("a mask in another order")
        if sum(part.bits for part in mask) != _MASK_BITS or any(part.bits for part in rest):
            raise Unclear("bits that are no mask")
        return self._fields(rest)

    def _fields(self, parts: Sequence[_Part]) -> tuple[Field, ...]:
        """Fields as they follow; the length of an array stands right before it."""
        counts = {part.count_in for part in parts if part.count_in}
        fields: list[Field] = []
        for before, part in zip((None, *parts), parts, strict=False):
            if part.name in counts:
                continue
            if part.count_in and (before is None or before.name != part.count_in or before.kind != f"{{{_OPC}}}Int32"):
                raise Unclear("an array whose length is somewhere else")
            field = Field(part.name, self._type(part.kind), int(bool(part.count_in)))
            fields.append(replace(field, optional=bool(part.switch) and part.case is None))
        return tuple(fields)

    def _type(self, kind: str) -> int | str:
        namespace, _, name = kind.removeprefix("{").partition("}")
        if namespace == self.target and name in self._enumerations:
            return _enumeration(self._enumerations[name])
        if namespace not in (_OPC, _UA):
            return name_of(namespace, name)
        known = _BUILT_IN.get(name.lower())
        return _standard(namespace, name) if known is None else known

    def _qualified(self, text: str) -> str:
        prefix, separator, name = text.rpartition(":")
        namespace = self._prefixes.get(prefix, "") if separator else self.target
        return f"{{{namespace}}}{name}" if text else ""


def _enumeration(bits: str) -> int:
    if bits not in _ENUMERATIONS:
        raise Unclear(f"an enumeration of {bits} bits")
    return int(_ENUMERATIONS[bits])


def _standard(namespace: str, name: str) -> int | str:
    """A type of OPC UA's own dictionary: a structure that the library knows, or an enumeration."""
    found = getattr(ua, name, None) if namespace == _UA else None
    if isinstance(found, type) and hasattr(found, "data_type"):
        return str(found.data_type.to_string())
    if isinstance(found, type) and issubclass(found, IntEnum):
        return int(DataType.INT32)
    raise Unclear(f"{name} is no type of OPC UA")
