"""The JSON bodies of EVENT and GAP records."""

from __future__ import annotations

import orjson

from gateway.values import Event, Gap


def event_body(event: Event) -> bytes:
    """The body of an EVENT record; the position is left out, the journal gives it."""
    return orjson.dumps(
        {
            "source": event.source,
            "type": event.type,
            "source_name": event.source_name,
            "time": event.time,
            "severity": event.severity,
            "message": event.message,
            "fields": dict(event.fields),
        }
    )


def read_event(body: bytes, position: int) -> Event:
    """The event of a body. ValueError if it is none."""
    try:
        return Event(position=position, **orjson.loads(body))
    except TypeError as error:
        raise ValueError(f"not an event: {error}") from error


def gap_body(gap: Gap) -> bytes:
    """The body of a GAP record; the position is left out, the journal gives it."""
    return orjson.dumps(
        {"source": gap.source, "tags": gap.tags, "start": gap.start, "end": gap.end, "reason": gap.reason}
    )


def read_gap(body: bytes, position: int) -> Gap:
    """The gap of a body. ValueError if it is none."""
    try:
        fields = orjson.loads(body)
        return Gap(position=position, **{**fields, "tags": tuple(fields["tags"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a gap: {error}") from error
