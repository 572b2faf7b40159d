"""Events on disk: what happened and when, by rising time, bounded by age and number."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

from opcua_server.clock import SECOND, from_datetime, to_datetime
from plant_model.events import PlantEvent

MOST = 200_000
"""Events that are kept at most; the oldest go first."""
_MOMENT = "moment"
"""Key of a date and time in JSON."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY, event_id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, received INTEGER NOT NULL,
    kind TEXT NOT NULL, source TEXT NOT NULL, message TEXT NOT NULL, severity INTEGER NOT NULL, fields TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_by_time ON event (time);
"""
_WHERE = "time BETWEEN :low AND :high AND substr(source || '/', 1, length(:below)) = :below"
_FORWARD = f"SELECT * FROM event WHERE {_WHERE} AND (time, id) > (:time, :id) ORDER BY time, id LIMIT :limit"  # noqa: S608
_BACKWARD = f"SELECT * FROM event WHERE {_WHERE} AND (time, id) < (:time, :id) ORDER BY time DESC, id DESC LIMIT :limit"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event of the plant on the wall clock. Times are Unix nanoseconds, whole microseconds."""

    event_id: bytes  # the same when plant time is run through again after a crash
    time: int
    received: int  # when the server came to know it
    kind: str
    source: tuple[str, ...]
    message: str
    severity: int
    fields: Mapping[str, Any]
    place: int = 0  # in the store; 0: not stored yet

    @classmethod
    def of(cls, event: PlantEvent, wall: int, now: int) -> Occurrence:
        """What happened at a wall time."""
        said = (event.time, event.kind, event.source, event.message, sorted(event.fields.items()), wall // SECOND)
        return cls(
            blake2b(repr(said).encode(), digest_size=16).digest(),
            wall - wall % 1000,
            now - now % 1000,
            event.kind,
            event.source,
            event.message,
            event.severity,
            event.fields,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Which events to read: low <= time <= high, beyond the one where an earlier page ended."""

    low: int
    high: int
    newest_first: bool
    time: int  # of that one, and its place
    place: int


class EventStore:
    """The table of events; its methods belong into the thread of the store."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(_SCHEMA)

    def append(self, events: Sequence[Occurrence]) -> None:
        """Keep new events; one that is there already stays as it is. Raises sqlite3.Error."""
        rows = [
            (
                *(one.event_id, one.time, one.received, one.kind, "/".join(one.source)),
                *(one.message, one.severity, json.dumps(dict(one.fields), default=_plain)),
            )
            for one in events
        ]
        self._db.executemany("INSERT OR IGNORE INTO event VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def read(self, window: Window, below: tuple[str, ...], limit: int) -> list[Occurrence]:
        """At most `limit` events of a window whose source begins with a path."""
        wanted = {
            "low": window.low,
            "high": window.high,
            "below": "".join(f"{name}/" for name in below),
            "time": window.time,
            "id": window.place,
            "limit": limit,
        }
        query = _BACKWARD if window.newest_first else _FORWARD
        return [_occurrence(*row) for row in self._db.execute(query, wanted)]

    def expire(self, horizon: int) -> None:
        """Forget what is older, and what is too much."""
        self._db.execute("DELETE FROM event WHERE time < ?", (horizon,))
        self._db.execute("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (MOST,))


def _occurrence(place: int, event_id: bytes, time: int, received: int, *rest: Any) -> Occurrence:  # noqa: ANN401 - a row
    kind, source, message, severity, fields = rest
    known = json.loads(fields, object_hook=_moment)
    return Occurrence(event_id, time, received, kind, tuple(source.split("/")), message, severity, known, place)


def _plain(value: datetime) -> dict[str, int]:
    return {_MOMENT: from_datetime(value)}


def _moment(plain: dict[str, Any]) -> Any:  # noqa: ANN401 - an object of JSON
    return to_datetime(plain[_MOMENT]) if plain.keys() == {_MOMENT} else plain
