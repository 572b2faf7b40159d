"""Health tells the truth: well only when every connection is up and the journal commits."""

from __future__ import annotations

import json

import pytest
from support_page import fake_status

from gateway.health import Verdict, health, report
from gateway.status import Link, Status


def well() -> Status:
    status = fake_status()
    for part in (*status.sources.values(), *status.sinks.values()):
        part.connection.become(Link.CONNECTED)
    return status


def test_all_is_well() -> None:
    found = health(well())
    assert (found.verdict, found.reasons, found.http_status) == (Verdict.OK, (), 200)


def test_repairing_is_connected() -> None:
    status = well()
    status.sources["plant"].connection.become(Link.REPAIRING)
    assert health(status).http_status == 200


@pytest.mark.parametrize("link", [Link.WAITING, Link.STOPPED])
def test_a_sink_that_is_away_degrades(link: Link) -> None:
    status = well()
    status.sinks["uns"].connection.become(link, "broker refuses")
    found = health(status)
    assert (found.verdict, found.http_status) == (Verdict.DEGRADED, 503)
    assert found.reasons == (f"sink uns is {link}: broker refuses",)


def test_without_any_server_it_has_failed() -> None:
    status = well()
    status.sources["plant"].connection.become(Link.WAITING, "no route")
    found = health(status)
    assert (found.verdict, found.http_status) == (Verdict.FAILED, 503)
    assert found.reasons == ("no server is connected", "server plant is waiting: no route")


def test_a_journal_that_does_not_commit_has_failed_and_comes_first() -> None:
    status = well()
    status.journal.failure = "disk full"
    status.sinks["uns"].connection.become(Link.WAITING)
    found = health(status)
    assert found.verdict is Verdict.FAILED
    assert found.reasons == ("journal does not commit: disk full", "sink uns is waiting")


def test_before_anything_is_set_up_it_is_not_well() -> None:
    assert health(Status()).http_status == 503


def test_the_report_is_json_with_each_part() -> None:
    status = well()
    status.sinks["uns"].behind = 12
    answer = json.loads(json.dumps(report(status, status.started + 1_500_000_000)))
    assert answer["status"] == "ok"
    assert answer["uptime_s"] == 1.5
    assert answer["sinks"]["uns"]["behind"] == 12
    assert answer["sources"]["plant"]["link"] == "connected"
    assert (answer["sources"]["plant"]["silent"], answer["sources"]["plant"]["waiting"]) == (1, 1)
