"""InfluxDB line protocol for whole columns: what a series has in common is formed once, numbers come from orjson.

A line is `measurement,tags status=0i,value=28.4 <nanoseconds>`: fields `status` (the OPC UA status, an integer), `text`
(texts, the name of an enumeration's value) and `value` (always a float: booleans 0 and 1, enumerations their number). A
value that is bad, NaN or infinite is left out; its status is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import DTypeLike, NDArray

from gateway.sinks.digits import has_nineteen, line_ends
from gateway.sinks.json_text import iso_time, split, text
from gateway.sinks.rows import Rows
from gateway.values import Column, DataType, Event, Gap, Tag

_SPECIAL = {",": r"\,", " ": r"\ ", "\n": r"\n", "\t": r"\t", "\r": r"\r"}
_ESCAPE_MEASUREMENT = str.maketrans(_SPECIAL)
_ESCAPE_KEY = str.maketrans(_SPECIAL | {"=": r"\="})
_ESCAPE_STRING = str.maketrans({'"': r"\"", "\\": r"\\"})
_SEVERITIES = ((334, "low"), (667, "medium"))
_SLOTS = 3  # pieces of a line: its beginning, the value, the time
_TEXT = "status=0i,text="
_BETWEEN = "\0"  # texts on their way; one that has it itself goes its way alone


Fields = Mapping[str, float | str | bool | None]
"""Fields of a point by name."""


def series_key(measurement: str, tags: Mapping[str, str]) -> str:
    """Measurement and tags, escaped and sorted; empty tags are left out."""
    named = (f",{_key(name)}={_key(value)}" for name, value in sorted(tags.items()) if value)
    return _ended(measurement.translate(_ESCAPE_MEASUREMENT)) + "".join(named)


def _key(words: str) -> str:
    return _ended(words.translate(_ESCAPE_KEY))


def _ended(words: str) -> str:
    """A backslash at the end would escape what follows."""
    return words + " " if words.endswith("\\") else words


def point(key: str, fields: Fields, time: int) -> bytes:
    """One line of any fields, sorted; integers are written as such, None and what is not finite is left out."""
    shown = {name: _field(value) for name, value in sorted(fields.items())}
    pairs = ",".join(f"{_key(name)}={value}" for name, value in shown.items() if value)
    return f"{key} {pairs} {time}\n".encode("utf-8", "replace")


def _field(value: float | str | bool | None) -> str:  # noqa: FBT001 - a value like any other
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value}i"
        case float():
            return repr(value) if math.isfinite(value) else ""
        case _:
            return _quoted(value)


def _quoted(words: str) -> str:
    return f'"{words.translate(_ESCAPE_STRING)}"'


@dataclass(frozen=True, slots=True)
class Series:
    """What is the same in every line of a tag."""

    tag: Tag
    start: bytes  # the line up to its first field
    texts: tuple[bytes, ...]  # of an enumeration by value, as a field

    @classmethod
    def of(cls, tag: Tag, measurement: str, tags: Mapping[str, str]) -> Series:
        """The series of a tag."""
        enum = tuple(f",text={_quoted(words)}".encode() if words else b"" for words in tag.enum)
        return cls(tag, f"{series_key(measurement, tags)} ".encode(), enum)

    @property
    def address(self) -> str:
        """The series key, escaped."""
        return self.start[:-1].decode()

    @property
    def number_start(self) -> bytes:
        """The line up to a number that is good."""
        return self.start + b"status=0i,value="

    @property
    def says_more(self) -> bool:
        """Whether its numbers have a text beside them."""
        return bool(self.texts) or self.tag.data_type == DataType.DATETIME


FIELDS: Mapping[str, DTypeLike] = {"start": np.object_, "number_start": np.object_, "says_more": np.bool_}
"""What a run needs of many series at once."""


class SeriesRun:
    """One run of tags as columns have it: the beginnings of its lines."""

    def __init__(self, tags: NDArray[np.int32], series: Rows[Series]) -> None:
        """`series` has FIELDS."""
        self.series = series
        self._tags = tags.astype(np.intp)  # NumPy finds places by these twice as fast
        self.special = np.flatnonzero(series.take("says_more", self._tags))
        self._pieces: dict[str, list[bytes]] = {}

    @classmethod
    def of(cls, columns: Sequence[Column], series: Rows[Series]) -> SeriesRun:
        """That of one column."""
        (column,) = columns
        return cls(column.tag, series)

    def pieces(self, start: str) -> list[bytes]:
        """New pieces for lines that all begin with this field of their series; the others are to be filled in."""
        if start not in self._pieces:
            self._pieces[start] = [b""] * (_SLOTS * len(self._tags))
            self._pieces[start][0::_SLOTS] = self.series.take(start, self._tags).tolist()
        return self._pieces[start].copy()


@dataclass(frozen=True, slots=True)
class Lines:
    """Encoded lines in pieces, `width` pieces a line, and which values they are."""

    pieces: list[bytes]
    width: int
    positions: NDArray[np.int64]

    def each(self) -> Iterator[tuple[int, bytes]]:
        """Position and line, one at a time: for the search for lines that were refused."""
        for number, position in enumerate(self.positions.tolist()):
            yield position, b"".join(self.pieces[number * self.width : (number + 1) * self.width])


def encode(column: Column, run: SeriesRun) -> Lines:
    """A line a value."""
    if column.value.dtype == np.object_:
        pieces, odd = run.pieces("start"), _no_texts(column)
        pieces[1::_SLOTS] = _text_fields(column.value, odd)
    else:
        pieces, odd = run.pieces("number_start"), _odd(column, run)
        pieces[1::_SLOTS] = split(_number(column.value))
    pieces[2::_SLOTS] = _stamps(column.time)
    for i, series in zip(odd.tolist(), run.series.of(column.tag[odd]), strict=True):
        start, value = _line(series, column.value[i], int(column.status[i]))
        pieces[_SLOTS * i : _SLOTS * i + 2] = start, value
    return Lines(pieces, _SLOTS, column.position)


def _no_texts(column: Column) -> NDArray[np.intp]:
    """Values of a column of objects whose line is not just start, text, time."""
    odd = column.status != 0
    kinds = list(map(type, column.value))
    if kinds.count(str) < len(kinds):
        odd |= [kind is not str for kind in kinds]
    return np.flatnonzero(odd)


def _text_fields(values: NDArray[Any], odd: NDArray[np.intp]) -> list[bytes]:
    """The fields of texts, escaped and encoded all at once; nothing of use in the places of what is odd."""
    words = values.tolist()
    for i in odd.tolist():
        words[i] = ""
    together = _text_field(_BETWEEN.join(words)).replace(_BETWEEN, f'"{_BETWEEN}{_TEXT}"')
    fields = together.encode("utf-8", "replace").split(_BETWEEN.encode())
    return fields if len(fields) == len(words) else [_text_field(one).encode("utf-8", "replace") for one in words]


def _text_field(words: str) -> str:
    return _TEXT + _quoted(words)


def _number(values: NDArray[Any]) -> NDArray[Any]:
    return values.view(np.uint8) if values.dtype == np.bool_ else values


def _stamps(times: NDArray[np.int64]) -> list[bytes]:
    """A blank, the time, a line feed."""
    if times[0] == times[-1] and (times == times[0]).all():
        return [b" %d\n" % times[0]] * len(times)
    if has_nineteen(times):
        return line_ends(times)
    digits = orjson.dumps(np.ascontiguousarray(times), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return (b" " + digits.replace(b",", b"\n, ") + b"\n").split(b",")


def _odd(column: Column, run: SeriesRun) -> NDArray[np.intp]:
    """Values whose line is not just start, number, time."""
    odd = column.status != 0
    if column.value.dtype.kind == "f":
        odd |= ~np.isfinite(column.value)
    odd[run.special] = True
    return np.flatnonzero(odd)


def _line(series: Series, value: Any, status: int) -> tuple[bytes, bytes]:  # noqa: ANN401 - a value
    """The first two pieces of a line that has a status, a text beside a number, JSON, or no value."""
    start = series.start + b"status=%di" % status
    if status >> 31 or value is None:
        return start, b""
    if not isinstance(value, np.generic):
        shown = value if isinstance(value, str) else text(value).decode()
        return start + b",text=" + _quoted(shown).encode("utf-8", "replace"), b""
    if series.tag.data_type == DataType.DATETIME and isinstance(value, np.int64):
        return start + b',text="%b",value=' % iso_time(int(value)).encode(), repr(int(value) / 1e9).encode()
    if not np.isfinite(value):
        return start, b""
    words = series.texts[value] if isinstance(value, np.integer) and 0 <= value < len(series.texts) else b""
    return start + words + b",value=", split(_number(np.array([value])))[0]


def event_line(event: Event, tags: Mapping[str, str]) -> Lines:
    """An event as a point of the measurement `event`. `tags` are those that all points have."""
    severity = next((name for limit, name in _SEVERITIES if event.severity < limit), "high")
    own = {"source": event.source, "source_name": event.source_name, "type": event.type, "severity_class": severity}
    fields: Fields = {_apart(name, {*tags, *own}): _stable(value) for name, value in event.fields.items()}
    fields = {**fields, "message": event.message, "severity": event.severity}
    line = point(series_key("event", {**tags, **own}), fields, _distinct(event.time, event.position))
    return Lines([line], 1, np.array([event.position]))


def gap_line(gap: Gap, tags: Mapping[str, str]) -> Lines:
    """A gap as a point of the measurement `gap` at its start."""
    fields: Fields = {"start": gap.start, "end": gap.end, "tags": len(gap.tags), "reason": gap.reason}
    line = point(series_key("gap", {**tags, "source": gap.source}), fields, _distinct(gap.start, gap.position))
    return Lines([line], 1, np.array([gap.position]))


def _apart(name: str, tags: set[str]) -> str:
    """A field must not be called like a tag."""
    return f"{name}_" if name in tags | {"message", "severity"} else name


def _stable(value: Any) -> float | str | bool | None:  # noqa: ANN401 - a field of an event
    """A field keeps one type for ever: all numbers are floats."""
    if value is None or isinstance(value, bool | str):
        return value
    return float(value) if isinstance(value, int | float) else text(value).decode()


def _distinct(time: int, position: int) -> int:
    """Points of one series and time replace each other: digits below 100 ns, which OPC UA lacks, keep them apart."""
    return time - time % 100 + ((position >> 20) + position) % 100
