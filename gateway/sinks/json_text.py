"""Values, times, events and gaps as JSON text: columns through orjson, whole at a time."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from gateway.contract import Catalogue
from gateway.values import Event, Gap

NULL = b"null"
"""What stands for a value that there is not: bad, not a number, infinite."""


def texts(values: NDArray[Any]) -> list[bytes]:
    """Each value of a column as JSON. Numbers are exact and shortest; NaN and infinity are null."""
    if values.dtype == np.object_:
        return [text(value) for value in values]
    return split(values) if len(values) else []


def split(values: NDArray[Any]) -> list[bytes]:
    """The JSON texts of a non-empty column of numbers or booleans."""
    contiguous = np.ascontiguousarray(values)
    return orjson.dumps(contiguous, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")


def text(value: Any) -> bytes:  # noqa: ANN401 - JSON holds anything
    """One value as JSON: bytes as Base64, what JSON has no form for as its str()."""
    try:
        return orjson.dumps(value, default=_foreign, option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # lone surrogates, integers beyond 64 bits
        return json.dumps(value, default=_foreign).encode()


def _foreign(value: Any) -> Any:  # noqa: ANN401
    return base64.b64encode(value).decode() if isinstance(value, bytes | bytearray | memoryview) else str(value)


def iso_times(nanoseconds: NDArray[np.int64]) -> list[str]:
    """ISO 8601 in UTC: milliseconds, and all digits of 100 ns (or 1 ns) where there are more."""
    stamps = np.datetime_as_string(nanoseconds.astype("M8[ns]"), unit="ns").tolist()
    return [_trimmed(stamp) for stamp in stamps]


def _trimmed(stamp: str) -> str:
    if stamp.endswith("000000"):
        return stamp[:-6] + "Z"
    return stamp.removesuffix("00") + "Z"


def iso_time(nanoseconds: int) -> str:
    """One time as iso_times() writes it."""
    return iso_times(np.array([nanoseconds], np.int64))[0]


def event_text(event: Event, *, historical: bool) -> bytes:
    """An event as a JSON object."""
    body = {
        "type": event.type,
        "source": event.source,
        "sourceName": event.source_name,
        "ts": iso_time(event.time),
        "severity": event.severity,
        "message": event.message,
        "fields": dict(event.fields),
    }
    return text(body | {"historical": True} if historical else body)


def gap_text(gap: Gap, tags: Catalogue, *, historical: bool) -> bytes:
    """A gap as a JSON object; `tags` holds browse paths, [] = every tag of the source."""
    body = {
        "source": gap.source,
        "tags": ["/".join(tags.tag(i).path) for i in gap.tags],
        "start": iso_time(gap.start),
        "end": iso_time(gap.end),
        "reason": gap.reason,
    }
    return text(body | {"historical": True} if historical else body)
