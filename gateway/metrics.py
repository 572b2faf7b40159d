"""The gateway's metrics for Prometheus, read from its status at each scrape: nothing is counted twice."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.health import UP
from gateway.status import Link, SourceStatus, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `exposition` returns."""


_MOST_TAGS = 100  # that a metric names


_Labelled = Iterator[tuple[tuple[str, ...], float]]
"""Values with what the labels say of each."""


class _Metric(NamedTuple):
    """One metric of a part of the status: where its value stands, or its values by further labels."""

    family: type[CounterMetricFamily | GaugeMetricFamily]
    name: str
    help: str
    read: Callable[[Any], Any]  # a number; where there are labels, _Labelled
    labels: tuple[str, ...] = ()

    def samples(self, part: object) -> Iterable[tuple[tuple[str, ...], float]]:
        """The values now."""
        return self.read(part) if self.labels else [((), self.read(part))]


def _by_terms(source: SourceStatus) -> _Labelled:
    counts: Counter[tuple[str, ...]] = Counter()
    for one in source.granted:
        revised = (one.publishing_ms[1], one.sampling_ms[1], one.queue_size[1])
        counts[*(f"{number:g}" for number in revised), "" if one.refused else one.deadband] += one.tags
    return iter(counts.items())


def _by_overflowing_tag(source: SourceStatus) -> _Labelled:
    """Only of tags that lost something, the worst first."""
    worst = heapq.nlargest(_MOST_TAGS, source.overflowing, key=source.overflowing.__getitem__)
    return (((path,), source.overflowing[path]) for path in worst)


def _by_link(status: Status) -> _Labelled:
    for kind, parts in (("source", status.sources), ("sink", status.sinks)):
        for name, part in parts.items():
            for link in Link:
                yield (kind, name, link.value), part.connection.link is link


