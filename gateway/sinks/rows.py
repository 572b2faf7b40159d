"""What a sink keeps by tag (a topic, a series, a metric): rows, and what many values need of theirs as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from gateway.values import Tag

_FIRST = 1024  # tag ids that there is room for at first


class Row(Protocol):
    """What every row has."""

    @property
    def tag(self) -> Tag:
        """The tag it was made of."""
        ...

    @property
    def address(self) -> str:
        """Where its values go; no two active tags may share one."""
        ...


R = TypeVar("R", bound=Row)


class Rows(Generic[R]):
    """Rows by tag id.

    Fields of a row ("start", "tag.since") stand in arrays by tag id, too: a column takes what it needs from there all
    at once, whatever its tags are and in whatever order they come.
    """

    def __init__(self, fields: Mapping[str, DTypeLike]) -> None:
        """`fields` gives the NumPy type of each."""
        self._rows = np.full(_FIRST, None, object)
        self._is_there = np.zeros(_FIRST, np.bool_)
        self._fields: dict[str, NDArray[Any]] = {name: np.zeros(_FIRST, kind) for name, kind in fields.items()}

    def __len__(self) -> int:
        return int(np.count_nonzero(self._is_there))

    def __iter__(self) -> Iterator[R]:
        """By rising tag id."""
        return iter(self._rows[self._is_there].tolist())

    def __getitem__(self, tag_id: int) -> R:
        """The row of a tag that has one."""
        row: R = self._rows[tag_id]
        return row

    def get(self, tag_id: int) -> R | None:
        """The row of a tag, if it has one."""
        return self._rows[tag_id] if tag_id < len(self._rows) else None

    def put(self, row: R) -> None:
        """Keep a row."""
        tag_id = row.tag.id
        if tag_id >= len(self._rows):
            self._make_room(tag_id + 1)
        self._rows[tag_id], self._is_there[tag_id] = row, True
        for name, array in self._fields.items():
            array[tag_id] = attrgetter(name)(row)

    def take(self, field: str, tags: NDArray[np.integer[Any]]) -> NDArray[Any]:
        """The field of each of these tags, all of which have rows."""
        found: NDArray[Any] = self._fields[field][tags]
        return found

    def of(self, tags: NDArray[np.integer[Any]]) -> list[R]:
        """The row of each of these tags, all of which have one."""
        rows: list[R] = self._rows[tags].tolist()
        return rows

    def lacking(self, tags: NDArray[np.int32]) -> list[int]:
        """Which of these tags have no row; each once, rising."""
        largest = int(tags.view(np.uint32).max(initial=0))  # what is negative is very large
        if largest < len(self._is_there) and self._is_there[tags.astype(np.intp)].all():
            return []
        missing: list[int] = np.setdiff1d(tags, np.flatnonzero(self._is_there)).tolist()
        return missing

    def _make_room(self, size: int) -> None:
        extra = max(size, 2 * len(self._rows)) - len(self._rows)
        self._rows = np.concatenate([self._rows, np.full(extra, None, object)])
        self._is_there = np.concatenate([self._is_there, np.zeros(extra, np.bool_)])
        self._fields = {
            name: np.concatenate([array, np.zeros(extra, array.dtype)]) for name, array in self._fields.items()
        }
