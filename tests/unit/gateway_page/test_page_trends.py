"""Trends: what is asked of the historian, and what is drawn."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import orjson
import pytest
from numpy.testing import assert_array_equal
from support_page import STOCKS, Curve, FakeGateway

from gateway.naming import Naming, NamingSettings
from gateway.page.chart import Strip, options
from gateway.page.courses import Courses, evenly, last_numbers, step_s
from gateway.page.plan import called
from gateway.page.wish import Wish, read_wish
from gateway.sinks.latest import Value
from gateway.values import DataType, Tag

SECOND = 1_000_000_000
STORES = tuple(STOCKS)
NOON = 1_763_812_800 * SECOND
TAG = Tag(1, "plant", "s=x", ("Line", "Oven", "Temperature"), DataType.DOUBLE, "°C")


async def test_browsers_share_a_query() -> None:
    gateway = FakeGateway()
    courses = Courses(gateway.trend)
    for _ in range(5):
        await courses.get(20, 900, 300, NOON)
    assert gateway.queries == 1
    await courses.get(20, 900, 300, NOON + step_s(900) * SECOND)
    assert gateway.queries == 2


async def test_what_nobody_asks_for_any_more_is_forgotten() -> None:
    gateway = FakeGateway()
    courses = Courses(gateway.trend)
    for minute in range(10):
        await courses.get(
            gateway.catalogue.find(f"Warehouse/{STORES[minute % 8]}/Level").id, 900, 300, NOON + minute * 60 * SECOND
        )
    assert len(courses._known) == 1


def test_bad_values_and_texts_are_holes() -> None:
    time, none = np.arange(3), np.full(3, np.nan)
    status = np.array([0, 0x80000000, 0x40000000], np.uint32)
    assert_array_equal(last_numbers(Curve(time, none, none, np.array([1, 0, 3]), status)), [1, np.nan, 3])
    assert np.isnan(last_numbers(Curve(time, none, none, np.array(["a", "b", "c"], object), status))).all()


def test_a_value_holds_until_the_next_one_and_is_unknown_before_the_first() -> None:
    time = np.array([NOON - 1800 * SECOND, NOON - 600 * SECOND])
    none = np.full(2, np.nan)
    course = evenly(Curve(time, none, none, np.array([1.0, 2.0]), np.zeros(2, np.uint32)), NOON)
    assert len(course) == 60
    assert np.isnan(course[:29]).all()
    assert set(course[31:49]) == {1.0}
    assert set(course[51:]) == {2.0}


async def test_the_hour_begins_with_a_value_although_values_are_rare() -> None:
    async def every_four_minutes(_: int, start: int, end: int, __: int) -> Curve:
        time = np.arange(NOON, start, -240 * SECOND)[::-1]
        time = time[time <= end] - 7 * SECOND
        return Curve(time, time * 0.0, time * 0.0, np.ones(len(time)), np.zeros(len(time), np.uint32))

    course = (await Courses(every_four_minutes).sparks([1], NOON))[1]
    assert set(course) == {1.0}


@pytest.mark.parametrize(("window", "step"), [(900, 3), (3600, 12), (86_400, 30), (60, 1)])
def test_a_trend_is_drawn_about_as_often_as_it_moves(window: int, step: int) -> None:
    assert step_s(window) == step


async def drawn(tag: Tag = TAG, value: float = 30.0, count: int = 1) -> dict[str, object]:
    gateway = FakeGateway()
    start = NOON - 900 * SECOND
    series = await gateway.trend(1, start, NOON, 300)
    return orjson.loads(
        orjson.dumps(
            options([Strip(tag, "Oven", series, Value(value, 0, NOON))] * count, start, NOON),
            option=orjson.OPT_SERIALIZE_NUMPY,
        )
    )


async def test_a_chart_has_a_strip_a_tag_and_reaches_up_to_now() -> None:
    made = await drawn(count=3)
    assert len(made["grid"]) == len(made["xAxis"]) == 3
    assert len(made["series"]) == 9
    course = made["series"][2]["data"]
    offset = datetime.fromtimestamp(NOON / 1e9).astimezone().utcoffset()
    assert offset is not None
    assert course[-1] == [NOON / 1e6 + offset.total_seconds() * 1000, 30.0]
    assert made["xAxis"][0]["max"] == course[-1][0]


async def test_time_is_told_by_clock_and_at_midnight_by_date() -> None:
    label = (await drawn(count=2))["xAxis"][1]["axisLabel"]
    assert label["show"]
    assert (label["formatter"]["minute"], label["formatter"]["day"]) == ("{HH}:{mm}", "{d} {MMM}")


async def test_strips_do_not_overlap() -> None:
    grids = (await drawn(count=6))["grid"]
    places = [(float(grid["top"][:-1]), float(grid["height"][:-1])) for grid in grids]
    assert all(top + height < below for (top, height), (below, _) in pairwise(places))
    assert sum(places[-1]) < 95


async def test_states_are_drawn_as_steps() -> None:
    state = Tag(1, "plant", "s=x", ("x",), DataType.INT32, enum=("Idle", "Execute"))
    made = await drawn(state, 1.0)
    assert made["series"][2]["step"] == "end"
    assert made["yAxis"][0]["max"] == 1
    assert "Execute" in made["title"][0]["text"]


def test_a_tag_is_called_by_its_named_parts_or_its_path() -> None:
    naming = Naming(NamingSettings(paths=[{"match": "{station}/{tag}"}]))
    assert called(replace(TAG, path=("Roasting", "BeanTemperature")), naming) == "Roasting · Bean Temperature"
    assert called(TAG, naming) == "Line/Oven/Temperature"


@pytest.mark.parametrize("wish", [Wish(), Wish((3, 17), 3600, "dark"), Wish((), 86_400, "light")])
def test_a_wish_survives_in_the_address(wish: Wish) -> None:
    query = dict(pair.split("=") for pair in wish.address().removeprefix("/?").split("&"))
    assert read_wish(query) == wish


def test_nonsense_in_the_address_is_ignored() -> None:
    assert read_wish({"tags": "x,-1,2²,7", "window": "12", "theme": "pink"}) == Wish((7,))
