"""Of servers that stand in for each other, page, health and metrics say which one is in use, and why not another."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support_page import fake_status

from gateway import metrics
from gateway.health import report
from gateway.page.tables import servers
from gateway.status import ServerSeen, Status

FIRST, SECOND = "opc.tcp://a:4840", "opc.tcp://b:4840"


@pytest.fixture
def status() -> Status:
    found = fake_status()
    plant = found.sources["plant"]
    plant.url = SECOND
    plant.servers = {FIRST: ServerSeen(reason="Connect call failed"), SECOND: ServerSeen(230)}
    plant.connection.reason = ""
    return found


def test_the_page_names_the_server_in_use_and_the_others(status: Status) -> None:
    (row,) = servers([status.sources["plant"]], 0)
    assert row[0].detail == f"in use: {SECOND}"
    assert row[-1].text == f"uses {SECOND}: service level 230; {FIRST}: Connect call failed"
    status.sources["plant"].connection.reason = "renew: subscribing"
    (row,) = servers([status.sources["plant"]], 0)
    assert row[-1].text == "renew: subscribing"


def test_health_has_the_server_in_use_and_what_is_known_of_each(status: Status) -> None:
    told = report(status, 0)["sources"]["plant"]
    assert told["url"] == SECOND
    assert told["servers"] == {FIRST: "Connect call failed", SECOND: "service level 230"}


def test_metrics_tell_the_server_in_use_and_each_service_level(status: Status) -> None:
    exposed = metrics.exposition(metrics.registry(status)).decode()
    samples = [s for family in text_string_to_metric_families(exposed) for s in family.samples]
    used = {s.labels["url"]: s.value for s in samples if s.name == "conche_source_in_use"}
    level = {s.labels["url"]: s.value for s in samples if s.name == "conche_source_service_level"}
    assert used == {FIRST: 0, SECOND: 1}
    assert level == {FIRST: -1, SECOND: 230}


def test_a_server_that_stands_alone_needs_none_of_it() -> None:
    alone = fake_status()
    assert report(alone, 0)["sources"]["plant"]["servers"] == {}
    (row,) = servers(alone.sources.values(), 0)
    assert row[0].detail == alone.sources["plant"].url
