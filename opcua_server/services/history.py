"""HistoryRead of raw values (OPC 10000-11, 6.5.3); that of events has a module of its own."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

from asyncua import ua

from opcua_server.history.historian import Historian
from opcua_server.history.samples import Samples, concatenate, from_rows
from opcua_server.history.store import FIRST, LAST
from opcua_server.history.wire import history_data, kind_of
from opcua_server.services.continuation import Seal
from opcua_server.services.event_history import EventReading
from opcua_server.services.limits import MAX_HISTORY_VALUES
from opcua_server.services.span import Span, span_of
from opcua_server.uatypes import Foreign, status

_MAX_VALUES_PER_CALL = 100_000
_NO_BOUND = ua.StatusCodes.BadBoundNotFound
_LAYOUT = struct.Struct("<qq??q?q")


class HistoryReading:
    """The history service. It stands in the place of asyncua's history manager."""

    def __init__(self, historian: Historian, events: EventReading, namespace: int, aspace: Foreign) -> None:
        self._historian, self._events, self._namespace, self._aspace = historian, events, namespace, aspace
        self._seal = Seal()

    async def init(self) -> None:
        """Nothing to prepare; asyncua asks."""

    async def stop(self) -> None:
        """Nothing to end: the historian is its maker's; asyncua asks."""

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """One result a node."""
        if params.ReleaseContinuationPoints:
            return [ua.HistoryReadResult() for _ in params.NodesToRead]
        details = params.HistoryReadDetails
        if isinstance(details, ua.ReadEventDetails):
            return [await self._events.read(details, asked, len(params.NodesToRead)) for asked in params.NodesToRead]
        size = max(_MAX_VALUES_PER_CALL // len(params.NodesToRead), 1)
        return [await self._read(params, asked, min(size, MAX_HISTORY_VALUES)) for asked in params.NodesToRead]

    async def _read(
        self, params: ua.HistoryReadParameters, asked: ua.HistoryReadValueId, size: int
    ) -> ua.HistoryReadResult:
        refused = self._refusal(params, asked)
        if refused is not None:
            return _refused(refused)
        details, name = params.HistoryReadDetails, str(asked.NodeId.Identifier)
        if asked.ContinuationPoint:
            span = self._continued(asked.ContinuationPoint, name)
            return await self._page(name, span, size, details) if span else _refused("BadContinuationPointInvalid")
        span = span_of(details)
        if span is None:
            return _refused("BadHistoryOperationInvalid")
        return await self._page(name, await self._bounded(name, span) if details.ReturnBounds else span, size, details)

    def _refusal(self, params: ua.HistoryReadParameters, asked: ua.HistoryReadValueId) -> str | None:
        """The name of the status code that refuses a read, if so."""
        details = params.HistoryReadDetails
        if asked.NodeId not in self._aspace:
            return "BadNodeIdUnknown"
        is_ours = asked.NodeId.NamespaceIndex == self._namespace and asked.NodeId.Identifier in self._historian.types
        if not is_ours or not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            return "BadHistoryOperationUnsupported"
        if params.TimestampsToReturn not in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both):
            return "BadTimestampNotSupported"
        return "BadIndexRangeNoData" if asked.IndexRange else None

    async def _bounded(self, name: str, span: Span) -> Span:
        """The span, widened to the samples at or just beyond its ends."""
        span = await self._with_lead(name, span)
        return span if span.tail == 0 else await self._with_tail(name, span)

    async def _with_lead(self, name: str, span: Span) -> Span:
        backwards = span.newest_first
        window = (span.lead, LAST) if backwards else (FIRST, span.lead)
        found = await self._historian.read(name, *window, 1, newest_first=not backwards)
        if not len(found):
            return replace(span, lead_missing=True)
        bound = int(found.time[0])
        return replace(span, high=bound) if backwards else replace(span, low=bound)

    async def _with_tail(self, name: str, span: Span) -> Span:
        backwards = span.newest_first
        window = (FIRST, span.tail) if backwards else (span.tail, LAST)
        found = await self._historian.read(name, *window, 1, newest_first=backwards)
        if not len(found):
            return replace(span, tail_missing=True)
        bound = int(found.time[0])
        return replace(span, low=bound) if backwards else replace(span, high=bound)

    async def _page(self, name: str, span: Span, size: int, details: ua.ReadRawModifiedDetails) -> ua.HistoryReadResult:
        size = min(details.NumValuesPerNode or size, size)
        type_ = self._historian.types[name]
        lead = [missing(type_, span.lead)] if span.lead_missing else []
        room = size - len(lead)
        samples = await self._historian.read(name, span.low, span.high, room + 1, newest_first=span.newest_first)
        rest = span.rest(samples.time.tolist(), room)
        tail = [missing(type_, span.tail)] if span.tail_missing and rest is None else []
        found = concatenate(kind_of(type_), [*lead, samples[:room], *tail])
        point: Any = self._point(rest, name) if rest else None
        data: Any = history_data(type_, found)
        return ua.HistoryReadResult(status("Good" if len(found) else "GoodNoData"), point, data)

    def _point(self, span: Span, name: str) -> bytes:
        """A continuation point: what is left, signed."""
        left = (span.low, span.high, span.newest_first, span.lead_missing, span.lead, span.tail_missing, span.tail)
        return self._seal.close(_LAYOUT.pack(*left), name)

    def _continued(self, point: bytes, name: str) -> Span | None:
        data = self._seal.open(point, name)
        return Span(*_LAYOUT.unpack(data)) if data else None


def missing(type_: ua.VariantType, time: int) -> Samples:
    """A bound that is not there."""
    return from_rows(kind_of(type_), [(time, None, _NO_BOUND)])


def _refused(name: str) -> ua.HistoryReadResult:
    return ua.HistoryReadResult(status(name))
