"""Structures of data types that have no DataTypeDefinition: the server's type dictionaries, read as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from gateway.opcua.browse import browse_children
from gateway.opcua.bsd import BSD, Unclear, name_of, read_dictionary
from gateway.opcua.datatypes import DataTypes
from gateway.opcua.describe import read_attributes
from gateway.opcua.nodes import standard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.opcua.described import Description
    from gateway.opcua.session import Session

_ALL = standard(ua.ObjectIds.OPCBinarySchema_TypeSystem)
_BINARY = "Default Binary"
_ANY = 0  # class of nodes

_log = structlog.get_logger(__name__)


async def read_dictionaries(session: Session, kinds: Sequence[ua.NodeId]) -> DataTypes:
    """The structures of these data types, and those within them, as far as the server's dictionaries describe them."""
    encodings = await _encodings(session, kinds)
    if not encodings:
        return DataTypes(session.namespaces.uris)
    structures, described = await _read_all(session)
    known = {name: one for name, one in structures.items() if name.startswith(BSD)}
    meant = {node: kind for node, kind in encodings.items() if described.get(node) in structures}
    known |= {session.namespaces.text(kind): structures[described[node]] for node, kind in meant.items()}
    names = {session.namespaces.text(node): session.namespaces.text(kind) for node, kind in meant.items()}
    return DataTypes(session.namespaces.uris, known, names)


async def _encodings(session: Session, kinds: Sequence[ua.NodeId]) -> dict[ua.NodeId, ua.NodeId]:
    """The binary encodings of data types; an abstract one has none."""
    found = await browse_children(session, kinds, reference=ua.ObjectIds.HasEncoding, classes=ua.NodeClass.Object)
    return {
        node: kind
        for kind, references in zip(kinds, found, strict=True)
        for one in references
        if one.BrowseName.Name == _BINARY and (node := session.namespaces.local(one.NodeId)) is not None
    }


async def _read_all(session: Session) -> tuple[dict[str, Description], dict[ua.NodeId, str]]:
    """All structures that dictionaries of the server's own describe, by name; and which encoding has which name."""
    dictionaries = [node for node in await _below(session, _ALL) if node.NamespaceIndex]
    structures: dict[str, Description] = {}
    described: dict[ua.NodeId, str] = {}
    contents = await read_attributes(session, [(node, ua.AttributeIds.Value) for node in dictionaries])
    for node, content in zip(dictionaries, contents, strict=True):
        try:
            target, found = read_dictionary(content if isinstance(content, bytes) else b"")
        except Unclear as error:
            _log.warning("type dictionary is not understood", dictionary=node.to_string(), reason=str(error))
            continue
        structures |= found
        described |= {encoding: name_of(target, name) for encoding, name in await _described(session, node)}
    return structures, described


async def _below(session: Session, node: ua.NodeId) -> list[ua.NodeId]:
    (found,) = await browse_children(
        session, [node], reference=ua.ObjectIds.HasComponent, classes=ua.NodeClass.Variable
    )
    return [child for one in found if (child := session.namespaces.local(one.NodeId)) is not None]


async def _described(session: Session, dictionary: ua.NodeId) -> list[tuple[ua.NodeId, str]]:
    """The encodings that a dictionary describes, each with the name of its type there."""
    descriptions = await _below(session, dictionary)
    names = await read_attributes(session, [(node, ua.AttributeIds.Value) for node in descriptions])
    found = await browse_children(
        session,
        descriptions,
        reference=ua.ObjectIds.HasDescription,
        classes=_ANY,
        direction=ua.BrowseDirection.Inverse,
    )
    return [
        (node, name)
        for name, references in zip(names, found, strict=True)
        for one in references
        if isinstance(name, str) and (node := session.namespaces.local(one.NodeId)) is not None
    ]
