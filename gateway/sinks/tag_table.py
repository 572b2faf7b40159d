"""What a sink keeps by tag (a topic, a series, a metric), made once and arranged once for every run of tags."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.contract import Catalogue, Rejected
from gateway.naming import NamingError
from gateway.values import Batch, Column, Tag

_REMEMBERED = 1 << 18
"""Values in all remembered plans together. A notification mostly has the tags of the last one, in the same order."""

_SLICE = 500
"""Tags made between two turns of the event loop."""


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
P = TypeVar("P")


class TagTable(Generic[R, P]):
    """Rows by tag id, and plans: what `arrange` makes of the rows of a column, remembered by the column's tags.

    A tag without a usable address has a refusal instead, which says what to change.
    """

    def __init__(self, make: Callable[[Tag], R], arrange: Callable[[list[R]], P]) -> None:
        self._make = make
        self._arrange = arrange
        self._tags: Catalogue | None = None
        self._version = -1
        self._rows: dict[int, R] = {}
        self._refusals: dict[int, str] = {}
        self._owners: dict[str, R] = {}  # by address, while tags are admitted
        self._plans: OrderedDict[bytes, P] = OrderedDict()
        self._remembered = 0

    async def refresh(self, tags: Catalogue) -> bool:
        """Follow the catalogue; True if it changed since the last call. Rows of unchanged tags are kept."""
        if tags is self._tags and tags.version == self._version:
            return False
        before, version, known = self._rows, tags.version, tuple(tags)
        self._tags, self._version = tags, -1
        self._rows, self._refusals, self._owners = {}, {}, {}
        self.forget_plans()
        for number, tag in enumerate(known, 1):
            self._admit(tag, before.get(tag.id))
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        self._version, self._owners = version, {}
        return True

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterator[R]:
        """Rows of the tags that their servers have now, by rising id, then of former ones that values came of."""
        return iter(self._rows.values())

    def forget_plans(self) -> None:
        """Have every plan arranged anew: what it was made of has changed."""
        self._plans.clear()
        self._remembered = 0

    def plans(self, batch: Batch) -> list[P]:
        """One plan a column. Raises Rejected with every value of a tag that has no row."""
        found = [self._plan(column) for column in batch.columns]
        refused = [(column, ids) for column, ids in zip(batch.columns, found, strict=True) if isinstance(ids, _Refused)]
        if refused:
            positions = [p for column, ids in refused for p in column.position[np.isin(column.tag, ids.tags)].tolist()]
            reasons = sorted({self._refusals[i] for _, ids in refused for i in ids.tags})
            raise Rejected(positions, "; ".join(reasons[:3]))
        return [plan for plan in found if not isinstance(plan, _Refused)]

    def _plan(self, column: Column) -> P | _Refused:
        key = column.tag.tobytes()
        if key in self._plans:
            self._plans.move_to_end(key)
            return self._plans[key]
        if refused := self._refused(np.unique(column.tag)):
            return _Refused(refused)
        plan = self._plans[key] = self._arrange([self._rows[i] for i in column.tag.tolist()])
        self._remembered += len(column)
        while self._remembered > _REMEMBERED and len(self._plans) > 1:
            self._remembered -= len(self._plans.popitem(last=False)[0]) // column.tag.itemsize
        return plan

    def _refused(self, ids: NDArray[np.int32]) -> list[int]:
        for tag_id in ids.tolist():
            if tag_id not in self._rows and tag_id not in self._refusals:
                self._admit_former(tag_id)
        return [i for i in ids.tolist() if i in self._refusals]

    def _admit_former(self, tag_id: int) -> None:
        assert self._tags is not None, "refresh() comes first"
        try:
            tag = self._tags.tag(tag_id)
        except KeyError:
            self._refusals[tag_id] = f"no server ever had a tag with the id {tag_id}"
            return
        self._owners = self._owners or {row.address: row for row in self._rows.values()}
        self._admit(tag, None, is_former=True)

    def _admit(self, tag: Tag, before: R | None, *, is_former: bool = False) -> None:
        try:
            row = before if before is not None and before.tag is tag else self._make(tag)
        except NamingError as error:
            self._refusals[tag.id] = str(error)
            return
        owner = self._owners.setdefault(row.address, row)
        if owner is row or (is_former and _succeeds(owner.tag, tag)):
            self._rows[tag.id] = row
        else:
            path = "/".join(owner.tag.path)
            self._refusals[tag.id] = f"{row.address!r} already belongs to {path!r}: make the template tell them apart"


def _succeeds(owner: Tag, former: Tag) -> bool:
    """A tag that its server no longer has shares the address of its successor under the same path."""
    return (owner.source, owner.path) == (former.source, former.path)


class _Refused:
    """In place of a plan: the tags of the column that have no row."""

    def __init__(self, tags: list[int]) -> None:
        self.tags = tags
