"""Is the gateway well? A pure answer from its status, for /health, the page and whoever watches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.status import Connection, JournalStatus, Link, SettingsStatus, SinkStatus, SourceStatus, Status

UP = frozenset({Link.CONNECTED, Link.REPAIRING})
"""Links that carry values; repairing ones catch up at the same time."""


class Verdict(StrEnum):
    """How the gateway is."""

    OK = "ok"  # every server and sink is connected, the journal commits
    DEGRADED = "degraded"  # somebody is away; nothing is lost while the journal has room
    FAILED = "failed"  # no value gets in: the journal does not commit, or no server is connected


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict with everything that stands against "ok", the worst first."""

    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def http_status(self) -> int:
        """200 when all is well, else 503, for probes that look at nothing else."""
        return 200 if self.verdict is Verdict.OK else 503


def health(status: Status) -> Health:
    """The gateway's health by its status."""
    fatal, minor = list(_fatal(status)), list(_minor(status))
    if fatal:
        return Health(Verdict.FAILED, (*fatal, *minor))
    return Health(Verdict.DEGRADED if minor else Verdict.OK, tuple(minor))


def report(status: Status, now: int) -> dict[str, Any]:
    """Health with the details of each part, ready for JSON. `now` in Unix nanoseconds."""
    verdict = health(status)
    return {
        "status": verdict.verdict.value,
        "reasons": list(verdict.reasons),
        "uptime_s": _seconds(now - status.started),
        "settings": _settings(status.settings, now),
        "sources": {name: _source(source, now) for name, source in status.sources.items()},
        "sinks": {name: _sink(sink, now) for name, sink in status.sinks.items()},
        "journal": _journal(status.journal),
        "mail": {"sent": status.mail.sent, "waiting": status.mail.waiting, "dead": status.mail.dead},
    }


def _fatal(status: Status) -> Iterator[str]:
    if status.journal.failure:
        yield f"journal does not commit: {status.journal.failure}"
    if not any(source.connection.link in UP for source in status.sources.values()):
        yield "no server is connected"


def _minor(status: Status) -> Iterator[str]:
    yield from _away("server", status.sources.values())
    yield from _away("sink", status.sinks.values())


def _away(kind: str, parts: Iterable[SourceStatus | SinkStatus]) -> Iterator[str]:
    for part in parts:
        connection = part.connection
        if connection.link not in UP:
            yield f"{kind} {part.name} is {connection.link}" + (f": {connection.reason}" if connection.reason else "")


def _settings(settings: SettingsStatus, now: int) -> dict[str, Any]:
    return {
        "age_s": _seconds(now - settings.loaded),
        "reloads": settings.reloads,
        "refusals": settings.refusals,
        "findings": list(settings.findings),
    }


def _source(source: SourceStatus, now: int) -> dict[str, Any]:
    return {
        **_connection(source.connection, now),
        "url": source.url,
        "servers": {url: seen.words for url, seen in source.servers.items()},
        "tags": source.tags,
        "silent": len(source.silent),
        "waiting": len(source.waiting),
        "values": source.values,
        "gaps": source.gaps,
        "last_value_s": _seconds(now - source.last_value) if source.last_value else None,
    }


def _sink(sink: SinkStatus, now: int) -> dict[str, Any]:
    return {
        **_connection(sink.connection, now),
        "delivered": sink.delivered,
        "behind": sink.behind,
        "rejected": sink.rejected,
        "last_delivery_s": _seconds(now - sink.last_delivery) if sink.last_delivery else None,
    }


def _journal(journal: JournalStatus) -> dict[str, Any]:
    return {
        "head": journal.head,
        "bytes": journal.bytes,
        "failure": journal.failure,
        "lost": journal.lost,
        "damaged": journal.damaged,
    }


def _connection(connection: Connection, now: int) -> dict[str, Any]:
    return {"link": connection.link.value, "reason": connection.reason, "since_s": _seconds(now - connection.since)}


def _seconds(nanoseconds: int) -> float:
    return round(nanoseconds / 1e9, 3)
