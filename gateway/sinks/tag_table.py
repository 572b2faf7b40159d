"""Rows for the tags of the catalogue, made once; tags that cannot have one, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Generic

import numpy as np
from numpy.typing import DTypeLike

from gateway.contract import Catalogue, Rejected
from gateway.naming import NamingError
from gateway.sinks.rows import R, Rows
from gateway.values import Batch, Tag

_SLICE = 500
"""Tags made between two turns of the event loop."""


class TagTable(Generic[R]):
    """Rows that follow the catalogue.

    A tag without a usable address has a refusal instead, which says what to change.
    """

    def __init__(self, make: Callable[[Tag], R], fields: Mapping[str, DTypeLike]) -> None:
        """`fields` of the rows stand in arrays: see Rows."""
        self._make = make
        self._fields = fields
        self._tags: Catalogue | None = None
        self._version = -1
        self.rows: Rows[R] = Rows(fields)
        """Of the tags that their servers have now, and of former ones that values came of."""
        self._refusals: dict[int, str] = {}
        self._owners: dict[str, R] = {}  # by address, while tags are admitted

    async def refresh(self, tags: Catalogue) -> bool:
        """Follow the catalogue; True if it changed since the last call. Rows of unchanged tags are kept."""
        if tags is self._tags and tags.version == self._version:
            return False
        before, version, known = self.rows, tags.version, tuple(tags)
        self._tags, self._version = tags, -1
        self.rows, self._refusals, self._owners = Rows(self._fields), {}, {}
        for number, tag in enumerate(known, 1):
            self._admit(tag, before.get(tag.id))
            if number % _SLICE == 0:
                await asyncio.sleep(0)
        self._version, self._owners = version, {}
        return True

    def require(self, batch: Batch) -> None:
        """See to it that all tags of the batch have rows. Raises Rejected with every value of those that cannot."""
        if not batch.columns:
            return
        if refused := self._refused(self.rows.lacking(np.concatenate([column.tag for column in batch.columns]))):
            positions = [p for one in batch.columns for p in one.position[np.isin(one.tag, refused)].tolist()]
            reasons = sorted({self._refusals[i] for i in refused})
            raise Rejected(positions, "; ".join(reasons[:3]))

    def _refused(self, ids: list[int]) -> list[int]:
        for tag_id in ids:
            if tag_id not in self._refusals:
                self._admit_former(tag_id)
        return [i for i in ids if i in self._refusals]

    def _admit_former(self, tag_id: int) -> None:
        assert self._tags is not None, "refresh() comes first"
        try:
            tag = self._tags.tag(tag_id)
        except KeyError:
            self._refusals[tag_id] = f"no server ever had a tag with the id {tag_id}"
            return
        self._owners = self._owners or {row.address: row for row in self.rows}
        self._admit(tag, None, is_former=True)

    def _admit(self, tag: Tag, before: R | None, *, is_former: bool = False) -> None:
        try:
            row = before if before is not None and before.tag is tag else self._make(tag)
        except NamingError as error:
            self._refusals[tag.id] = str(error)
            return
        owner = self._owners.setdefault(row.address, row)
        if owner is row or (is_former and _succeeds(owner.tag, tag)):
            self.rows.put(row)
        else:
            path = "/".join(owner.tag.path)
            self._refusals[tag.id] = f"{row.address!r} already belongs to {path!r}: make the template tell them apart"


def _succeeds(owner: Tag, former: Tag) -> bool:
    """A tag that its server no longer has shares the address of its successor under the same path."""
    return (owner.source, owner.path) == (former.source, former.path)
