"""Which timestamps a client asked for (OPC 10000-4, 7.40)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError

_SERVER = (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
_SOURCE = (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)


def check_timestamps(wanted: ua.TimestampsToReturn) -> None:
    """Raise ServiceError for a number that means nothing."""
    if wanted not in (*_SERVER, *_SOURCE, ua.TimestampsToReturn.Neither):
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)


def stamped(value: ua.DataValue, wanted: ua.TimestampsToReturn) -> ua.DataValue:
    """The value with the timestamps a client asked for; the server's is now."""
    if wanted == ua.TimestampsToReturn.Source and value.ServerTimestamp is None:
        return value
    stamps: dict[str, Any] = {
        "SourceTimestamp": value.SourceTimestamp if wanted in _SOURCE else None,
        "ServerTimestamp": datetime.now(UTC) if wanted in _SERVER else None,
    }
    return replace(value, **stamps)
