"""The tables of the page, from the gateway's status: servers, sinks, mails, tags that do not deliver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from gateway.health import UP
from gateway.page import text
from gateway.page.model import Cell, Rows, State
from gateway.page.tone import Tone
from gateway.status import (
    Connection,
    Granted,
    JournalStatus,
    Link,
    Mail,
    MailStatus,
    SettingsStatus,
    SinkStatus,
    SourceStatus,
    Status,
)

MOST_ROWS = 200
"""Rows of a table that are shown; the heading tells how many there are."""

SERVERS = ("Server", "State", "Tags", "Values", "Backfilled", "Gaps", "Last value", "Reason")
SINKS = ("Sink", "State", "Delivered", "Behind", "Rejected", "Lag", "Reason")
MAILS = ("Time", "State", "Rule", "To", "Subject")
SILENT = ("Tag", "At", "Why")
"""The columns."""

_NS = 1e9
_MB = 1e6
_LINK_TONES = {
    Link.CONNECTED: Tone.GOOD,
    Link.REPAIRING: Tone.WAIT,
    Link.WAITING: Tone.WARN,
    Link.STOPPED: Tone.STOP,
}
_MAIL_TONES = {"sent": Tone.GOOD, "waiting": Tone.WAIT, "dead": Tone.FAULT}


def link_state(connection: Connection) -> State:
    """A connection's state with its tone."""
    return State(connection.link.value, _LINK_TONES[connection.link], connection.reason)


def servers(sources: Iterable[SourceStatus], now: int) -> Rows:
    """One row an OPC UA server."""
    return tuple(_server(source, now) for source in sources)


def sinks(peers: Iterable[SinkStatus], now: int) -> Rows:
    """One row a sink."""
    return tuple(_sink(sink, now) for sink in peers)


def settings(status: SettingsStatus, now: int) -> State:
    """Whether the settings file is in force."""
    since = text.day_and_clock(status.loaded, now)
    if status.findings:
        return State(f"Settings file refused, those of {since} stay", Tone.WARN)
    return State(f"Settings of {since}", Tone.GOOD)


def journal(status: JournalStatus) -> State:
    """The journal in one line."""
    if status.failure:
        return State(f"Journal does not commit: {status.failure}", Tone.FAULT)
    commits = f"Journal commits: record {status.head:,}, {status.bytes / _MB:,.1f} MB on disk"
    lost = [f"{status.lost:,} values had to go before every sink had them"] if status.lost else []
    damaged = [f"{status.damaged:,} records are damaged"] if status.damaged else []
    return State("; ".join([commits, *lost, *damaged]), Tone.WARN if lost or damaged else Tone.GOOD)


def mails(status: MailStatus, now: int) -> Rows:
    """One row a mail, the newest first."""
    return tuple(_mail(mail, now) for mail in islice(reversed(status.recent), MOST_ROWS))


def mail_summary(status: MailStatus) -> str:
    """How many mails are where."""
    return f"{status.sent:,} sent · {status.waiting:,} waiting · {status.dead:,} given up"


def silent(status: Status) -> Rows:
    """One row a tag that does not deliver, at its server or at a sink; behind them what is gone or incomplete."""
    away = ((source.name, {"all": source.connection.reason}) for source in _away(status))
    everything = (*away, *_reasons(status), *_remarks(status))
    found = ((path, where, why) for where, reasons in everything for path, why in reasons.items())
    return tuple((Cell(path), Cell(where), Cell(why, detail=why)) for path, where, why in islice(found, MOST_ROWS))


def silent_summary(status: Status) -> State:
    """How many tags do not deliver. Those that have no value yet are waited for."""
    away = [f"all of {source.name}" for source in _away(status)]
    count = sum(len(reasons) for _, reasons in _reasons(status))
    waiting = sum(len(source.waiting) for source in _present(status))
    later = [f"{_tags(waiting)} without a value yet"] if waiting else []
    if not (away or count):
        return State(later[0], Tone.WAIT) if waiting else State("every tag delivers", Tone.GOOD)
    counted = [_tags(count)] if count else []
    more = [f"the first {MOST_ROWS} shown"] if count > MOST_ROWS else []
    return State(", ".join([*away, *counted, *more, *later]), Tone.WARN)


