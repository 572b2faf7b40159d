"""Node ids by namespace URI: the index is the server's of one session, the URI is for ever."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any
from uuid import UUID

from asyncua import ua

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_WRITE: dict[ua.NodeIdType, Callable[[Any], str]] = {
    ua.NodeIdType.String: lambda identifier: f"s={identifier}",
    ua.NodeIdType.Guid: lambda identifier: f"g={identifier}",
    ua.NodeIdType.ByteString: lambda identifier: f"b={b64encode(identifier).decode()}",
}
_READ: dict[str, tuple[ua.NodeIdType, Callable[[str], Any]]] = {
    "i": (ua.NodeIdType.Numeric, int),
    "s": (ua.NodeIdType.String, str),
    "g": (ua.NodeIdType.Guid, UUID),
    "b": (ua.NodeIdType.ByteString, b64decode),
}


class UnknownNamespaceError(LookupError):
    """The server does not have this namespace (now)."""


class Namespaces:
    """The NamespaceArray of a server, read anew at every connect."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.uris = tuple(uris)
        self._index = {uri: index for index, uri in reversed(tuple(enumerate(self.uris)))}

    def text(self, node: ua.NodeId) -> str:
        """The text "nsu=<uri>;s=<id>", in namespace 0 "i=<id>". UnknownNamespaceError for an unknown index."""
        identifier = _WRITE.get(node.NodeIdType, lambda value: f"i={value}")(node.Identifier)
        uri = getattr(node, "NamespaceUri", None)
        if not uri and node.NamespaceIndex == 0:
            return identifier
        return f"nsu={_escaped(uri or self._uri(node.NamespaceIndex))};{identifier}"

    def _uri(self, index: int) -> str:
        if index >= len(self.uris):
            raise UnknownNamespaceError(f"namespace index {index} of {len(self.uris)}")
        return self.uris[index]

    def has(self, text: str) -> bool:
        """Whether the server has the namespace of such a text now."""
        scope, separator, _ = text.removeprefix("nsu=").partition(";")
        return not text.startswith("nsu=") or (separator != "" and _plain(scope) in self._index)

    def node(self, text: str) -> ua.NodeId:
        """The NodeId of such a text on this server. UnknownNamespaceError where the server has not its namespace."""
        scope, _, identifier = text.removeprefix("nsu=").partition(";") if text.startswith("nsu=") else ("", "", text)
        uri = _plain(scope)
        if uri and uri not in self._index:
            raise UnknownNamespaceError(f"the server has no namespace {uri}")
        kind, read = _READ[identifier[0]]
        return _node_id(read(identifier[2:]), self._index[uri] if uri else 0, kind)

    def local(self, node: ua.NodeId) -> ua.NodeId | None:
        """An ExpandedNodeId as a NodeId of this server; None when it is on another or in an unknown namespace."""
        if getattr(node, "ServerIndex", None):
            return None
        uri = getattr(node, "NamespaceUri", None)
        if uri and uri not in self._index:
            return None
        return _node_id(node.Identifier, self._index[uri] if uri else node.NamespaceIndex, node.NodeIdType)


def standard(number: int) -> ua.NodeId:
    """The NodeId of a node of namespace 0."""
    return _node_id(int(number), 0, ua.NodeIdType.Numeric)


def _node_id(identifier: Any, index: int, kind: ua.NodeIdType) -> ua.NodeId:  # noqa: ANN401 - int, str, bytes or UUID
    return ua.NodeId(identifier, index, kind)  # type: ignore[arg-type]  # the library's own int


def _plain(scope: str) -> str:
    return scope.replace("%3B", ";").replace("%25", "%")


def _escaped(uri: str) -> str:
    """As OPC 10000-6, 5.1.12 writes a URI within a node id."""
    return uri.replace("%", "%25").replace(";", "%3B")
