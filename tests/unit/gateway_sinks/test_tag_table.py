"""What a sink keeps by tag follows the catalogue, and what cannot be addressed is refused with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_sinks import batch, catalogue, column, tag

from gateway.contract import Rejected
from gateway.naming import NamingError
from gateway.sinks.plans import Plans
from gateway.sinks.rows import Rows
from gateway.sinks.tag_table import TagTable
from gateway.values import Column, Tag


@dataclass(frozen=True)
class Place:
    tag: Tag
    address: str


class Workshop:
    """Counts what is made."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.table: TagTable[Place] = TagTable(self.make, {"address": np.object_, "tag.since": np.int64})

    def make(self, tag: Tag) -> Place:
        if tag.path[-1] == "Nameless":
            raise NamingError("no template fits 'Nameless'")
        self.made.append(tag.id)
        return Place(tag, tag.path[-1])


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@settings(max_examples=30)
@given(st.lists(st.integers(1, 3000), min_size=1, unique=True), st.data())
def test_fields_come_in_whatever_order_the_tags_do(ids: list[int], data: st.DataObject) -> None:
    rows: Rows[Place] = Rows({"address": np.object_, "tag.since": np.int64})
    for i in ids:
        rows.put(Place(replace(tag(i), since=7 * i), f"place {i}"))
    some = data.draw(st.lists(st.sampled_from(ids), max_size=20))
    assert rows.take("address", np.array(some, np.int32)).tolist() == [f"place {i}" for i in some]
    assert rows.take("tag.since", np.array(some, np.int32)).tolist() == [7 * i for i in some]
    assert [row.tag.id for row in rows.of(np.array(some, np.int32))] == some
    strange = data.draw(st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3000), max_size=20))
    assert rows.lacking(np.array(some + strange, np.int32)) == sorted(set(strange) - set(ids))
    assert [row.tag.id for row in rows] == sorted(ids)
    assert len(rows) == len(ids)


async def test_rows_of_unchanged_tags_are_kept_when_the_catalogue_changes(workshop: Workshop) -> None:
    tags = catalogue(tag(1), tag(2))
    assert await workshop.table.refresh(tags)
    assert not await workshop.table.refresh(tags)
    tags.apply(tags.plan("plant", [tag(1), replace(tag(2), unit="K"), tag(0, "New")], 1))
    assert await workshop.table.refresh(tags)
    assert workshop.made == [1, 2, 2, 3]
    assert [place.tag.id for place in workshop.table.rows] == [1, 2, 3]


async def test_every_value_of_a_tag_without_name_is_rejected_at_once(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1), tag(2, "Nameless")))
    data = batch(
        column([1.0, 2.0, 3.0], [1, 2, 2], position=[10, 11, 12]), column([7], [2], dtype="int32", position=[13])
    )
    with pytest.raises(Rejected, match="no template fits") as caught:
        workshop.table.require(data)
    assert caught.value.positions == (11, 12, 13)


async def test_two_tags_never_share_an_address(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1, "Same"), tag(2, "Same", source="other")))
    with pytest.raises(Rejected, match="'Same' already belongs to 'Machines/Line1/Components/Tempering/Process/Same'"):
        workshop.table.require(batch(column([1.0], [2])))
    workshop.table.require(batch(column([1.0], [1])))
    assert workshop.table.rows[1].address == "Same"


async def test_a_tag_that_its_server_no_longer_has_still_has_an_address(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(5, "Same"), former=[tag(1, "Same"), tag(2, "Old")]))
    workshop.table.require(batch(column([1.0, 2.0, 3.0], [1, 2, 5])))
    assert [(place.tag.id, place.address) for place in workshop.table.rows] == [(1, "Same"), (2, "Old"), (5, "Same")]


async def test_a_tag_that_never_was_is_rejected(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1)))
    with pytest.raises(Rejected, match="id 99"):
        workshop.table.require(batch(column([1.0], [99])))


async def test_a_refused_tag_is_taken_when_the_catalogue_gives_it_a_name(workshop: Workshop) -> None:
    tags = catalogue(tag(1, "Nameless"))
    await workshop.table.refresh(tags)
    with pytest.raises(Rejected):
        workshop.table.require(batch(column([1.0], [1])))
    tags.apply(tags.plan("plant", [replace(tag(1, "Nameless"), path=("A", "Named"))], 1))
    await workshop.table.refresh(tags)
    workshop.table.require(batch(column([1.0], [1])))
    assert workshop.table.rows[1].address == "Named"


def made(columns: Sequence[Column], _: Rows[Place]) -> list[list[int]]:
    return [column.tag.tolist() for column in columns]


def test_a_plan_for_the_same_tags_is_made_once_until_the_rows_are_others() -> None:
    plans, rows = Plans(made), Rows[Place]({})
    first = plans.of([column([1.0, 2.0], [2, 1]), column([1], [3])], rows)
    assert first == [[2, 1], [3]]
    assert plans.of([column([3.0, 4.0], [2, 1]), column([9], [3])], rows) is first
    assert plans.of([column([3.0, 4.0, 5.0], [2, 1, 3])], rows) == [[2, 1, 3]]
    assert plans.of([column([3.0, 4.0], [2, 1]), column([9], [3])], Rows({})) is not first


def test_memory_of_plans_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sinks.plans._REMEMBERED", 4)
    plans, rows = Plans(made), Rows[Place]({})
    runs = ([1, 2], [2, 3], [1, 3], [2, 3], [1, 2])
    found = [plans.of([column([0.0, 0.0], ids)], rows) for ids in runs]
    assert found[3] is found[1]
    assert found[4] is not found[0]
