"""The numbers of a subscription's messages: what is next, what is missing (OPC 10000-4, 5.14.1.1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LAST = 0xFFFF_FFFF
_FAR = 1 << 31
_MOST = 10_000  # more missing messages than any server keeps


def following(sequence: int) -> int:
    """The number after this one; it rolls over to 1, 0 is never used."""
    return sequence % _LAST + 1


def preceding(sequence: int) -> int:
    """The number before this one; before 1 comes 0, none, when it is not known that the numbers have rolled over."""
    return sequence - 1


def missing(last: int, sequence: int) -> tuple[int, ...] | None:
    """What lies between the last message that we have and this one; None if this one is old.

    `last` 0: we have none yet, and 1 should come; a first number far off is where this server begins to count.
    The tuple is cut at 10,000 numbers.
    """
    if last == 0 and sequence > _MOST:
        return ()
    ahead = _ahead(last, sequence)
    if ahead == 0 or ahead > _FAR:
        return None
    return tuple((last + i) % _LAST + 1 for i in range(min(ahead - 1, _MOST)))


def due(last: int, available: Iterable[int]) -> tuple[int, ...]:
    """What follows the last message that we have, in order, up to the newest that is available.

    It has every number, the lost ones too. `last` 0: we have none yet, and what is available is all there is.
    """
    ahead = sorted((number for number in available if missing(last, number) is not None), key=partial(_ahead, last))
    return (*(missing(last, ahead[-1]) or ()), ahead[-1]) if ahead and last else tuple(ahead)


def _ahead(last: int, number: int) -> int:
    return (number - last) % _LAST
