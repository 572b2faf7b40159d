"""Structures by the definitions of their server: how they lie in bytes, what they are as JSON (OPC 10000-6, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from typing import TYPE_CHECKING, Any

import orjson

from gateway.opcua.described import Description, Part, read_described
from gateway.opcua.structures import Field, Shape, Structure, standard_encodings, standard_structure
from gateway.opcua.variant import READERS, Malformed, Reader, Undecodable, elements, folded, nested, shown

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class DataTypes:
    """All that is known of a server's structures, beside those of namespace 0.

    Data types and encodings are "nsu=<uri>;i=…" as in Tag.node.
    """

    namespaces: tuple[str, ...] = ()  # the server's, while records of this time were made
    structures: Mapping[str, Structure | Description] = field(default_factory=dict)  # by data type
    encodings: Mapping[str, str] = field(default_factory=dict)  # binary encoding -> data type

    def decode(self, type_id: str, body: bytes, depth: int) -> dict[str, Any] | None:
        """The fields of a structure by the encoding id as it was sent, "ns=3;i=5001". None: the type is not known.

        Raises Undecodable where the bytes do not fit the definition.
        """
        data_type = self._as_sent.get(type_id) or standard_encodings().get(type_id, "")
        structure = self._known(data_type)
        if structure is None:
            return None
        reader = Reader(body, types=self, depth=depth)
        try:
            value = self._structure(structure, reader)
        except Malformed as error:
            raise Undecodable(f"{data_type}: {error}") from error
        if reader.pos != len(body) or reader.undecodable:
            raise Undecodable(f"{data_type}: {len(body)} bytes, {reader.pos} by its definition")
        return value

    def extends(self, other: DataTypes) -> bool:
        """Whether all that the other says holds here, too."""
        return (
            self.namespaces == other.namespaces
            and other.structures.items() <= self.structures.items()
            and other.encodings.items() <= self.encodings.items()
        )

    @cached_property
    def _as_sent(self) -> dict[str, str]:
        """Encoding id as it is sent, by index or by URI -> data type."""
        index = {uri: number for number, uri in reversed(tuple(enumerate(self.namespaces)))}
        local: dict[str, str] = {}
        for encoding, data_type in self.encodings.items():
            scope, _, identifier = encoding.removeprefix("nsu=").partition(";")
            uri = scope.replace("%3B", ";").replace("%25", "%")
            local[f"nsu={uri};{identifier}"] = data_type
            if uri in index:
                local[f"ns={index[uri]};{identifier}"] = data_type
        return local

    def _known(self, data_type: str) -> Structure | Description | None:
        return self.structures.get(data_type) or standard_structure(data_type)

    def _structure(self, structure: Structure | Description, reader: Reader) -> dict[str, Any]:
        if isinstance(structure, Description):
            return read_described(structure, reader, self._reader)
        return {one.name: self._value(one, reader) for one in _present(structure, reader)}

    def _value(self, one: Field, reader: Reader) -> Any:  # noqa: ANN401 - any OPC UA value
        read = self._reader(one.type)
        if not one.dimensions:
            return shown(read(reader))
        if reader.is_null_array():
            reader.count()
            return None
        if one.dimensions == 1:
            return elements(reader, read, reader.count())
        sizes = reader.dimensions()
        total = prod(sizes) if min(sizes, default=0) > 0 else 0
        reader.require(total)
        return folded(elements(reader, read, total), sizes)

    def _reader(self, kind: int | str) -> Callable[[Reader], Any]:
        if isinstance(kind, int):
            return READERS[kind]
        structure = self._known(kind)
        if structure is None:
            raise Undecodable(f"{kind} is not known")
        return partial(self._inline, structure)

    def _inline(self, structure: Structure | Description, reader: Reader) -> dict[str, Any]:
        """One that lies in another; none that takes no bytes though it has fields: any number could be announced."""
        start = reader.pos
        value: dict[str, Any] = nested(reader, partial(self._structure, structure))
        if structure.fields and reader.pos == start:
            raise Malformed("a structure without bytes")
        return value


def _present(structure: Structure, reader: Reader) -> tuple[Field, ...]:
    """The fields that follow."""
    fields = structure.fields
    if structure.shape is Shape.PLAIN:
        return fields
    number = reader.uint32()
    if structure.shape is Shape.UNION:
        if number > len(fields):
            raise Malformed(f"field {number} of a union of {len(fields)}")
        return fields[number - 1 : number] if number else ()
    bits = {one.name: 1 << place for place, one in enumerate(one for one in fields if one.optional)}
    if number >> len(bits):
        raise Malformed(f"mask {number:#x} for {len(bits)} optional fields")
    return tuple(one for one in fields if not one.optional or number & bits[one.name])


def packed(types: DataTypes) -> bytes:
    """As JSON."""
    return orjson.dumps({"namespaces": types.namespaces, "structures": types.structures, "encodings": types.encodings})


def unpacked(body: bytes) -> DataTypes:
    """Of packed(). ValueError if it is not."""
    try:
        plain = orjson.loads(body)
        structures = {data_type: _layout(one) for data_type, one in plain["structures"].items()}
        return DataTypes(tuple(plain["namespaces"]), structures, plain["encodings"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no data types: {error}") from error


def _layout(plain: Mapping[str, Any]) -> Structure | Description:
    if "shape" not in plain:
        return Description(tuple(Part(**part) for part in plain["fields"]))
    return Structure(Shape(plain["shape"]), tuple(Field(**field) for field in plain["fields"]))
