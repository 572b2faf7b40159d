"""Questions to the history: what a tag did between two moments, which events and gaps there were."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from gateway.history.compaction import readable
from gateway.history.samples import Series, between, joined, thinned
from gateway.history.staging import Tail
from gateway.sqlite import Reader
from gateway.values import Event, Gap, Tag


class HistoryReader(Reader):
    """Answers from the history's file. May raise sqlite3.Error."""

    def series(self, tag: Tag, start: int, end: int, points: int, tails: Iterable[Tail]) -> Series:
        """What the tag did from start to end, in at most so many points."""
        found = self.connection.execute("SELECT id FROM series WHERE source = ? AND node = ?", (tag.source, tag.node))
        row = found.fetchone()
        if row is None:
            return thinned(joined([]), points)
        bodies = self.connection.execute(
            "SELECT body FROM block WHERE series = ? AND first <= ? AND last >= ? ORDER BY id", (row[0], end, start)
        )
        parts = list(readable(row[0], (body for (body,) in bodies)))
        for tail in tails:
            parts += tail.of(row[0])
        return thinned(between(joined(parts), start, end), points)

    def events(self, start: int, end: int, limit: int) -> list[Event]:
        """The newest events from start to end, by rising time."""
        rows = self.connection.execute(
            "SELECT * FROM event WHERE time BETWEEN ? AND ? ORDER BY time DESC LIMIT ?", (start, end, limit)
        )
        found = [
            Event(position, source, kind, source_name, time, severity, message, orjson.loads(fields))
            for position, source, kind, source_name, time, severity, message, fields in rows
        ]
        return found[::-1]

    def gaps(self, start: int, end: int, limit: int) -> list[Gap]:
        """The newest gaps that touch start to end, by rising end."""
        rows = self.connection.execute(
            "SELECT * FROM gap WHERE last >= ? AND first <= ? ORDER BY last DESC LIMIT ?", (start, end, limit)
        )
        found = [
            Gap(position, source, tuple(orjson.loads(tags)), first, last, reason)
            for position, source, tags, first, last, reason in rows
        ]
        return found[::-1]
