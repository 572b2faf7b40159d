"""What a sink makes of the tags of columns, remembered: a notification often has those of one before, in that order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from gateway.sinks.rows import R, Rows
from gateway.values import Column

_REMEMBERED = 1 << 17
"""Values in all remembered plans together."""

P = TypeVar("P")


class Plans(Generic[R, P]):
    """Plans by the tags of columns; those used last are kept. One for an order never seen before must be cheap, too."""

    def __init__(self, make: Callable[[Sequence[Column], Rows[R]], P]) -> None:
        """`make` looks at nothing of the columns but their tags."""
        self._make = make
        self._rows: Rows[R] | None = None
        self._plans: OrderedDict[tuple[bytes, ...], tuple[P, int]] = OrderedDict()
        self._values = 0

    def of(self, columns: Sequence[Column], rows: Rows[R]) -> P:
        """The plan for these columns; all are made anew where the rows are others than before."""
        if rows is not self._rows:
            self._rows, self._values = rows, 0
            self._plans.clear()
        key = tuple(column.tag.tobytes() for column in columns)
        if key in self._plans:
            self._plans.move_to_end(key)
            return self._plans[key][0]
        plan, size = self._make(columns, rows), sum(map(len, columns))
        self._plans[key] = plan, size
        self._values += size
        while self._values > _REMEMBERED and len(self._plans) > 1:
            self._values -= self._plans.popitem(last=False)[1][1]
        return plan
