"""Sparkplug metrics of data messages for whole columns with NumPy: alias, timestamp in milliseconds and value.

What a metric is on the wire (protobuf): its key and length, the alias (a varint of three bytes, as aliases start at
16,384), the timestamp (a varint of six bytes between 1971 and 2109), `is_historical` where it is, the value. So numbers
of fixed size are rows of fixed size, and integers differ only in the length of the last field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise, repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.varint import read_varint, varint

FIRST_ALIAS = 1 << 14
"""Aliases are the tag id plus this: all of three bytes up to id 2,080,767."""

_LAST_ALIAS = (1 << 21) - 1
_FIRST_MS, _LAST_MS = 1 << 35, (1 << 42) - 1
_METRICS, _ALIAS, _TIMESTAMP, _SEQ = b"\x12", b"\x10", b"\x18", b"\x18"
_IS_HISTORICAL = b"\x28\x01"
_FIXED = {"d": (b"\x69", "<f8"), "f": (b"\x65", "<f4"), "?": (b"\x70", "u1")}  # by NumPy's type character
_INT, _LONG, _STRING = b"\x50", b"\x58", b"\x7a"
_HEAD = 2  # bytes before a metric: its key, and its length as long as that is one byte
_MORE = 0x80
_SCATTERED = 0.3  # of the metrics begin a piece: from there on bytes are moved one by one, all at once
_WORD_BYTES = 4  # integers up to here are an int_value, beyond a long_value


def framed(metric: bytes) -> bytes:
    """A serialised metric as an element of Payload.metrics."""
    return _METRICS + varint(len(metric)) + metric


def sent(milliseconds: int) -> bytes:
    """How messages of this time begin."""
    return b"\x08" + varint(milliseconds)


def payload(beginning: bytes, metrics: bytes, sequence: int | None) -> bytes:
    """A whole message, from sent() on, of framed metrics; only a death has no sequence number."""
    last = b"" if sequence is None else _SEQ + varint(sequence)
    return b"".join((beginning, metrics, last))


def is_regular(aliases: NDArray[np.int64], milliseconds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Where alias and timestamp have the lengths that the rows here count on."""
    fits: NDArray[np.bool_] = (milliseconds >= _FIRST_MS) & (milliseconds <= _LAST_MS) & (aliases <= _LAST_ALIAS)
    return fits


def text_metrics(
    aliases: NDArray[np.int64], milliseconds: NDArray[np.int64], texts: list[str], *, historical: bool
) -> Metrics:
    """A metric a text, where alias and timestamp are is_regular(); what UTF-8 cannot hold becomes "?"."""
    words = list(map(str.encode, texts, repeat("utf-8"), repeat("replace")))
    sizes = np.fromiter(map(len, words), np.int64, len(words))
    rows = _filled(aliases, historical=historical, key=_STRING, value="u1")
    lengths = sizes + rows.itemsize - _HEAD
    rows["length"], rows["time"], rows["value"] = lengths, _stamps(milliseconds), sizes
    heads = rows.view(f"V{rows.itemsize}").tolist()
    for place in np.flatnonzero(lengths >= _MORE).tolist():
        heads[place] = _long_head(heads[place], int(sizes[place]))
    pieces = [b""] * (2 * len(words))
    pieces[0::2], pieces[1::2] = heads, words
    return Metrics(b"".join(pieces), np.cumsum(sizes + np.fromiter(map(len, heads), np.int64, len(heads))))


def _long_head(head: bytes, size: int) -> bytes:
    """What is before so many bytes of text, where they are too many for lengths of one byte."""
    after = head[_HEAD:-1] + varint(size)
    return _METRICS + varint(len(after) + size) + after


def metric_ends(metrics: bytes) -> list[int]:
    """Where each of these framed metrics ends."""
    ends, pos = list[int](), 0
    while pos < len(metrics):
        size, pos = read_varint(metrics, pos + len(_METRICS))
        pos += size
        ends.append(pos)
    return ends


@dataclass(frozen=True, slots=True)
class Metrics:
    """Encoded metrics, one after the other, and where each ends."""

    data: bytes
    ends: NDArray[np.int64]

    def replaced(self, places: list[int], metrics: Iterable[bytes]) -> Metrics:
        """The same with others in these rising places."""
        starts = self._starts()
        lengths = self.ends - starts
        pieces, start = list[bytes](), 0
        for place, metric in zip(places, metrics, strict=True):
            pieces += self.data[start : starts[place]], metric
            start = int(self.ends[place])
            lengths[place] = len(metric)
        return Metrics(b"".join([*pieces, self.data[start:]]), np.cumsum(lengths))

    def sorted(self, order: NDArray[np.intp], bounds: list[int]) -> Iterator[bytes]:
        """The metrics in this order, from each bound to the next; neighbours that stay such are cut out as one."""
        is_first = np.diff(order, prepend=-2) != 1
        is_first[bounds[:-1]] = True
        firsts = np.flatnonzero(is_first)
        if len(firsts) > _SCATTERED * len(order):
            yield from self._moved(order, bounds)
            return
        lasts = np.append(firsts[1:], len(order)) - 1
        cuts = map(slice, self._starts()[order[firsts]].tolist(), self.ends[order[lasts]].tolist())
        pieces = list(map(self.data.__getitem__, cuts))
        for first, last in pairwise(np.searchsorted(firsts, bounds).tolist()):
            yield pieces[first] if last - first == 1 else b"".join(pieces[first:last])

    def _moved(self, order: NDArray[np.intp], bounds: list[int]) -> Iterator[bytes]:
        """The same where few neighbours stay such: all bytes at once."""
        starts = self._starts()[order]
        lengths = self.ends[order] - starts
        ends = np.cumsum(lengths)
        places = np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1])
        data = np.frombuffer(self.data, np.uint8)[places].tobytes()
        for first, last in pairwise([0, *ends[np.array(bounds[1:]) - 1].tolist()]):
            yield data[first:last]

    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], self.ends[:-1]])