def _tags(count: int) -> str:
    return f"{count:,} {'tag' if count == 1 else 'tags'}"


def _server(source: SourceStatus, now: int) -> tuple[Cell, ...]:
    state = link_state(source.connection)
    return (
        Cell(source.name, detail=source.url if not source.servers else f"in use: {source.url}"),
        Cell(state.text, state.tone, _since(source.connection, now)),
        Cell(f"{source.tags:,}", detail="\n".join(map(_granted, source.granted))),
        Cell(f"{source.values:,}"),
        Cell(f"{source.backfilled:,}"),
        Cell(f"{source.gaps:,}"),
        Cell(_ago(source.last_value, now)),
        Cell(state.detail or _servers(source), detail=state.detail or _servers(source)),
    )


def _granted(one: Granted) -> str:
    """The terms of some tags: as asked → as the server revised them."""
    terms = [
        f"{one.tags:,} sent every {_revised(one.publishing_ms)} ms",
        f"sampled every {_revised(one.sampling_ms)} ms",
        f"queue {_revised(one.queue_size)}",
    ]
    return ", ".join([*terms, *([f"deadband {one.deadband}"] if one.deadband else []), *filter(None, [one.refused])])


def _revised(pair: tuple[float, float]) -> str:
    asked, revised = pair
    return f"{revised:,.10g}" if asked == revised else f"{asked:,.10g} → {revised:,.10g}"


def _servers(source: SourceStatus) -> str:
    """Which server of a redundant set is in use, and why not another; "" of one that stands alone."""
    here = source.servers.get(source.url)
    others = (f"{url}: {seen.words}" for url, seen in source.servers.items() if url != source.url)
    return "; ".join((f"uses {source.url}: {here.words}", *others)) if here else ""


def _sink(sink: SinkStatus, now: int) -> tuple[Cell, ...]:
    state = link_state(sink.connection)
    return (
        Cell(sink.name),
        Cell(state.text, state.tone, _since(sink.connection, now)),
        Cell(f"{sink.delivered:,}"),
        Cell(f"{sink.behind:,}"),
        Cell(f"{sink.rejected:,}"),
        Cell(_ago(sink.last_delivery, now) if sink.behind else "none"),
        Cell(state.detail, detail=state.detail),
    )


def _mail(mail: Mail, now: int) -> tuple[Cell, ...]:
    told = " · ".join(filter(None, (mail.reason, mail.subject)))  # nobody can point at something on a phone
    return (
        Cell(text.day_and_clock(mail.time, now)),
        Cell(mail.state, _MAIL_TONES.get(mail.state, Tone.NONE), mail.reason),
        Cell(mail.rule),
        Cell(mail.to, detail=mail.to),
        Cell(told, detail=told),
    )


def _away(status: Status) -> list[SourceStatus]:
    """Servers that deliver nothing at all."""
    return [source for source in status.sources.values() if source.connection.link not in UP]


def _present(status: Status) -> list[SourceStatus]:
    return [source for source in status.sources.values() if source.connection.link in UP]


def _reasons(status: Status) -> Iterator[tuple[str, dict[str, str]]]:
    yield from ((source.name, source.silent) for source in _present(status))
    yield from ((sink.name, sink.refused) for sink in status.sinks.values())


def _remarks(status: Status) -> Iterator[tuple[str, dict[str, str]]]:
    """What is worth knowing though nothing is silent: values to come, nodes that are gone, queues too short."""
    yield from ((source.name, source.waiting) for source in _present(status))
    yield from ((source.name, source.gone) for source in status.sources.values())
    for source in status.sources.values():
        dropped = "values say that the server dropped others before them: raise queue_size"
        yield source.name, {path: f"{count:,} {dropped}" for path, count in source.overflowing.items()}


def _ago(time: int, now: int) -> str:
    return text.age((now - time) / _NS) if time else text.NOTHING


def _since(connection: Connection, now: int) -> str:
    return f"for {text.age((now - connection.since) / _NS)}"
