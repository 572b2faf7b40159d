"""The times that a HistoryRead asks for (OPC 10000-11, 6.5.3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from asyncua import ua

from opcua_server.clock import from_datetime
from opcua_server.history.store import FIRST, LAST

_NULL_YEAR = 1601
"""Of the null DateTime (OPC 10000-6, 5.2.2.5)."""


@dataclass(frozen=True)
class Span:
    """What of a node is still to be read: times low … high, both included, and where a bound has to be said missing."""

    low: int
    high: int
    newest_first: bool = False
    lead_missing: bool = False
    lead: int = 0
    tail_missing: bool = False
    tail: int = 0

    def rest(self, times: Sequence[int], room: int) -> Span | None:
        """What is left after a page with room for so many of the samples at these times; None for nothing."""
        left = replace(self, lead_missing=False)
        if len(times) > room:
            last = times[room - 1] if room else None
            return left if last is None else left.after(last)
        return replace(left, low=LAST, high=FIRST) if self.tail_missing and len(times) == room else None

    def after(self, last_read: int) -> Span:
        """What is left after a sample."""
        return replace(self, high=last_read - 1) if self.newest_first else replace(self, low=last_read + 1)


def _moment(time: datetime | None) -> int | None:
    """Unix nanoseconds, None for the null DateTime."""
    if time is None or time.year <= _NULL_YEAR:
        return None
    return min(from_datetime(time), LAST)


def span_of(details: ua.ReadRawModifiedDetails | ua.ReadEventDetails) -> Span | None:
    """The times a client asks for; None where it says too little. The end is not included, unless it is the start."""
    start, end = _moment(details.StartTime), _moment(details.EndTime)
    if start is not None and end is not None:
        if start <= end:
            return Span(start, max(end - 1, start), lead=start, tail=end)
        return Span(end + 1, start, newest_first=True, lead=start, tail=end)
    if not details.NumValuesPerNode or (start is None and end is None):
        return None
    return Span(FIRST, end, newest_first=True, lead=end) if end is not None else Span(start or 0, LAST, lead=start or 0)