def _filled(aliases: NDArray[np.int64], *, historical: bool, key: bytes, value: str) -> NDArray[np.void]:
    """Rows of metrics, all but timestamp and value in place."""
    one = _row(key, value, historical=historical)
    rows = np.frombuffer(bytearray(one.tobytes() * len(aliases)), one.dtype)
    rows["alias"] = _varints(aliases)
    return rows


@cache
def _row(key: bytes, value: str, *, historical: bool) -> NDArray[np.void]:
    """A metric, all but alias, timestamp and value in place."""
    late = _IS_HISTORICAL if historical else b""
    layout = {"metrics": "V1", "length": "u1", "alias_key": "V1", "alias": "V3", "time_key": "V1", "time": "V6"}
    row = np.zeros((), list((layout | {"late": f"V{len(late)}", "key": "V1", "value": value}).items()))
    constants = {"metrics": _METRICS, "alias_key": _ALIAS, "time_key": _TIMESTAMP, "late": late, "key": key}
    for field, constant in constants.items():
        row[field] = np.void(constant)
    row["length"] = row.itemsize - _HEAD
    return row


class NumberRows:
    """Metrics of one run of aliases and one NumPy type: all that does not change is filled in once."""

    def __init__(self, aliases: NDArray[np.int64], dtype: np.dtype[Any], *, historical: bool) -> None:
        """`dtype` is a native number or bool."""
        self._dtype = dtype
        self._is_long = dtype.itemsize > _WORD_BYTES
        key, value = _FIXED.get(dtype.char, (_LONG if self._is_long else _INT, "V0"))
        self._rows = _filled(aliases, historical=historical, key=key, value=value)
        self._length = self._rows.itemsize

    def encode(self, milliseconds: NDArray[np.int64], values: NDArray[Any]) -> Metrics:
        """One metric a value. What is not is_regular() comes out as nonsense of the right length."""
        self._rows["time"] = _stamps(milliseconds)
        if self._dtype.char in _FIXED:
            self._rows["value"] = values
            return Metrics(self._rows.tobytes(), np.arange(1, len(values) + 1) * self._length)
        return self._with_integers(values)

    def _with_integers(self, values: NDArray[Any]) -> Metrics:
        """The rows with a varint of one to ten bytes behind each, and the length byte set accordingly."""
        words = _unsigned(values, is_long=self._is_long)
        lengths, digits = _digits(words)
        width = digits.shape[1]
        table = np.empty((len(words), self._length + width), np.uint8)
        table[:, : self._length] = self._rows.view(np.uint8).reshape(len(words), self._length)
        table[:, self._length :] = digits
        table[:, 1] += lengths
        ends = np.cumsum(lengths + self._length, dtype=np.int64)
        if (lengths == width).all():
            return Metrics(table.tobytes(), ends)
        used = np.arange(width) < lengths[:, None]
        keep = np.concatenate([np.ones((len(words), self._length), np.bool_), used], axis=1)
        return Metrics(table[keep].tobytes(), ends)


def _unsigned(values: NDArray[Any], *, is_long: bool) -> NDArray[np.uint64]:
    """Two's complement: of 64 bits in a long_value, of 32 bits in an int_value."""
    wide = values.astype(np.int64 if values.dtype.kind == "i" else np.uint64, copy=False)
    words = wide.view(np.uint64)
    return words if is_long else words & np.uint64(0xFFFF_FFFF)


def _varints(aliases: NDArray[np.int64]) -> NDArray[np.void]:
    """Varints of three bytes."""
    words = np.empty((len(aliases), 2), "<u2")
    words[:, 0] = _PAIRS[aliases & 0x3FFF]
    words[:, 1] = (aliases >> 14) & 0x7F
    return words.view(_THREE_OF_FOUR)["bytes"][:, 0]


def _stamps(milliseconds: NDArray[np.int64]) -> NDArray[np.void]:
    """Varints of six bytes, two bytes (fourteen bits) at a time by table."""
    words = np.empty((len(milliseconds), 3), "<u2")
    for place, (table, shift) in enumerate(((_PAIRS, 0), (_PAIRS, 14), (_LAST_PAIRS, 28))):
        words[:, place] = table[(milliseconds >> shift) & 0x3FFF]
    return words.view("V6")[:, 0]


_PAIRS = (np.arange(1 << 14) & 0x7F | (np.arange(1 << 14) >> 7) << 8 | 0x8080).astype("<u2")
"""Fourteen bits as two bytes of a varint that goes on, and as its last two."""
_LAST_PAIRS = _PAIRS & 0x7FFF

_THREE_OF_FOUR = np.dtype({"names": ["bytes"], "formats": ["V3"], "itemsize": 4})
_THRESHOLDS = np.array([1 << (7 * i) for i in range(1, 10)], np.uint64)


def _digits(words: NDArray[np.uint64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """How many bytes each varint has; and the bytes, n rows as wide as the longest, meaningless beyond the length."""
    lengths = (np.searchsorted(_THRESHOLDS, words, "right") + 1).astype(np.uint8)
    width = int(lengths.max(initial=1))
    digits = np.empty((len(words), width), np.uint8)
    for i in range(width):
        digits[:, i] = (words >> np.uint64(7 * i)) & np.uint64(0x7F)
        digits[:, i] |= np.where(lengths > i + 1, 0x80, 0).astype(np.uint8)
    return lengths, digits
