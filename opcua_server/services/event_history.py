"""HistoryRead of events (OPC 10000-11, 6.5.2): Server has all of them, another object its own and those below it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from logging import getLogger
from typing import Any

from asyncua import ua

from opcua_server.history.events import Occurrence, Window
from opcua_server.history.historian import Historian
from opcua_server.history.store import FIRST, LAST
from opcua_server.services.continuation import Seal
from opcua_server.services.limits import MAX_HISTORY_EVENTS
from opcua_server.services.monitoring import Where
from opcua_server.services.span import span_of
from opcua_server.uatypes import Foreign, status

_LAYOUT = struct.Struct("<qq?qq")
_AT_ONCE = 100
_log = getLogger(__name__)  # asyncua's filter wants one of its kind

Sources = Mapping[ua.NodeId, tuple[str, ...]]
"""Objects whose events are kept, by NodeId: the path that the sources of theirs begin with."""


class EventReading:
    """Reads kept events. `build` makes the OPC UA event of one; KeyError where the plant knows such events no more."""

    def __init__(
        self, historian: Historian, sources: Sources, build: Callable[[Occurrence], Foreign], aspace: Foreign
    ) -> None:
        self._historian, self._sources, self._build, self._aspace = historian, sources, build, aspace
        self._seal = Seal()

    async def read(
        self, details: ua.ReadEventDetails, asked: ua.HistoryReadValueId, nodes: int
    ) -> ua.HistoryReadResult:
        """A page of the events of one of so many nodes."""
        if asked.NodeId not in self._sources:
            return _refused("BadHistoryOperationUnsupported" if asked.NodeId in self._aspace else "BadNodeIdUnknown")
        if not isinstance(details.Filter, ua.EventFilter) or not details.Filter.SelectClauses:
            return _refused("BadEventFilterInvalid")
        name = asked.NodeId.to_string()
        window = self._continued(asked.ContinuationPoint, name) if asked.ContinuationPoint else _window(details)
        if window is None:
            return _refused("BadContinuationPointInvalid" if asked.ContinuationPoint else "BadHistoryOperationInvalid")
        most = max(MAX_HISTORY_EVENTS // nodes, 1)
        return await self._page(window, asked.NodeId, min(details.NumValuesPerNode or most, most), details.Filter)

    async def _page(self, window: Window, node: ua.NodeId, size: int, wanted: ua.EventFilter) -> ua.HistoryReadResult:
        found = await self._found(window, node, size + 1, Where(_log, self._aspace, wanted.WhereClause))
        point: Any = None
        if len(found) > size:
            last, _ = found[size - 1]
            rest = replace(window, time=last.time, place=last.place)
            point = self._seal.close(_LAYOUT.pack(*astuple(rest)), node.to_string())
        fields = [event.to_event_fields(wanted.SelectClauses) for _, event in found[:size]]
        events: Any = ua.HistoryEvent([ua.HistoryEventFieldList(one) for one in fields])
        return ua.HistoryReadResult(status("Good" if fields else "GoodNoData"), point, events)

    async def _found(
        self, window: Window, node: ua.NodeId, most: int, where: Where
    ) -> list[tuple[Occurrence, Foreign]]:
        """The next events of a node that a filter takes, as many as asked for or more, if there are so many."""
        found: list[tuple[Occurrence, Foreign]] = []
        at_once = max(most, _AT_ONCE)
        while len(found) < most:
            some = await self._historian.events(window, self._sources[node], at_once)
            built = [(one, event) for one in some if (event := self._built(one)) is not None]
            found += [(one, event) for one, event in built if where.eval(event)]
            if len(some) < at_once:
                break
            window = replace(window, time=some[-1].time, place=some[-1].place)
        return found

    def _built(self, one: Occurrence) -> Foreign:
        try:
            return self._build(one)
        except KeyError:
            return None  # kept by a plant that had other types or machines

    def _continued(self, point: bytes, name: str) -> Window | None:
        data = self._seal.open(point, name)
        return Window(*_LAYOUT.unpack(data)) if data else None


def _window(details: ua.ReadEventDetails) -> Window | None:
    span = span_of(details)
    if span is None:
        return None
    start = LAST if span.newest_first else FIRST
    return Window(span.low, span.high, span.newest_first, start, start)


def _refused(name: str) -> ua.HistoryReadResult:
    return ua.HistoryReadResult(status(name))
