"""Metrics are what the status says at the moment of the scrape."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from support_page import fake_status

from gateway import metrics
from gateway.status import Granted, Link, Status


def scrape(status: Status) -> dict[tuple[str, ...], float]:
    """Samples by name and label values, these in the order of their labels' names."""
    families = text_string_to_metric_families(metrics.exposition(metrics.registry(status)).decode())
    return {
        (s.name, *(s.labels[label] for label in sorted(s.labels))): s.value
        for family in families
        for s in family.samples
    }


def test_counters_and_gauges_follow_the_status() -> None:
    status = fake_status()
    status.sources["plant"].values = 7
    status.sinks["sparkplug"].rejected = 3
    status.journal.failure = "disk full"
    status.journal.lost, status.journal.damaged = 40, 2
    found = scrape(status)
    assert found["conche_source_values_total", "plant"] == 7
    assert found["conche_source_tags_silent", "plant"] == 1
    assert found["conche_source_tags_waiting", "plant"] == 1
    assert found["conche_sink_rejected_total", "sparkplug"] == 3
    assert found["conche_sink_up", "sparkplug"] == 0
    assert found["conche_sink_up", "uns"] == 1
    assert found["conche_journal_failing",] == 1
    assert found["conche_journal_lost_total",] == 40
    assert found["conche_journal_damaged",] == 2
    assert found["conche_mails_dead_total",] == 1


def test_terms_and_losses_of_tags_are_told() -> None:
    status = fake_status()
    plant = status.sources["plant"]
    plant.granted = (
        Granted(500, (100, 250), (0, 250), (1000, 100), "", ""),
        Granted(4, (250, 250), (250, 250), (1000, 100), "2 %", "no deadband of 2 %: BadFilterNotAllowed"),
    )
    plant.overflowing = {f"Mill/T{number}": number for number in range(1, 200)}
    plant.gone = {"Mill/Old": "the server has removed the node"}
    found = scrape(status)
    assert found["conche_source_monitored_tags", "", "250", "100", "250", "plant"] == 504
    assert found["conche_source_tag_overflows_total", "plant", "Mill/T199"] == 199
    assert sum(name == "conche_source_tag_overflows_total" for name, *_ in found) == 100
    assert found["conche_source_tags_gone", "plant"] == 1


def test_each_connection_is_in_exactly_one_state() -> None:
    found = scrape(fake_status())
    states = {link: found["conche_link", "sink", link, "influx"] for link in Link}
    assert states == {Link.WAITING: 0, Link.CONNECTED: 0, Link.REPAIRING: 1, Link.STOPPED: 0}


def test_a_scrape_shows_what_has_happened_since_the_last_one() -> None:
    status = fake_status()
    registry = metrics.registry(status)
    before = metrics.exposition(registry)
    status.journal.values += 1
    assert metrics.exposition(registry) != before


def test_the_process_is_measured_too() -> None:
    assert scrape(Status())["process_resident_memory_bytes",] > 1e6