_SOURCE = (
    _Metric(GaugeMetricFamily, "up", "1 while the server is connected.", lambda s: s.connection.link in UP),
    _Metric(CounterMetricFamily, "connects", "Connections made.", lambda s: s.connection.connects),
    _Metric(GaugeMetricFamily, "tags", "Tags that deliver or should.", lambda s: s.tags),
    _Metric(GaugeMetricFamily, "tags_silent", "Tags that do not deliver.", lambda s: len(s.silent)),
    _Metric(GaugeMetricFamily, "tags_waiting", "Tags without a value yet at the server.", lambda s: len(s.waiting)),
    _Metric(GaugeMetricFamily, "tags_gone", "Tags whose nodes the server has removed.", lambda s: len(s.gone)),
    _Metric(CounterMetricFamily, "values", "Values received, backfilled ones included.", lambda s: s.values),
    _Metric(CounterMetricFamily, "backfilled", "Values read from the server's history.", lambda s: s.backfilled),
    _Metric(CounterMetricFamily, "notifications", "Notifications received.", lambda s: s.notifications),
    _Metric(CounterMetricFamily, "events", "Events received.", lambda s: s.events),
    _Metric(CounterMetricFamily, "gaps", "Stretches of time that nobody can give any more.", lambda s: s.gaps),
    _Metric(CounterMetricFamily, "overflows", "Values behind which the server dropped others.", lambda s: s.overflows),
    _Metric(GaugeMetricFamily, "last_value_timestamp_seconds", "When data came last.", lambda s: s.last_value / 1e9),
    _Metric(
        CounterMetricFamily,
        "repairs",
        "Ways back to the server that held, by rung.",
        lambda s: (((rung,), repairs.count) for rung, repairs in s.repairs.items()),
        ("rung",),
    ),
    _Metric(
        CounterMetricFamily,
        "repair_seconds",
        "Time that these took.",
        lambda s: (((rung,), repairs.seconds) for rung, repairs in s.repairs.items()),
        ("rung",),
    ),
    _Metric(
        GaugeMetricFamily,
        "monitored_tags",
        "Tags by the terms that the server grants.",
        _by_terms,
        ("publishing_ms", "sampling_ms", "queue_size", "deadband"),
    ),
    _Metric(
        CounterMetricFamily,
        "tag_overflows",
        "Values of a tag behind which the server dropped others.",
        _by_overflowing_tag,
        ("tag",),
    ),
    _Metric(
        GaugeMetricFamily,
        "in_use",
        "1 for the server of a redundant set in use.",
        lambda s: (((url,), url == s.url) for url in s.servers),
        ("url",),
    ),
    _Metric(
        GaugeMetricFamily,
        "service_level",
        "Its ServiceLevel, 0 to 255; -1: away.",
        lambda s: (((url,), seen.level) for url, seen in s.servers.items()),
        ("url",),
    ),
)
_SINK = (
    _Metric(GaugeMetricFamily, "up", "1 while the sink is connected.", lambda s: s.connection.link in UP),
    _Metric(CounterMetricFamily, "connects", "Connections made.", lambda s: s.connection.connects),
    _Metric(CounterMetricFamily, "delivered", "Values and events that the peer confirmed.", lambda s: s.delivered),
    _Metric(CounterMetricFamily, "rejected", "Values and events that the peer refused.", lambda s: s.rejected),
    _Metric(CounterMetricFamily, "retries", "Deliveries begun again.", lambda s: s.retries),
    _Metric(GaugeMetricFamily, "behind", "Values and events in the journal not yet delivered.", lambda s: s.behind),
    _Metric(GaugeMetricFamily, "last_delivery_timestamp_seconds", "Last delivery.", lambda s: s.last_delivery / 1e9),
)
_WHOLE = (
    _Metric(GaugeMetricFamily, "start_timestamp_seconds", "When the gateway started.", lambda s: s.started / 1e9),
    _Metric(CounterMetricFamily, "reloads", "Changes of settings taken over.", lambda s: s.settings.reloads),
    _Metric(CounterMetricFamily, "reload_refusals", "Changes of settings refused.", lambda s: s.settings.refusals),
    _Metric(GaugeMetricFamily, "settings_refused", "1 while the file is refused.", lambda s: bool(s.settings.findings)),
    _Metric(GaugeMetricFamily, "settings_timestamp_seconds", "Since when.", lambda s: s.settings.loaded / 1e9),
    _Metric(GaugeMetricFamily, "refusal_timestamp_seconds", "Last refusal.", lambda s: s.settings.refused / 1e9),
    _Metric(GaugeMetricFamily, "journal_head", "Sequence number of the last record.", lambda s: s.journal.head),
    _Metric(CounterMetricFamily, "journal_values", "Values committed since the start.", lambda s: s.journal.values),
    _Metric(GaugeMetricFamily, "journal_bytes", "Size of the journal on disk.", lambda s: s.journal.bytes),
    _Metric(GaugeMetricFamily, "journal_failing", "1 while commits fail.", lambda s: bool(s.journal.failure)),
    _Metric(CounterMetricFamily, "journal_failures", "Commits that failed.", lambda s: s.journal.failures),
    _Metric(
        CounterMetricFamily,
        "journal_lost",
        "Values removed for want of space before every sink had them; told as gaps.",
        lambda s: s.journal.lost,
    ),
    _Metric(
        GaugeMetricFamily, "journal_damaged", "Records damaged on disk; told as gaps.", lambda s: s.journal.damaged
    ),
    _Metric(CounterMetricFamily, "mails_sent", "Mails sent.", lambda s: s.mail.sent),
    _Metric(GaugeMetricFamily, "mails_waiting", "Mails waiting for their next try.", lambda s: s.mail.waiting),
    _Metric(CounterMetricFamily, "mails_dead", "Mails given up after the last try.", lambda s: s.mail.dead),
    _Metric(GaugeMetricFamily, "link", "1 for the state a connection is in.", _by_link, ("kind", "name", "link")),
)


class StatusCollector(Collector):
    """Turns a Status into metrics: conche_source_*{source}, conche_sink_*{sink}, conche_journal_*, conche_mails_*."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        status = self._status
        yield from _families("", (), _WHOLE, {(): status})
        yield from _families("source_", ("source",), _SOURCE, {(one.name,): one for one in status.sources.values()})
        yield from _families("sink_", ("sink",), _SINK, {(one.name,): one for one in status.sinks.values()})


def registry(status: Status) -> CollectorRegistry:
    """A registry with the gateway's own metrics and those of its process (CPU, memory, open files)."""
    made = CollectorRegistry()
    made.register(StatusCollector(status))
    ProcessCollector(registry=made)
    return made


def exposition(made: CollectorRegistry) -> bytes:
    """What a scrape gets, in the text format of Prometheus."""
    return generate_latest(made)


def _families(
    prefix: str, labels: tuple[str, ...], metrics: Iterable[_Metric], parts: Mapping[tuple[str, ...], object]
) -> Iterator[Metric]:
    """The metrics of parts of a kind, by what the labels that all of them have say of each."""
    for one in metrics:
        family = one.family(f"conche_{prefix}{one.name}", one.help, labels=(*labels, *one.labels))
        for names, part in parts.items():
            for more, value in one.samples(part):
                family.add_metric((*names, *more), float(value))
        yield family
