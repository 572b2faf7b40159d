"""Where the values of a large mixed body begin: what scan() finds value by value, found by NumPy in leaps.

Wherever a byte is a mask that occurs in the body, a value might begin. Most such guesses are right; which are, the
chain from the first value tells: a value begins where the one before it ends, and nowhere else. So what is found rests
on the bytes alone, whatever was guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gateway.opcua.layout import NOTIFICATION_HEAD, Scan, cut, measured, scan, sizes
from gateway.opcua.variant import Malformed

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from gateway.opcua.variant import Structures

_FEWEST = 400  # values; fewer are found as fast one by one
_LEAP = 16  # values in one, on the average; where there are fewer, too
_MOST_MASKS = 4  # that are guessed by; values with others are measured one by one
_TEXT = 2  # bytes before the length of a text
_FIRST = 4 + NOTIFICATION_HEAD


def find(body: bytes, n: int, types: Structures | None) -> Scan:
    """Find the n values after the count, as scan() does."""
    found = _leapt(body, n, types) if n >= _FEWEST else None
    return scan(body, n, types=types) if found is None else found


def _leapt(body: bytes, n: int, types: Structures | None) -> Scan | None:
    """The scan; None where leaps would be too short."""
    special: dict[int, tuple[Any, int, int | None]] = {}
    starts: list[NDArray[np.int64]] = []
    done, pos, at = 0, _FIRST, None
    masks = {body[_FIRST]}
    guesses = _Guesses.by(body, masks)
    try:
        while done < n:
            if len(starts) * _LEAP > n:
                return None
            if body[pos] not in masks and len(masks) < _MOST_MASKS:
                masks.add(body[pos])
                guesses = _Guesses.by(body, masks)
            chain, following = guesses.chain(pos, n - done)
            if not len(chain):
                size, value = measured(body, pos, types)
                special |= {done: value} if value else {}
                chain, following = np.array([pos]), pos + size + NOTIFICATION_HEAD
            starts.append(chain)
            done, pos = done + len(chain), following
    except (IndexError, Malformed):
        at = pos
    return cut(body, np.concatenate([*starts, [pos]]) - NOTIFICATION_HEAD, special, at)


@dataclass(frozen=True, slots=True)
class _Guesses:
    """Where values might begin, rising, and where another would begin behind each."""

    starts: NDArray[np.int64]
    following: NDArray[np.int64]
    ends: NDArray[np.intp]  # of chains: guesses that are not followed by the next one

    @classmethod
    def by(cls, body: bytes, masks: Collection[int]) -> _Guesses:
        """Guesses by these masks, less of those that follow no other."""
        raw = np.frombuffer(body, np.uint8)
        is_mask = np.zeros(len(raw) - 1, np.bool_)
        for mask in masks:
            is_mask |= raw[:-1] == mask
        starts, following = _whole(body, np.flatnonzero(is_mask))
        follows = np.zeros(len(raw) + NOTIFICATION_HEAD + 1, np.bool_)
        follows[following] = follows[_FIRST] = True
        likely = follows[starts]
        starts, following = starts[likely], following[likely]
        return cls(starts, following, np.flatnonzero(np.append(starts[1:] != following[:-1], True)))

    def chain(self, pos: int, most: int) -> tuple[NDArray[np.int64], int]:
        """Values that follow each other from this byte on, at most so many, and where another would begin."""
        first = int(np.searchsorted(self.starts, pos))
        if first == len(self.starts) or self.starts[first] != pos:
            return self.starts[:0], pos
        last = min(first + most - 1, int(self.ends[np.searchsorted(self.ends, first)]))
        return self.starts[first : last + 1], int(self.following[last])


def _whole(body: bytes, starts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those where something of fixed size or a text lies within the body, and where another would begin behind it."""
    raw = np.frombuffer(body, np.uint8)
    size = sizes()[raw[starts], raw[starts + 1]]
    is_text = (size < 0) & (starts < len(body) - _TEXT - 3)
    lengths = np.ndarray((len(body) - 3,), "<i4", body, strides=(1,))[starts[is_text] + _TEXT]
    size[is_text] = np.maximum(lengths, 0) - size[is_text]
    is_whole = (size > 0) & (starts + size <= len(body))
    starts = starts[is_whole]
    return starts, starts + size[is_whole] + NOTIFICATION_HEAD
