"""Browse and BrowseNext with continuation points (OPC 10000-4, 5.9)."""

from __future__ import annotations

import secrets

from asyncua import ua
from asyncua.server.address_space import ViewService

from opcua_server.services.limits import MAX_BROWSE_POINTS
from opcua_server.uatypes import status

_BAD_NODE = status("BadNodeIdUnknown")
_BAD_REFERENCE_TYPE = status("BadReferenceTypeIdInvalid")
_BAD_POINT = status("BadContinuationPointInvalid")
_NO_POINTS = status("BadNoContinuationPoints")


class Points:
    """What one session has still to fetch: continuation point -> (references, how many at a time)."""

    def __init__(self) -> None:
        self._open: dict[bytes, tuple[list[ua.ReferenceDescription], int]] = {}

    def page(self, references: list[ua.ReferenceDescription], size: int) -> ua.BrowseResult:
        """The first `size` references; the rest waits under a new continuation point."""
        if not size or len(references) <= size:
            return ua.BrowseResult(References=references)
        if len(self._open) >= MAX_BROWSE_POINTS:
            return ua.BrowseResult(StatusCode=_NO_POINTS)
        point = secrets.token_bytes(8)
        self._open[point] = (references[size:], size)
        return ua.BrowseResult(ContinuationPoint=point, References=references[:size])

    def next(self, point: bytes, *, release: bool) -> ua.BrowseResult:
        """The next page of a continuation point, or its end."""
        rest = self._open.pop(point, None)
        if rest is None:
            return ua.BrowseResult(StatusCode=_BAD_POINT)
        return ua.BrowseResult() if release else self.page(*rest)


class View(ViewService):
    """asyncua's view service, with pages and the status codes of the specification."""

    def references(self, asked: ua.BrowseDescription) -> list[ua.ReferenceDescription] | ua.StatusCode:
        """What a browse description selects, or why it cannot."""
        if asked.NodeId not in self._aspace:
            return _BAD_NODE
        if not asked.ReferenceTypeId.is_null() and asked.ReferenceTypeId not in self._aspace:
            return _BAD_REFERENCE_TYPE
        return [ref for ref in self._aspace[asked.NodeId].references if self._is_suitable_ref(asked, ref)]

    def browse_pages(self, params: ua.BrowseParameters, points: Points) -> list[ua.BrowseResult]:
        """One result a node, no longer than the client asked."""
        found = (self.references(asked) for asked in params.NodesToBrowse)
        size = params.RequestedMaxReferencesPerNode
        return [points.page(f, size) if isinstance(f, list) else ua.BrowseResult(StatusCode=f) for f in found]
