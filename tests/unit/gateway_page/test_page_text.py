"""How values are written."""

from __future__ import annotations

import math

import pytest

from gateway.page import text
from gateway.sinks.latest import Value
from gateway.values import DataType, Tag

GOOD, BAD, UNCERTAIN = 0, 0x80000000, 0x40000000


def tag(kind: DataType, **more: object) -> Tag:
    return Tag(1, "plant", "s=x", ("x",), kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "written"),
    [
        *[(0.0, "0"), (1234.56, "1,235"), (56.74, "56.7"), (5.678, "5.68"), (0.12345, "0.123"), (0.5, "0.5")],
        *[(-3.14159, "-3.14"), (math.nan, text.NOTHING), (math.inf, text.NOTHING)],
    ],
)
def test_a_number_has_about_four_figures(number: float, written: str) -> None:
    assert text.figure(number) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(-1, "0.0 s"), (0.96, "0.9 s"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (7199, "1 h"), (200_000, "2 d")],
)
def test_an_age_is_in_its_largest_unit(seconds: float, written: str) -> None:
    assert text.age(seconds) == written


@pytest.mark.parametrize(
    ("kind", "more", "value", "written"),
    [
        (DataType.INT32, {"enum": ("", "Idle", "Execute")}, 2.0, "Execute"),
        (DataType.INT32, {"enum": ("", "Idle")}, 7.0, "7"),
        (DataType.INT32, {"enum": ("", "Idle")}, 0.0, "0"),
        (DataType.UINT64, {}, 1234567.0, "1,234,567"),
        (DataType.BOOLEAN, {}, 1.0, "yes"),
        (DataType.STRING, {}, "Milk", "Milk"),
        (DataType.STRING, {}, "", text.NOTHING),
        (DataType.DATETIME, {}, 1_763_820_300e9, "Sat 22 Nov 2025 14:05:00"),
        (DataType.DATETIME, {}, "2025-11-22T14:05:00Z", "Sat 22 Nov 2025 14:05:00"),
        (DataType.DATETIME, {}, "not yet", "not yet"),
    ],
)
def test_a_value_is_written_by_its_type(kind: DataType, more: dict[str, object], value: object, written: str) -> None:
    assert text.value_text(tag(kind, **more), Value(value, 0, 1)) == written


def test_what_is_counted_has_no_decimals() -> None:
    pieces = Tag(1, "plant", "n", ("OnOrder",), DataType.DOUBLE, "1")
    assert text.value_text(pieces, Value(16.0, GOOD, 1)) == "16"
    assert text.value_text(pieces, Value(1.25, GOOD, 1)) == "1.25"
    assert text.value_text(tag(DataType.DOUBLE, unit="kg"), Value(16.0, GOOD, 1)) == "16.0"


def test_a_bad_value_is_no_value_and_an_uncertain_one_is_marked() -> None:
    assert text.value_text(tag(DataType.DOUBLE), Value(1.0, BAD, 1)) == text.NOTHING
    assert text.value_text(tag(DataType.DOUBLE), Value(1.5, UNCERTAIN, 1)) == "1.50 ?"
    assert text.value_text(tag(DataType.DOUBLE), None) == text.NOTHING
    assert math.isnan(text.number(Value(1.0, BAD, 1)))
    assert math.isnan(text.number(Value("Milk", 0, 1)))


def test_nothing_has_no_unit_and_one_is_none() -> None:
    assert text.with_unit("3", "1") == text.with_unit("3", "") == "3"
    assert text.with_unit(text.NOTHING, "kg") == text.NOTHING
    assert text.with_unit("3", "kg") == "3\u202fkg"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("CocoaButter", "Cocoa Butter"),
        ("Conche1", "Conche1"),
        ("Zone2Temperature", "Zone2 Temperature"),
        ("OEE", "OEE"),
    ],
)
def test_browse_names_are_spaced(name: str, written: str) -> None:
    assert text.spaced(name) == written


def test_mails_of_other_days_show_the_date() -> None:
    now = 1_763_820_300_000_000_000
    assert len(text.day_and_clock(now, now)) == len("14:05:00")
    assert "Nov" in text.day_and_clock(now - 3 * 86_400 * 10**9, now)
