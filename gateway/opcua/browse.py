"""Walk an address space: level by level, in chunks, every node once however many ways lead to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from gateway.opcua.errors import in_words, is_bad
from gateway.opcua.nodes import standard
from gateway.opcua.session import in_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.opcua.patterns import Selection
    from gateway.opcua.session import Session

OBJECTS = standard(ua.ObjectIds.ObjectsFolder)
_SERVER = standard(ua.ObjectIds.Server)
_DEEPEST = 50  # levels; nobody builds that, but a generated space may not end
_NOT_FOLLOWED = frozenset(map(int, (ua.ObjectIds.HasEventSource, ua.ObjectIds.HasNotifier, ua.ObjectIds.HasSubtype)))
_WANTED = (
    ua.BrowseResultMask.ReferenceTypeId
    | ua.BrowseResultMask.NodeClass
    | ua.BrowseResultMask.BrowseName
    | ua.BrowseResultMask.TypeDefinition
)
_VARIABLES_AND_OBJECTS = ua.NodeClass.Object | ua.NodeClass.Variable

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A node, where it was found, whether it is a variable that is wanted, and its properties by browse name."""

    node: ua.NodeId
    path: tuple[str, ...]
    is_wanted: bool
    properties: dict[str, ua.NodeId] = field(default_factory=dict)


async def browse_children(
    session: Session,
    nodes: Sequence[ua.NodeId],
    *,
    reference: int = ua.ObjectIds.HierarchicalReferences,
    classes: int = _VARIABLES_AND_OBJECTS,
    direction: ua.BrowseDirection = ua.BrowseDirection.Forward,
) -> list[list[ua.ReferenceDescription]]:
    """All references of each node: continuation points are followed. A node that cannot be browsed has none."""
    wanted = [
        ua.BrowseDescription(
            NodeId=node,
            BrowseDirection=direction,
            ReferenceTypeId=standard(reference),
            IncludeSubtypes=True,
            NodeClassMask=int(classes),
            ResultMask=int(_WANTED),
        )
        for node in nodes
    ]
    return await in_chunks(wanted, session.limits.browse, partial(_browse, session))


async def _browse(session: Session, wanted: Sequence[ua.BrowseDescription]) -> list[list[ua.ReferenceDescription]]:
    parameters = ua.BrowseParameters(NodesToBrowse=list(wanted), RequestedMaxReferencesPerNode=0)
    results = await session.ask(session.services.browse, parameters)
    references = [_references(result) for result in results]
    open_ends = {i: result.ContinuationPoint for i, result in enumerate(results) if result.ContinuationPoint}
    while open_ends:
        following = await session.ask(session.services.browse_next, _next(open_ends.values()))
        ends = dict(zip(open_ends, following, strict=True))
        for i, result in ends.items():
            references[i] += _references(result)
        open_ends = {i: result.ContinuationPoint for i, result in ends.items() if result.ContinuationPoint}
    return references


def _next(points: object) -> ua.BrowseNextParameters:
    return ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=list(points))  # type: ignore[call-overload]


def _references(result: ua.BrowseResult) -> list[ua.ReferenceDescription]:
    if is_bad(result.StatusCode.value):
        _log.warning("a node cannot be browsed", reason=in_words(result.StatusCode.value))
        return []
    return list(result.References or ())


async def find_variables(session: Session, selection: Selection) -> list[Found]:
    """Every wanted variable below Objects with its shortest path; properties of variables are noted, not taken.

    Of references only what is needed is kept, call by call: all those to 100,000 variables would take 60 MB.
    """
    seen = {OBJECTS, _SERVER}
    level = [Found(OBJECTS, (), is_wanted=False)]
    found: list[Found] = []
    for _ in range(_DEEPEST):
        if not level:
            break
        below: list[Found] = []
        for start in range(0, len(level), session.limits.browse):
            part = level[start : start + session.limits.browse]
            children = await browse_children(session, [one.node for one in part])
            below += [
                one
                for parent, references in zip(part, children, strict=True)
                for reference in references
                if (one := _step(session, selection, parent, reference, seen)) is not None
            ]
        found += [one for one in below if one.is_wanted]
        level = below
    return found


def _step(
    session: Session, selection: Selection, parent: Found, reference: ua.ReferenceDescription, seen: set[ua.NodeId]
) -> Found | None:
    """Where a reference leads; None where there is nothing new to look at. Notes properties on the way."""
    node = session.namespaces.local(reference.NodeId)
    if node is None or _kind(reference) in _NOT_FOLLOWED:
        return None
    name = reference.BrowseName.Name or ""
    if _kind(reference) == ua.ObjectIds.HasProperty:
        if parent.is_wanted:
            parent.properties[name] = node
        return None
    path = (*parent.path, name)
    if node in seen or not selection.leads_on(path):
        return None
    seen.add(node)
    is_wanted = reference.NodeClass == ua.NodeClass.Variable and selection.takes(path)
    return Found(node, path, is_wanted)


def _kind(reference: ua.ReferenceDescription) -> int:
    """The reference type if it is one of namespace 0, else 0."""
    kind = reference.ReferenceTypeId
    return int(kind.Identifier) if kind.NamespaceIndex == 0 else 0
