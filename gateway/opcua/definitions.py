"""What a server says of its structures: DataTypeDefinition attributes, read with all types that they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from gateway.opcua.browse import browse_children
from gateway.opcua.datatypes import DataTypes
from gateway.opcua.describe import built_in, is_basic, read_attributes, way_up
from gateway.opcua.dictionary import read_dictionaries
from gateway.opcua.nodes import UnknownNamespaceError, standard
from gateway.opcua.structures import Field, Shape, Structure, standard_structure
from gateway.values import DataType

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gateway.opcua.described import Description
    from gateway.opcua.session import Session

_SHAPES = {0: Shape.PLAIN, 1: Shape.OPTIONAL, 2: Shape.UNION, 3: Shape.PLAIN, 4: Shape.UNION}
"""By StructureType (OPC 10000-3, 8.48)."""
_SUBTYPED = 3  # from here on IsOptional says that a field may be of a subtype
_SCALAR = -1
_ANY_STRUCTURE = standard(ua.ObjectIds.Structure)
_MOST = 10_000  # data types; a server that has more must do without
_BINARY = "Default Binary"

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Facts:
    """What is known on the way, by data type."""

    definitions: dict[ua.NodeId, ua.StructureDefinition | None] = field(default_factory=dict)  # None: it has none
    abstract: set[ua.NodeId] = field(default_factory=set)
    encodings: dict[ua.NodeId, ua.NodeId] = field(default_factory=dict)
    built_in: dict[ua.NodeId, DataType | None] = field(default_factory=dict)


async def read_data_types(session: Session, kinds: Collection[ua.NodeId]) -> DataTypes:
    """The structures that variables of these data types can hold: they, their subtypes, and what is in their fields."""
    facts = _Facts()
    level = {_ANY_STRUCTURE if kind == standard(ua.ObjectIds.BaseDataType) else kind for kind in kinds}
    while level and len(facts.definitions) < _MOST:
        await _define(session, facts, level)
        below = await browse_children(
            session, list(level), reference=ua.ObjectIds.HasSubtype, classes=ua.NodeClass.DataType
        )
        subtypes = (session.namespaces.local(one.NodeId) for references in below for one in references)
        fields = await _structures_in_fields(session, facts, level)
        level = {kind for kind in (*subtypes, *fields) if kind is not None} - facts.definitions.keys()
    await _find_encodings(session, facts)
    return await _completed(session, facts, _data_types(session, facts))


async def _completed(session: Session, facts: _Facts, known: DataTypes) -> DataTypes:
    """With those that the server describes in a dictionary only, as before 1.04."""
    lacking = [kind for kind, definition in facts.definitions.items() if definition is None and kind.NamespaceIndex]
    found = await read_dictionaries(session, lacking)
    if not found.encodings:
        return known
    structures = _whole({**found.structures, **known.structures})
    encodings = {**found.encodings, **known.encodings}
    return DataTypes(
        known.namespaces, structures, {encoding: name for encoding, name in encodings.items() if name in structures}
    )


async def _define(session: Session, facts: _Facts, kinds: Collection[ua.NodeId]) -> None:
    """Read what the server has defined itself; the structures of namespace 0 are known."""
    facts.definitions |= dict.fromkeys(kinds)
    own = [kind for kind in kinds if kind.NamespaceIndex]
    wanted = (ua.AttributeIds.DataTypeDefinition, ua.AttributeIds.IsAbstract)
    values = await read_attributes(session, [(kind, attribute) for kind in own for attribute in wanted])
    for kind, definition, is_abstract in zip(own, values[::2], values[1::2], strict=True):
        facts.definitions[kind] = definition if isinstance(definition, ua.StructureDefinition) else None
        if is_abstract:
            facts.abstract.add(kind)


async def _structures_in_fields(session: Session, facts: _Facts, kinds: Iterable[ua.NodeId]) -> list[ua.NodeId]:
    """Find out how the fields of these are encoded; those that are structures, for the next round."""
    definitions = (facts.definitions[kind] for kind in kinds)
    types = {one.DataType for definition in definitions if definition for one in definition.Fields or ()}
    for kind in types - facts.built_in.keys():
        way = await way_up(session, kind)
        facts.built_in[kind] = built_in(way) if is_basic(way[-1]) else None
    return [kind for kind in types if facts.built_in[kind] == DataType.EXTENSIONOBJECT]


async def _find_encodings(session: Session, facts: _Facts) -> None:
    """The ids of the binary encodings; browsed for where a definition does not tell."""
    silent = []
    for kind, definition in facts.definitions.items():
        if definition is not None and not definition.DefaultEncodingId.is_null():
            facts.encodings[kind] = definition.DefaultEncodingId
        elif definition is not None:
            silent.append(kind)
    found = await browse_children(session, silent, reference=ua.ObjectIds.HasEncoding, classes=ua.NodeClass.Object)
    for kind, references in zip(silent, found, strict=True):
        for one in references:
            node = session.namespaces.local(one.NodeId)
            if one.BrowseName.Name == _BINARY and node is not None:
                facts.encodings[kind] = node


def _data_types(session: Session, facts: _Facts) -> DataTypes:
    """All structures whose every field is understood."""
    names = {kind: _text(session, kind) for kind, definition in facts.definitions.items() if definition}
    structures = {
        name: structure
        for kind, name in names.items()
        if (structure := _structure(session, facts, facts.definitions[kind])) is not None
    }
    whole = _whole(structures)
    encodings = {_text(session, node): names[kind] for kind, node in facts.encodings.items()}
    known = {encoding: name for encoding, name in encodings.items() if name in whole}
    return DataTypes(session.namespaces.uris, whole, known)


def _whole(structures: Mapping[str, Structure | Description]) -> dict[str, Structure | Description]:
    """Those whose every field is understood."""
    whole = dict(structures)
    while lacking := [name for name, one in whole.items() if not _is_whole(one, whole)]:
        for name in lacking:
            _log.warning("structure is not understood, its values stay bytes", data_type=name)
            del whole[name]
    return whole


def _text(session: Session, node: ua.NodeId) -> str:
    """As Tag.node; a node of no namespace is called by its index, which nobody will ask for."""
    try:
        return session.namespaces.text(node)
    except UnknownNamespaceError:
        return str(node.to_string())


def _structure(session: Session, facts: _Facts, definition: ua.StructureDefinition | None) -> Structure | None:
    assert definition is not None
    kind = int(definition.StructureType)
    shape = _SHAPES.get(kind)
    fields = [_field(session, facts, one, kind) for one in definition.Fields or ()]
    understood = tuple(one for one in fields if one is not None)
    return Structure(shape, understood) if shape and len(understood) == len(fields) else None


def _field(session: Session, facts: _Facts, one: ua.StructureField, shape: int) -> Field | None:
    """None for a field that nobody could find in the bytes: of an unknown type, or of one rank or another."""
    base, rank = facts.built_in[one.DataType], int(one.ValueRank)
    if base is None or (rank != _SCALAR and rank < 1):
        return None
    may_be_other = bool(one.IsOptional) and shape >= _SUBTYPED
    is_inline = base == DataType.EXTENSIONOBJECT and not is_basic(one.DataType)
    kind: int | str = int(base)
    if is_inline and not may_be_other and one.DataType not in facts.abstract:
        kind = _text(session, one.DataType)
    elif may_be_other and base != DataType.EXTENSIONOBJECT:
        kind = int(DataType.VARIANT)
    return Field(str(one.Name), kind, max(rank, 0), bool(one.IsOptional) and _SHAPES[shape] is Shape.OPTIONAL)


def _is_whole(structure: Structure | Description, known: Collection[str]) -> bool:
    """Whether every structure in its fields is known."""
    inner = (one.type for one in structure.fields if isinstance(one.type, str))
    return all(name in known or standard_structure(name) for name in inner)
