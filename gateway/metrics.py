"""The gateway's metrics for Prometheus, read from its status at each scrape: nothing is counted twice."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.health import UP
from gateway.status import Link, SinkStatus, SourceStatus, Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `exposition` returns."""


_MOST_TAGS = 100  # that a metric names


class _Field(NamedTuple):
    """One metric and where its value stands."""

    family: type[CounterMetricFamily | GaugeMetricFamily]
    name: str
    help: str
    read: Callable[[Any], float]


_SOURCE = (
    _Field(GaugeMetricFamily, "up", "1 while the server is connected.", lambda s: s.connection.link in UP),
    _Field(CounterMetricFamily, "connects", "Connections made.", lambda s: s.connection.connects),
    _Field(GaugeMetricFamily, "tags", "Tags that deliver or should.", lambda s: s.tags),
    _Field(GaugeMetricFamily, "tags_silent", "Tags that do not deliver.", lambda s: len(s.silent)),
    _Field(GaugeMetricFamily, "tags_gone", "Tags whose nodes the server has removed.", lambda s: len(s.gone)),
    _Field(CounterMetricFamily, "values", "Values received, backfilled ones included.", lambda s: s.values),
    _Field(CounterMetricFamily, "backfilled", "Values read from the server's history.", lambda s: s.backfilled),
    _Field(CounterMetricFamily, "notifications", "Notifications received.", lambda s: s.notifications),
    _Field(CounterMetricFamily, "events", "Events received.", lambda s: s.events),
    _Field(CounterMetricFamily, "gaps", "Stretches of time that nobody can give any more.", lambda s: s.gaps),
    _Field(CounterMetricFamily, "overflows", "Values behind which the server dropped others.", lambda s: s.overflows),
    _Field(GaugeMetricFamily, "last_value_timestamp_seconds", "When data came last.", lambda s: s.last_value / 1e9),
)
_SINK = (
    _Field(GaugeMetricFamily, "up", "1 while the sink is connected.", lambda s: s.connection.link in UP),
    _Field(CounterMetricFamily, "connects", "Connections made.", lambda s: s.connection.connects),
    _Field(CounterMetricFamily, "delivered", "Values and events that the peer confirmed.", lambda s: s.delivered),
    _Field(CounterMetricFamily, "rejected", "Values and events that the peer refused.", lambda s: s.rejected),
    _Field(CounterMetricFamily, "retries", "Deliveries begun again.", lambda s: s.retries),
    _Field(GaugeMetricFamily, "behind", "Values and events in the journal not yet delivered.", lambda s: s.behind),
    _Field(GaugeMetricFamily, "last_delivery_timestamp_seconds", "Last delivery.", lambda s: s.last_delivery / 1e9),
)
_WHOLE = (
    _Field(GaugeMetricFamily, "start_timestamp_seconds", "When the gateway started.", lambda s: s.started / 1e9),
    _Field(CounterMetricFamily, "reloads", "Changes of settings taken over.", lambda s: s.settings.reloads),
    _Field(CounterMetricFamily, "reload_refusals", "Changes of settings refused.", lambda s: s.settings.refusals),
    _Field(GaugeMetricFamily, "settings_refused", "1 while the file is refused.", lambda s: bool(s.settings.findings)),
    _Field(GaugeMetricFamily, "settings_timestamp_seconds", "Since when.", lambda s: s.settings.loaded / 1e9),
    _Field(GaugeMetricFamily, "refusal_timestamp_seconds", "Last refusal.", lambda s: s.settings.refused / 1e9),
    _Field(GaugeMetricFamily, "journal_head", "Sequence number of the last record.", lambda s: s.journal.head),
    _Field(CounterMetricFamily, "journal_values", "Values committed since the start.", lambda s: s.journal.values),
    _Field(GaugeMetricFamily, "journal_bytes", "Size of the journal on disk.", lambda s: s.journal.bytes),
    _Field(GaugeMetricFamily, "journal_failing", "1 while commits fail.", lambda s: bool(s.journal.failure)),
    _Field(CounterMetricFamily, "journal_failures", "Commits that failed.", lambda s: s.journal.failures),
    _Field(CounterMetricFamily, "mails_sent", "Mails sent.", lambda s: s.mail.sent),
    _Field(GaugeMetricFamily, "mails_waiting", "Mails waiting for their next try.", lambda s: s.mail.waiting),
    _Field(CounterMetricFamily, "mails_dead", "Mails given up after the last try.", lambda s: s.mail.dead),
)


