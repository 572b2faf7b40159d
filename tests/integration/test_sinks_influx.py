"""The Influx sink with a real InfluxDB 1.x and a real VictoriaMetrics: what was written can be queried."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest
from support_peers import Server, influxd, victoria_metrics
from support_sinks import BAD, NAMING, NOW, batch, catalogue, column, event, gap, tag

from gateway.contract import NotConnected, Rejected
from gateway.sinks.influx import Influx, InfluxSettings
from gateway.values import DataType

TAGS = catalogue(
    tag(1, unit="°C"), tag(2, "State", DataType.INT32, enum=("Idle", "Run")), tag(3, "Product", DataType.STRING), tag(4)
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    with influxd(tmp_path) as (server, url):
        query(url, "CREATE DATABASE plant")
        yield server, url


def query(url: str, text: str) -> list[dict[str, Any]]:
    """The series of an InfluxQL query, times in nanoseconds."""
    body = urlencode({"q": text, "db": "plant", "epoch": "ns"}).encode()
    with urlopen(Request(f"{url}/query", body), timeout=10) as response:
        result = json.loads(response.read())["results"][0]
    assert "error" not in result, result
    return result.get("series", [])


def influx(url: str, **more: Any) -> Influx:
    settings = {"url": url, "version": 1, "database": "plant", "timeout_s": 5, **more}
    return Influx("influx", InfluxSettings.model_validate(settings), NAMING)


@pytest.mark.parametrize("compressed", [False, True])
async def test_everything_written_can_be_queried(database: tuple[Server, str], compressed: bool) -> None:
    sink = influx(database[1], gzip=compressed)
    await sink.open(TAGS)
    times = NOW + np.arange(500) * 100
    await sink.write(
        batch(
            column(np.arange(500) / 8, [1] * 500, time=times),
            column([1, 0], [2, 2], dtype="i4", time=[NOW, NOW + 1000]),
            column(['Dark "70"\nÄ'], [3], dtype=object),
            column([float("nan")], [4], status=BAD),
            events=[event(Customer="Hofer", Quantity=60)],
            gaps=[gap()],
        )
    )
    (series,) = query(database[1], "SELECT value FROM \"Process\" WHERE \"tag\" = 'Tag1' AND unit = '°C'")
    assert series["values"] == [[int(t), i / 8] for i, t in enumerate(times)]
    (states,) = query(database[1], 'SELECT value, text, status FROM "Process" WHERE "tag" = \'State\'')
    assert states["values"] == [[NOW, 1, "Run", 0], [NOW + 1000, 0, "Idle", 0]]
    (product,) = query(database[1], 'SELECT text FROM "Process" WHERE "tag" = \'Product\'')
    assert product["values"] == [[NOW, 'Dark "70"\nÄ']]
    (bad,) = query(
        database[1], "SELECT value, status FROM \"Process\" WHERE \"tag\" = 'Tag4' AND station = 'Tempering'"
    )
    assert bad["values"] == [[NOW, None, BAD]]
    (order,) = query(database[1], "SELECT Customer, Quantity, message FROM event")
    assert order["values"][0][1:] == ["Hofer", 60, "An order"]
    (missing,) = query(database[1], 'SELECT reason, "end" FROM gap')
    assert missing["values"][0][1:] == ["the server's queue was too short", NOW + 10**9]
    await sink.close()


async def test_a_batch_written_twice_is_there_once(database: tuple[Server, str]) -> None:
    sink = influx(database[1])
    await sink.open(TAGS)
    data = batch(column([1.0, 2.0], [1, 1], time=[NOW, NOW + 100]), events=[event()], gaps=[gap()])
    await sink.write(data)
    await sink.write(data)
    for measurement, count in (("Process", 2), ("event", 1), ("gap", 1)):
        field = {"Process": "value", "event": "message", "gap": "reason"}[measurement]
        assert query(database[1], f'SELECT count({field}) FROM "{measurement}"')[0]["values"][0][1] == count
    await sink.close()


async def test_points_that_conflict_with_stored_types_are_rejected_and_the_rest_is_stored(
    database: tuple[Server, str],
) -> None:
    with urlopen(Request(f"{database[1]}/write?db=plant", b"Process,tag=x value=1i %d" % NOW), timeout=10):
        pass
    sink = influx(database[1])
    await sink.open(TAGS)
    data = batch(
        column([1.0, 2.0], [1, 4], position=[5, 6]),
        column(["dark"], [3], dtype=object, position=[7]),
        events=[event(8)],
    )
    with pytest.raises(Rejected, match="already exists as type integer") as caught:
        await sink.write(data)
    assert sorted(caught.value.positions) == [5, 6]
    assert query(database[1], 'SELECT text FROM "Process"')[0]["values"] == [[NOW, "dark"]]
    assert query(database[1], "SELECT message FROM event")
    await sink.close()


async def test_a_missing_database_is_told(database: tuple[Server, str]) -> None:
    sink = influx(database[1], database="other")
    with pytest.raises(NotConnected, match=r"database 'other'.*create it"):
        await sink.open(TAGS)
    await sink.close()


async def test_a_database_that_is_killed_and_comes_back_gets_the_batch_again(database: tuple[Server, str]) -> None:
    sink = influx(database[1])
    await sink.open(TAGS)
    await asyncio.to_thread(database[0].stop, signal.SIGKILL)
    data = batch(column([1.0], [1]))
    with pytest.raises(NotConnected):
        await sink.write(data)
    await asyncio.to_thread(database[0].start)
    await sink.open(TAGS)
    await sink.write(data)
    assert query(database[1], 'SELECT value FROM "Process"')[0]["values"] == [[NOW, 1]]
    await sink.close()


async def test_users_and_passwords_are_checked(tmp_path: Path) -> None:
    with influxd(tmp_path, "auth-enabled = true") as (_, url):
        query(url, "CREATE USER gate WITH PASSWORD 'päss' WITH ALL PRIVILEGES")
        for password, words in (("wrong", r"influx\.user and influx\.password"), ("päss", "database 'plant'")):
            sink = influx(url, user="gate", password=password)
            with pytest.raises(NotConnected, match=words):
                await sink.open(TAGS)
            await sink.close()


async def test_victoria_metrics_takes_the_write_api_of_version_2(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path) as (_, url):
        login = {"version": 2, "org": "o", "bucket": "b", "token": "t"}
        sink = Influx("influx", InfluxSettings.model_validate({"url": url, **login}), NAMING)
        await sink.open(TAGS)
        times = NOW + np.arange(300) * 10**6
        await sink.write(batch(column(np.arange(300) / 8, [1] * 300, time=times)))
        await sink.close()
        match = {"match[]": '{__name__="Process_value",tag="Tag1"}', "start": "0"}
        async with asyncio.timeout(15):
            while not (found := await asyncio.to_thread(_export, url, match)):
                await asyncio.sleep(0.2)
        assert found["values"] == [i / 8 for i in range(300)]
        assert found["timestamps"] == [int(t) // 10**6 for t in times]


def _export(url: str, match: dict[str, str]) -> dict[str, Any]:
    with urlopen(f"{url}/api/v1/export?{urlencode(match)}", timeout=10) as response:
        lines = response.read().splitlines()
    return json.loads(lines[0]) if lines else {}
