"""Nanoseconds since 1970 as digits, by table: whole columns at a time, four digits a step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FEWEST = 10**18  # ns of 2001-09-09: from there to the end of int64 (2262) a time has 19 digits
_EIGHT, _FOUR = 10**8, 10**4
_FIRST_THREE = np.array([b" %03d" % number for number in range(1000)]).view("<u4")
_NEXT_FOUR = np.array([b"%04d" % number for number in range(_FOUR)]).view("<u4")
_ROW = np.dtype([("first", "<u4"), ("a", "<u4"), ("b", "<u4"), ("c", "<u4"), ("d", "<u4"), ("end", "V1")])


def has_nineteen(times: NDArray[np.int64]) -> bool:
    """Whether all of these times have 19 digits."""
    return bool(times.min() >= _FEWEST)


def line_ends(times: NDArray[np.int64]) -> list[bytes]:
    """A blank, the time, a line feed; for times that have 19 digits."""
    rows = np.empty(len(times), _ROW)
    upper = times // _EIGHT
    first = upper // _EIGHT
    rows["first"] = _FIRST_THREE[first]
    rows["end"] = np.void(b"\n")
    for eight, left, right in ((upper - first * _EIGHT, "a", "b"), (times - upper * _EIGHT, "c", "d")):
        four = eight // _FOUR
        rows[left], rows[right] = _NEXT_FOUR[four], _NEXT_FOUR[eight - four * _FOUR]
    ends: list[bytes] = rows.view(f"V{_ROW.itemsize}").tolist()
    return ends
