"""HistoryRead of raw values: pages of several nodes at once, cut but not decoded (OPC 10000-11, 6.5.3)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from asyncua import ua

from gateway.opcua.errors import translated
from gateway.opcua.session import in_chunks
from gateway.opcua.wire import HistoryPage, history_read_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.opcua.session import Session
    from gateway.opcua.settings import BackfillSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where to read: one node, and where an earlier answer stopped (b"": at the start)."""

    tag_id: int
    node: ua.NodeId
    continuation: bytes = b""


async def read_pages(
    session: Session, stretches: Sequence[Stretch], start: int, end: int, settings: BackfillSettings
) -> list[HistoryPage]:
    """The next page of each stretch, in their order. Times are Unix ns and widened to the microsecond."""
    details = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=_EPOCH + timedelta(microseconds=start // 1_000),
        EndTime=_EPOCH + timedelta(microseconds=end // 1_000 + 1),
        NumValuesPerNode=settings.values_per_node,
        ReturnBounds=False,
    )
    read = partial(_read, session, details, settings.timeout_s)
    pages: list[HistoryPage] = await in_chunks(stretches, min(session.limits.history, settings.nodes_per_call), read)
    return pages


async def _read(
    session: Session, details: ua.ReadRawModifiedDetails, timeout_s: float, stretches: Sequence[Stretch]
) -> list[HistoryPage]:
    request = ua.HistoryReadRequest()
    request.Parameters = ua.HistoryReadParameters(
        HistoryReadDetails=details,
        TimestampsToReturn=ua.TimestampsToReturn.Source,
        ReleaseContinuationPoints=False,
        NodesToRead=[
            ua.HistoryReadValueId(NodeId=one.node, ContinuationPoint=one.continuation or None) for one in stretches
        ],
    )
    answer = await session.call(request, timeout_s)
    with translated(session.url):
        return history_read_response(answer)
