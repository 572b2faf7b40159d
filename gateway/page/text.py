"""How numbers, times and values are written on the page."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

from gateway.sinks.latest import Value
from gateway.values import DataType, Tag

NOTHING = "—"
"""Stands where there is no good value."""

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")

NO_UNIT = ("", "1")
"""Units that are not worth showing: none, and UNECE's C62, "one"."""

_UNCERTAIN, _BAD = 1, 2
_INTEGERS = frozenset(range(DataType.SBYTE, DataType.UINT64 + 1))
_NS = 1_000_000_000
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def is_bad(value: Value | None) -> bool:
    """Whether there is nothing to show: no value yet, or a bad status."""
    return value is None or value.status >> 30 >= _BAD


def number(value: Value | None) -> float:
    """The value as a number; NaN where there is none."""
    if value is None or is_bad(value) or not isinstance(value.value, float):
        return math.nan
    return value.value


def value_text(tag: Tag | None, value: Value | None) -> str:
    """A value without its unit as a person reads it; "?" behind it says that its status is uncertain."""
    if tag is None or value is None or is_bad(value):
        return NOTHING
    return _plain(tag, value.value) + (" ?" if value.status >> 30 == _UNCERTAIN else "")


def with_unit(text: str, unit: str) -> str:
    """A text with its unit behind a narrow space that does not break; nothing keeps no unit, and "1" is none."""
    return f"{text}\u202f{unit}" if unit not in NO_UNIT and text != NOTHING else text


def figure(value: float) -> str:
    """A number in four figures or so: 1,234 · 56.7 · 0.123. NaN is nothing."""
    if not math.isfinite(value):
        return NOTHING
    size = abs(value)
    for least, decimals in ((100, 0), (10, 1), (1, 2)):
        if size >= least:
            return f"{value:,.{decimals}f}"
    return f"{value:.3f}".rstrip("0").rstrip(".") if size else "0"


def spaced(name: str) -> str:
    """A browse name with spaces where its words begin: "CocoaButter" becomes "Cocoa Butter"."""
    return _WORD_START.sub(" ", name)


def age(seconds: float) -> str:
    """A span of time in its largest unit: "0.4 s", "12 s", "3 min", "2 h", "5 d"."""
    if seconds < 1:
        return f"{math.floor(max(seconds, 0) * 10) / 10} s"
    for limit, unit, name in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "min"), (_DAY, _HOUR, "h")):
        if seconds < limit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds // _DAY:.0f} d"


def clock(time: int) -> str:
    """Unix nanoseconds as the time of day at the gateway's place."""
    return datetime.fromtimestamp(time / _NS).astimezone().strftime("%H:%M:%S")


def day_and_clock(time: int, now: int) -> str:
    """The time of day, with the date in front unless it is today's."""
    moment = datetime.fromtimestamp(time / _NS).astimezone()
    is_today = moment.date() == datetime.fromtimestamp(now / _NS).astimezone().date()
    return moment.strftime("%H:%M:%S" if is_today else "%d %b %H:%M")


def zone(now: int) -> str:
    """The name of the time zone at the gateway's place."""
    return datetime.fromtimestamp(now / _NS).astimezone().strftime("%Z")


def _plain(tag: Tag, value: object) -> str:
    if tag.data_type is DataType.DATETIME:
        return _moment(value)
    if not isinstance(value, float):
        return str(value) if value not in (None, "") else NOTHING
    if tag.enum:
        return _enum_text(tag.enum, int(value))
    if tag.data_type is DataType.BOOLEAN:
        return "yes" if value else "no"
    is_count = tag.data_type in _INTEGERS or (tag.unit in NO_UNIT and value.is_integer())
    return f"{value:,.0f}" if is_count else figure(value)


def _enum_text(texts: tuple[str, ...], value: int) -> str:
    return (texts[value] if 0 <= value < len(texts) else "") or str(value)


def _moment(value: object) -> str:
    """An OPC UA DateTime, as Unix nanoseconds or ISO text, in UTC: plant time has no place of its own."""
    if isinstance(value, float):
        return datetime.fromtimestamp(value / _NS, UTC).strftime("%a %d %b %Y %H:%M:%S")
    try:
        return datetime.fromisoformat(str(value)).strftime("%a %d %b %Y %H:%M:%S")
    except ValueError:
        return str(value)
