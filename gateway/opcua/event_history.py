"""HistoryRead of events: page by page, with the fields in the order of the event item's (OPC 10000-11, 6.5.2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from asyncua import ua

from gateway.opcua.errors import ServiceFault, fault, is_bad, translated
from gateway.opcua.event_types import SERVER, event_filter
from gateway.opcua.wire import history_read_response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.opcua.events import EventReader
    from gateway.opcua.session import Session

_AT_ONCE = 1_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def read_events(
    session: Session, reader: EventReader, start: int, end: int, timeout_s: float
) -> AsyncIterator[list[list[Any]]]:
    """The events from start to end (Unix ns), a page at a time. ServiceFault where the server has no such history."""
    details = ua.ReadEventDetails(
        NumValuesPerNode=_AT_ONCE,
        StartTime=_EPOCH + timedelta(microseconds=start // 1_000),
        EndTime=_EPOCH + timedelta(microseconds=end // 1_000 + 1),
        Filter=event_filter(reader.types),
    )
    await _require_history(session)
    point = b""
    while True:
        request = ua.HistoryReadRequest()
        request.Parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ReleaseContinuationPoints=False,
            NodesToRead=[ua.HistoryReadValueId(NodeId=SERVER, ContinuationPoint=point or None)],
        )
        answer = await session.call(request, timeout_s)
        with translated(session.url):
            (page,) = history_read_response(answer)
            if is_bad(page.status) and page.status != ua.StatusCodes.BadNoData:
                raise fault(page.status)
            events = reader.history(page.values)
        yield events
        point = page.continuation
        if not point:
            return


async def _require_history(session: Session) -> None:
    """ServiceFault unless the Server object says that its events can be read."""
    wanted = ua.ReadValueId(NodeId=SERVER, AttributeId=ua.AttributeIds.EventNotifier)
    (told,) = await session.ask(session.services.read, ua.ReadParameters(NodesToRead=[wanted]))
    notifier = told.Value.Value if told.Value is not None else 0
    if not int(notifier or 0) & 1 << ua.EventNotifier.HistoryRead:
        raise ServiceFault(int(ua.StatusCodes.BadHistoryOperationUnsupported))