class StatusCollector(Collector):
    """Turns a Status into metrics: conche_source_*{source}, conche_sink_*{sink}, conche_journal_*, conche_mails_*."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """All metrics as they stand now."""
        status = self._status
        for field in _WHOLE:
            yield field.family(f"conche_{field.name}", field.help, value=float(field.read(status)))
        yield from _labelled("source", _SOURCE, status.sources.values())
        yield from _labelled("sink", _SINK, status.sinks.values())
        yield from _repairs(status)
        yield _monitored(status)
        yield _overflowing(status)
        yield from _servers(status)
        yield _links(status)


def registry(status: Status) -> CollectorRegistry:
    """A registry with the gateway's own metrics and those of its process (CPU, memory, open files)."""
    made = CollectorRegistry()
    made.register(StatusCollector(status))
    ProcessCollector(registry=made)
    return made


def exposition(made: CollectorRegistry) -> bytes:
    """What a scrape gets, in the text format of Prometheus."""
    return generate_latest(made)


def _labelled(
    label: str, fields: Iterable[_Field], parts: Iterable[SourceStatus | SinkStatus]
) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
    for field in fields:
        family = field.family(f"conche_{label}_{field.name}", field.help, labels=[label])
        for part in parts:
            family.add_metric([part.name], float(field.read(part)))
        yield family


def _repairs(status: Status) -> Iterator[CounterMetricFamily]:
    labels = ["source", "rung"]
    counts = CounterMetricFamily("conche_source_repairs", "Ways back to the server that held, by rung.", labels=labels)
    seconds = CounterMetricFamily("conche_source_repair_seconds", "Time that these took.", labels=labels)
    for source in status.sources.values():
        for rung, repairs in source.repairs.items():
            counts.add_metric([source.name, rung], float(repairs.count))
            seconds.add_metric([source.name, rung], repairs.seconds)
    yield from (counts, seconds)


def _monitored(status: Status) -> GaugeMetricFamily:
    labels = ["source", "publishing_ms", "sampling_ms", "queue_size", "deadband"]
    family = GaugeMetricFamily(
        "conche_source_monitored_tags", "Tags by the terms that the server grants.", labels=labels
    )
    for source in status.sources.values():
        counts: Counter[tuple[str, ...]] = Counter()
        for one in source.granted:
            revised = (one.publishing_ms[1], one.sampling_ms[1], one.queue_size[1])
            counts[*(f"{number:g}" for number in revised), "" if one.refused else one.deadband] += one.tags
        for terms, tags in counts.items():
            family.add_metric([source.name, *terms], float(tags))
    return family


def _overflowing(status: Status) -> CounterMetricFamily:
    """Only of tags that lost something, the worst first."""
    family = CounterMetricFamily(
        "conche_source_tag_overflows",
        "Values of a tag behind which the server dropped others.",
        labels=["source", "tag"],
    )
    for source in status.sources.values():
        for path in heapq.nlargest(_MOST_TAGS, source.overflowing, key=source.overflowing.__getitem__):
            family.add_metric([source.name, path], float(source.overflowing[path]))
    return family


def _servers(status: Status) -> Iterator[GaugeMetricFamily]:
    labels = ["source", "url"]
    used = GaugeMetricFamily("conche_source_in_use", "1 for the server of a redundant set in use.", labels=labels)
    level = GaugeMetricFamily("conche_source_service_level", "Its ServiceLevel, 0 to 255; -1: away.", labels=labels)
    for source in status.sources.values():
        for url, seen in source.servers.items():
            used.add_metric([source.name, url], float(url == source.url))
            level.add_metric([source.name, url], float(seen.level))
    yield from (used, level)


def _links(status: Status) -> GaugeMetricFamily:
    family = GaugeMetricFamily("conche_link", "1 for the state a connection is in.", labels=["kind", "name", "link"])
    for kind, parts in (("source", status.sources), ("sink", status.sinks)):
        for name, part in parts.items():
            for link in Link:
                family.add_metric([kind, name, link.value], float(part.connection.link is link))
    return family
