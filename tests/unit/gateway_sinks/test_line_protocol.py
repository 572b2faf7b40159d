"""Lines are those that influxdb-client would write, and every value can be read back from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from influxdb_client import Point as ClientPoint
from support_influx import Point, read
from support_sinks import BAD, NOW, UNCERTAIN, column, event, gap, tag

from gateway.sinks.json_text import iso_time
from gateway.sinks.line_protocol import (
    FIELDS,
    Lines,
    Series,
    SeriesRun,
    encode,
    event_line,
    gap_line,
    point,
    series_key,
)
from gateway.sinks.rows import Rows
from gateway.values import Column, DataType, Tag

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
KEY = TEXT.filter(lambda words: words and not words.startswith("#") and not words.endswith("\\"))
NUMBERS = ["f8", "f4", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


def series(*tags: Tag) -> Rows[Series]:
    rows: Rows[Series] = Rows(FIELDS)
    for one in tags:
        rows.put(Series.of(one, "process", {"tag": one.path[-1], "unit": one.unit}))
    return rows


def encoded(data: Column, *tags: Tag) -> Lines:
    return encode(data, SeriesRun(data.tag, series(*tags)))


def lines(data: Column, *tags: Tag) -> list[Point]:
    """What a database reads of a column."""
    found = encoded(data, *tags)
    assert found.positions.tolist() == data.position.tolist()
    assert [text for _, text in found.each()] == [
        line.encode() for line in b"".join(found.pieces).decode().splitlines(keepends=True)
    ] or data.value.dtype == np.object_
    return read(b"".join(found.pieces).decode())


def fields(data: Column, *tags: Tag) -> dict[str, Any]:
    (found,) = lines(data, *tags)
    return found.fields


def test_a_value_is_a_line_with_status_value_and_nanoseconds() -> None:
    found = encoded(column([28.4], [1], time=NOW + 100), tag(1, "Zone2", unit="°C"))
    assert b"".join(found.pieces).decode() == "process,tag=Zone2,unit=°C status=0i,value=28.4 1795338112950000100\n"


@settings(max_examples=150)
@given(
    KEY, st.dictionaries(KEY, TEXT.filter(bool), max_size=4), st.floats(allow_nan=False, allow_infinity=False), TEXT,
    st.integers(-(2**62), 2**62), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_point_is_the_line_of_influxdb_client(
    measurement: str, tags: dict[str, str], value: float, words: str, time: int, status: int
) -> None:
    theirs = ClientPoint(measurement).field("value", value).field("text", words).field("status", status).time(time)
    for name, text in tags.items():
        theirs.tag(name, text)
    ours = point(series_key(measurement, tags), {"value": value, "text": words, "status": status}, time).decode()
    their_line = theirs.to_line_protocol()
    assert ours.split(" status=")[0] == their_line.split(" status=")[0]
    number = repr(value)
    assert ours == their_line.replace(f"value={number.removesuffix('.0')} ", f"value={number} ") + "\n"


@pytest.mark.parametrize("kind", NUMBERS)
@settings(max_examples=40)
@given(data=st.data())
def test_every_number_can_be_read_back(kind: str, data: st.DataObject) -> None:
    values = data.draw(arrays.arrays(kind, st.integers(1, 8)))
    times = data.draw(st.lists(st.integers(-(2**62), 2**62), min_size=len(values), max_size=len(values)))
    found = lines(column(values, [1] * len(values), time=times), tag(1))
    assert [one.time for one in found] == times
    for value, one in zip(values, found, strict=True):
        assert one.fields["status"] == 0
        if np.isfinite(value):
            shown = one.fields["value"]
            assert np.float32(shown) == value if kind == "f4" else shown == float(value)
        else:
            assert set(one.fields) == {"status"}


@given(st.lists(st.integers(10**18, 2**63 - 1) | st.integers(10**18 - 5, 10**18 + 5), min_size=1))
def test_times_have_all_their_digits(times: list[int]) -> None:
    found = encoded(column([1.0] * len(times), [1] * len(times), time=times), tag(1))
    assert [line.rpartition(b" ")[2] for _, line in found.each()] == [b"%d\n" % time for time in times]


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_every_text_can_be_read_back(words: list[str]) -> None:
    found = lines(column(words, [1] * len(words), dtype=object), tag(1, "T", DataType.STRING))
    assert [one.fields for one in found] == [{"status": 0, "text": text} for text in words]


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8")) | st.none(), st.sampled_from([0, 0, UNCERTAIN, BAD])),
        min_size=1,
    )
)
def test_texts_all_at_once_are_the_lines_of_each(samples: list[tuple[str | None, int]]) -> None:
    words, status = [one for one, _ in samples], [code for _, code in samples]
    data = column(words, [1] * len(words), dtype=object, status=status, time=[NOW + i for i in range(len(words))])
    each = [
        point("process,tag=T", {"status": code, "text": None if code == BAD else one}, NOW + i)
        for i, (one, code) in enumerate(samples)
    ]
    assert [line for _, line in encoded(data, tag(1, "T")).each()] == each


@pytest.mark.parametrize(
    ("value", "dtype", "status", "expected"),
    [
        (1.5, "f8", BAD, {"status": BAD}),
        (7, "i4", BAD, {"status": BAD}),
        (1.5, "f8", UNCERTAIN, {"status": UNCERTAIN, "value": 1.5}),
        (0.1, "f4", UNCERTAIN, {"status": UNCERTAIN, "value": 0.1}),
        (True, "?", UNCERTAIN, {"status": UNCERTAIN, "value": 1.0}),
        (float("nan"), "f8", UNCERTAIN, {"status": UNCERTAIN}),
        (float("inf"), "f4", 0, {"status": 0}),
        (None, object, BAD, {"status": BAD}),
        (None, object, 0, {"status": 0}),
        ("dark", object, UNCERTAIN, {"status": UNCERTAIN, "text": "dark"}),
        ("dark", object, BAD, {"status": BAD}),
        ([1, 2], object, 0, {"status": 0, "text": "[1,2]"}),
        ({"a": "ä"}, object, 0, {"status": 0, "text": '{"a":"ä"}'}),
        (b"\x00", object, 0, {"status": 0, "text": '"AA=="'}),
        ("\ud800", object, 0, {"status": 0, "text": "?"}),
    ],
)
def test_what_is_no_good_number_still_has_its_status(
    value: object, dtype: object, status: int, expected: dict[str, object]
) -> None:
    assert fields(column([value], [1], dtype=dtype, status=status), tag(1)) == expected


@pytest.mark.parametrize(("value", "words"), [(1, "Run"), (0, None), (5, None), (-1, None)])
def test_an_enumeration_has_number_and_text(value: int, words: str | None) -> None:
    states = tag(1, "State", DataType.INT32, enum=("", "Run"))
    expected = {"status": 0, "value": float(value)} | ({"text": words} if words else {})
    assert fields(column([value], [1], dtype="i4"), states) == expected


def test_a_date_has_text_and_seconds() -> None:
    assert fields(column([NOW], [1], dtype="i8"), tag(1, "T", DataType.DATETIME)) == {
        "status": 0,
        "text": "2026-11-22T09:01:52.950Z",
        "value": NOW / 1e9,
    }


def test_a_run_of_series_can_be_used_again() -> None:
    run = SeriesRun(np.array([1, 2], np.int32), series(tag(1), tag(2)))
    first = b"".join(encode(column([1.0, float("nan")], [1, 2]), run).pieces)
    second = b"".join(encode(column([3.0, 4.0], [1, 2]), run).pieces)
    assert [one.fields for one in read(first.decode())] == [{"status": 0, "value": 1.0}, {"status": 0}]
    assert [one.fields for one in read(second.decode())] == [{"status": 0, "value": 3.0}, {"status": 0, "value": 4.0}]


CHANGING = (
    tag(1, "Zone 1", unit="°C"),
    tag(2, "Zone,2"),
    tag(3, "Word", DataType.STRING),
    tag(4, "State", DataType.INT32, enum=("Idle", "Run")),
    tag(5, "Due", DataType.DATETIME),
    tag(70_000, "Far"),
)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(CHANGING), min_size=1, max_size=30), st.data())
def test_any_tags_in_any_order_have_the_lines_of_influxdb_client(tags: list[Tag], data: st.DataObject) -> None:
    ids = [one.id for one in tags]
    if data.draw(st.booleans()):
        values: Any = data.draw(st.lists(TEXT | st.none(), min_size=len(ids), max_size=len(ids)))
        got = column(values, ids, dtype=object)
    else:
        kind = data.draw(st.sampled_from(["f8", "i4", "i8", "u1", "?"]))
        values = data.draw(arrays.arrays(kind, len(ids)))
        got = column(values, ids)
    got.status[:] = data.draw(arrays.arrays("u4", len(ids), elements=st.sampled_from([0, 0, UNCERTAIN, BAD])))
    got.time[:] = data.draw(arrays.arrays("i8", len(ids), elements=st.integers(NOW, NOW + 5)))
    for one, value, status, time, (_, line) in zip(
        tags, got.value, got.status.tolist(), got.time.tolist(), encoded(got, *CHANGING).each(), strict=True
    ):
        theirs = ClientPoint("process").tag("tag", one.path[-1]).tag("unit", one.unit).time(time)
        theirs.field("status", status)
        (ours,) = read(line.decode())
        assert ours.key == theirs.to_line_protocol().split(" status=")[0]
        assert ours.time == time
        assert ours.fields == expected_fields(one, value, status)


def expected_fields(one: Tag, value: Any, status: int) -> dict[str, Any]:
    if status == BAD or value is None:
        return {"status": status}
    if isinstance(value, str):
        return {"status": status, "text": value}
    if not np.isfinite(value):
        return {"status": status}
    if one.data_type == DataType.DATETIME and isinstance(value, np.int64):
        return {"status": status, "text": iso_time(int(value)), "value": int(value) / 1e9}
    is_named = one.enum and isinstance(value, np.integer) and 0 <= value < len(one.enum)
    return {"status": status, "value": float(value)} | ({"text": one.enum[value]} if is_named else {})


def test_tags_are_sorted_escaped_and_left_out_when_empty() -> None:
    assert series_key("a b,c", {"z": "1", "b c": "x=y, z", "empty": "", "back": "\\"}) == (
        "a\\ b\\,c,b\\ c=x\\=y\\,\\ z,back=\\ ,z=1"
    )


def test_an_event_is_a_point_whose_fields_keep_their_type() -> None:
    line = event_line(event(Customer='A "B"', Quantity=60, Rush=True, Note=None, type="x", Lines=[1]), {"site": "b"})
    (found,) = read(line.pieces[0].decode())
    assert (
        found.key
        == "event,severity_class=medium,site=b,source=plant,source_name=ChocolateLine1,type=BulkOrderEventType"
    )
    assert found.fields == {
        "Customer": 'A "B"',
        "Quantity": 60.0,
        "Rush": True,
        "type_": "x",
        "Lines": "[1]",
        "message": "An order",
        "severity": 500,
    }


@pytest.mark.parametrize(
    ("severity", "name"), [(1, "low"), (333, "low"), (334, "medium"), (666, "medium"), (667, "high")]
)
def test_severities_have_classes(severity: int, name: str) -> None:
    assert f"severity_class={name}," in event_line(replace(event(), severity=severity), {}).pieces[0].decode()


def test_two_events_of_one_moment_are_two_points_and_a_repeated_one_is_one() -> None:
    times = [read(event_line(event(n << 20), {}).pieces[0].decode())[0].time for n in (1, 2, 3, 1)]
    assert len(set(times)) == 3
    assert times[3] == times[0]
    assert {time // 100 for time in times} == {NOW // 100}


def test_a_gap_is_a_point_with_its_ends() -> None:
    (found,) = read(gap_line(gap(tags=(1, 2)), {"site": "b"}).pieces[0].decode())
    assert found.key == "gap,site=b,source=plant"
    assert found.fields == {
        "start": NOW,
        "end": NOW + 10**9,
        "tags": 2,
        "reason": "the server's queue was too short",
    }
