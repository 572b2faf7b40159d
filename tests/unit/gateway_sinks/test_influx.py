"""A batch is confirmed when the database has it; exactly what it will never take is rejected; the rest comes again."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from support_influx import OK, FakeInflux, Request
from support_sinks import NAMING, NOW, batch, catalogue, column, event, gap, tag

from gateway.contract import NotConnected, Rejected
from gateway.naming import NamingError
from gateway.sinks.influx import Influx, InfluxSettings
from gateway.sinks.news import select
from gateway.values import Batch, Column, DataType

VERSION_2 = {"version": 2, "org": "conche", "bucket": "plant", "token": "s3cret"}
VERSION_1 = {"version": 1, "database": "plant"}
NEVER_S = 60.0
"""The database does not answer in the time of a test."""

TAGS = catalogue(tag(1, unit="°C"), tag(2), tag(3, station="Mixing"), tag(4, data_type=DataType.STRING))


@pytest.fixture
async def db() -> AsyncIterator[FakeInflux]:
    async with FakeInflux() as running:
        yield running


def influx(db: FakeInflux, **settings: Any) -> Influx:
    return Influx("influx", InfluxSettings.model_validate({"url": db.url, **VERSION_2, **settings}), NAMING)


@pytest.fixture(params=[VERSION_2, VERSION_1], ids=["v2", "v1"])
async def sink(db: FakeInflux, request: pytest.FixtureRequest) -> AsyncIterator[Influx]:
    settings = InfluxSettings.model_validate({"url": db.url, **request.param})
    opened = Influx("influx", settings, NAMING)
    await opened.open(TAGS)
    db.requests.clear()
    yield opened
    await opened.close()


def numbers(count: int, tag_id: int = 1) -> Column:
    return column(np.arange(float(count)), [tag_id] * count, time=NOW + np.arange(count), position=np.arange(count))


async def test_a_batch_is_one_request_with_all_points(sink: Influx, db: FakeInflux) -> None:
    await sink.write(batch(numbers(3), column(["dark"], [4], dtype=object), events=[event()], gaps=[gap()]))
    assert len(db.requests) == 1
    assert [(point.measurement, point.fields.get("value")) for point in db.points] == [
        ("Process", 0.0),
        ("Process", 1.0),
        ("Process", 2.0),
        ("Process", None),
        ("event", None),
        ("gap", None),
    ]
    assert db.points[0].key == "Process,line=Line1,site=berlin,station=Tempering,tag=Tag1,unit=°C"
    assert db.points[4].key.startswith("event,severity_class=medium,site=berlin,source=plant,")


async def test_late_values_are_stored_like_all_others(sink: Influx, db: FakeInflux) -> None:
    await sink.write(batch(numbers(3), historical=True))
    assert len(db.points) == 3


async def test_version_2_is_asked_as_documented(db: FakeInflux) -> None:
    sink = influx(db)
    await sink.open(TAGS)
    await sink.write(batch(numbers(1)))
    request = db.requests[-1]
    assert request.path == "/api/v2/write"
    assert request.query == {"org": "conche", "bucket": "plant", "precision": "ns"}
    assert request.headers["authorization"] == "Token s3cret"
    await sink.close()


@pytest.mark.parametrize(
    ("more", "authorization"),
    [
        ({}, None),
        ({"user": "u", "password": "pä:ss"}, "Basic " + base64.b64encode("u:pä:ss".encode()).decode()),
        ({"token": "s3cret"}, "Token s3cret"),
    ],
)
async def test_version_1_is_asked_as_documented(
    db: FakeInflux, more: dict[str, str], authorization: str | None
) -> None:
    sink = influx(db, version=1, database="pl ant", org="", bucket="", **({"token": None} | more))
    await sink.open(TAGS)
    await sink.write(batch(numbers(1)))
    request = db.requests[-1]
    assert request.path == "/write"
    assert request.query == {"db": "pl ant", "precision": "ns"}
    assert request.headers.get("authorization") == authorization
    await sink.close()


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2], ids=["v1", "v2"])
async def test_the_database_may_stand_behind_a_prefix(db: FakeInflux, version: dict[str, Any]) -> None:
    url = db.url.replace("//", "//somebody:hush@") + "/db/1/"
    sink = Influx("influx", InfluxSettings.model_validate({"url": url, **version}), NAMING)
    await sink.open(TAGS)
    await sink.write(batch(numbers(1)))
    paths = {request.path for request in db.requests}
    assert paths == {"/db/1/write" if version is VERSION_1 else "/db/1/api/v2/write"}
    assert db.requests[-1].headers["host"] == db.url.removeprefix("http://")
    await sink.close()


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2], ids=["v1", "v2"])
async def test_bodies_can_be_compressed(db: FakeInflux, version: dict[str, Any]) -> None:
    sink = Influx("influx", InfluxSettings.model_validate({"url": db.url, "gzip": True, **version}), NAMING)
    await sink.open(TAGS)
    await sink.write(batch(numbers(100)))
    assert db.requests[-1].headers["content-encoding"] == "gzip"
    assert int(db.requests[-1].headers["content-length"]) < len(db.requests[-1].body) / 3
    assert len(db.points) == 100
    await sink.close()


async def test_one_connection_serves_many_writes(sink: Influx, db: FakeInflux) -> None:
    connections = db.connections
    for _ in range(5):
        await sink.write(batch(numbers(1)))
    assert db.connections == connections


@pytest.mark.parametrize("bad", [{0}, {999}, {17, 18, 500}, set(range(40))])
async def test_of_a_refused_batch_exactly_the_bad_lines_are_rejected(
    sink: Influx, db: FakeInflux, bad: set[int]
) -> None:
    db.answer = db.parse_error(lambda line: int(line.rsplit(" ", 1)[1]) - NOW in bad)
    rest = numbers(1000)
    rejected: set[int] = set()
    for _ in range(10):
        left = batch(select(rest, ~np.isin(rest.position, list(rejected))))
        if rejected == bad:
            await sink.write(left)
            break
        with pytest.raises(Rejected, match="unable to parse") as caught:
            await sink.write(left)
        rejected |= set(caught.value.positions)
    assert rejected == bad
    assert {point.time - NOW for point in db.points} == set(range(1000)) - bad


async def test_the_search_for_bad_lines_is_bounded(sink: Influx, db: FakeInflux) -> None:
    db.answer = lambda _: (400, '{"error":"unable to parse"}')
    with pytest.raises(Rejected) as caught:
        await sink.write(batch(numbers(1000)))
    assert len(caught.value.positions) > 10
    assert len(db.requests) < 120


@pytest.mark.parametrize("status", [422, 400])
async def test_a_conflict_of_types_rejects_all_its_points_without_a_search(
    sink: Influx, db: FakeInflux, status: int
) -> None:
    db.answer = db.conflict(status, "Process", "value")
    data = batch(numbers(500), column(["dark"], [4], dtype=object, position=[500]), events=[event(501)])
    with pytest.raises(Rejected, match="already exists as type integer") as caught:
        await sink.write(data)
    assert sorted(caught.value.positions) == list(range(500))
    assert len(db.requests) == 1
    assert len(db.points) == 2


async def test_a_conflict_that_does_not_add_up_is_searched(sink: Influx, db: FakeInflux) -> None:
    def answer(request: Request) -> tuple[int, str]:
        if any("Tag2" in line for line in request.lines):
            return (
                422,
                'partial write: field type conflict: input field "value" on measurement "Process" is type x dropped=1',
            )
        return db.take(request)

    db.answer = answer
    data = batch(numbers(20), column([1.0], [2], position=[20]))
    with pytest.raises(Rejected) as caught:
        await sink.write(data)
    assert caught.value.positions == (20,)


async def test_a_refusal_that_does_not_repeat_stores_everything(sink: Influx, db: FakeInflux) -> None:
    db.answer = lambda _: (400, "once")

    def forgive(request: Request) -> tuple[int, str]:
        db.answer = db.take
        return 400, "once"

    db.answer = forgive
    await sink.write(batch(numbers(10)))
    assert len(db.points) == 10


async def test_a_body_that_is_too_large_is_sent_in_parts(sink: Influx, db: FakeInflux) -> None:
    db.answer = lambda request: (413, "too large") if len(request.lines) > 30 else db.take(request)
    await sink.write(batch(numbers(100)))
    assert len(db.points) == 100


@pytest.mark.parametrize(
    ("settings", "status", "words"),
    [
        (VERSION_2, 401, r"check influx\.token"),
        (VERSION_2, 403, r"right to write"),
        (VERSION_1, 401, r"influx\.user and influx\.password"),
        (VERSION_2, 404, r"bucket 'plant'.*create it"),
        (VERSION_1, 404, r"database 'plant'.*create it"),
        (VERSION_2, 429, r"takes no more for now"),
        (VERSION_2, 500, r"answers 500: out of order"),
        (VERSION_2, 503, r"answers 503"),
        (VERSION_2, 302, r"answers 302"),
    ],
)
async def test_everything_else_is_tried_again_later_and_says_why(
    db: FakeInflux, settings: dict[str, Any], status: int, words: str
) -> None:
    sink = Influx("influx", InfluxSettings.model_validate({"url": db.url, **settings}), NAMING)
    await sink.open(TAGS)
    db.answer = lambda _: (status, "out of order")
    with pytest.raises(NotConnected, match=words):
        await sink.write(batch(numbers(1)))
    with pytest.raises(NotConnected, match=words):
        await sink.open(TAGS)
    db.answer = lambda _: OK
    await sink.open(TAGS)
    await sink.close()


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2], ids=["v1", "v2"])
async def test_a_database_that_is_away_is_told(version: dict[str, Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    sink = Influx("influx", InfluxSettings.model_validate({"url": url, **version}), NAMING)
    with pytest.raises(NotConnected, match="is the database up"):
        await sink.open(TAGS)
    await sink.close()


@pytest.mark.parametrize("version", [VERSION_1, VERSION_2], ids=["v1", "v2"])
async def test_a_database_that_does_not_answer_is_given_up_in_time(db: FakeInflux, version: dict[str, Any]) -> None:
    settings = InfluxSettings.model_validate({"url": db.url, "timeout_s": 0.2, **version})
    sink = Influx("influx", settings, NAMING)
    db.delay_s = NEVER_S
    with pytest.raises(NotConnected, match=r"did not answer within 0\.2 s"):
        async with asyncio.timeout(NEVER_S / 2):
            await sink.open(TAGS)
    await sink.close()


async def test_the_event_loop_goes_on_while_the_database_thinks(sink: Influx, db: FakeInflux) -> None:
    db.delay_s = 0.3
    writing = asyncio.create_task(sink.write(batch(numbers(1))))
    turns = 0
    while not writing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5


async def test_a_write_can_be_cancelled_at_once(sink: Influx, db: FakeInflux) -> None:
    db.delay_s = NEVER_S
    writing = asyncio.create_task(sink.write(batch(numbers(1))))
    await asyncio.sleep(0.05)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(NEVER_S / 2):
            await writing


async def test_a_tag_without_names_is_rejected_before_anything_is_sent(db: FakeInflux) -> None:
    sink = influx(db)
    await sink.open(catalogue(tag(1), tag(2, path=("Somewhere",))))
    db.requests.clear()
    with pytest.raises(Rejected, match="no template") as caught:
        await sink.write(batch(column([1.0, 2.0], [1, 2], position=[5, 6])))
    assert (caught.value.positions, db.requests) == ((6,), [])
    await sink.close()


async def test_a_measurement_that_would_be_a_comment_is_rejected(db: FakeInflux) -> None:
    sink = influx(db)
    await sink.open(catalogue(tag(1, path=("Machines", "L", "Components", "S", "#1", "T"))))
    with pytest.raises(Rejected, match="comment"):
        await sink.write(batch(column([1.0], [1])))
    await sink.close()


async def test_a_changed_unit_is_a_new_series(db: FakeInflux) -> None:
    tags = catalogue(tag(1))
    sink = influx(db)
    await sink.open(tags)
    await sink.write(batch(numbers(1)))
    tags.apply(tags.plan("plant", [tag(1, unit="K")], 1))
    await sink.write(batch(numbers(1)))
    assert [point.key.endswith(",unit=K") for point in db.points] == [False, True]
    await sink.close()


async def test_an_empty_batch_is_confirmed(sink: Influx, db: FakeInflux) -> None:
    await sink.write(Batch((column([], [], dtype="f8"),), (), (), 1))
    assert db.points == []


async def test_closing_is_idempotent_and_opening_works_again(db: FakeInflux) -> None:
    sink = influx(db)
    await sink.close()
    with pytest.raises(NotConnected):
        await sink.write(batch())
    await sink.open(TAGS)
    await sink.close()
    await sink.close()
    with pytest.raises(NotConnected):
        await sink.write(batch(numbers(1)))
    await sink.open(TAGS)
    await sink.close()


def test_templates_that_naming_cannot_fill_are_refused() -> None:
    with pytest.raises(NamingError, match=r"\{batch\}"):
        Influx("influx", InfluxSettings.model_validate(VERSION_2 | {"tags": ["batch"]}), NAMING)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"version": 2}, "org and bucket and token"),
        ({"version": 1}, "database"),
        ({"version": 3}, "Input should be 1 or 2"),
        (VERSION_1 | {"url": "127.0.0.1:8086"}, "match pattern"),
        (VERSION_1 | {"databse": "x"}, "databse"),
        (VERSION_1 | {"url": "http://127.0.0.1:99999"}, "Port out of range"),
        (VERSION_1 | {"url": "http://:8086"}, "names no host"),
        (VERSION_1 | {"url": "http://127.0.0.1:8086/a b"}, "match pattern"),
        (VERSION_2 | {"token": "s3cret\n"}, "line break"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        InfluxSettings.model_validate(wrong)


def test_secrets_are_in_no_text_of_the_settings() -> None:
    settings = InfluxSettings.model_validate(VERSION_2 | {"password": "hush"})
    assert "s3cret" not in f"{settings!r}{settings}{settings.model_dump_json()}"
    assert "hush" not in f"{settings!r}{settings}{settings.model_dump_json()}"
