"""What a sink keeps by tag follows the catalogue, and what cannot be addressed is refused with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from support_sinks import batch, catalogue, column, tag

from gateway.contract import Rejected
from gateway.naming import NamingError
from gateway.sinks.tag_table import TagTable
from gateway.values import Tag


@dataclass(frozen=True)
class Place:
    tag: Tag
    address: str


class Workshop:
    """Counts what is made and arranged."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.arranged: list[list[int]] = []
        self.table: TagTable[Place, list[Place]] = TagTable(self.make, self.arrange)

    def make(self, tag: Tag) -> Place:
        if tag.path[-1] == "Nameless":
            raise NamingError("no template fits 'Nameless'")
        self.made.append(tag.id)
        return Place(tag, tag.path[-1])

    def arrange(self, places: list[Place]) -> list[Place]:
        self.arranged.append([place.tag.id for place in places])
        return places


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


async def test_a_repeated_run_of_tags_is_arranged_once(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1), tag(2)))
    first = workshop.table.plans(batch(column([1.0, 2.0], [2, 1])))
    again = workshop.table.plans(batch(column([3.0, 4.0], [2, 1])))
    assert first[0] is again[0]
    assert workshop.arranged == [[2, 1]]


async def test_rows_of_unchanged_tags_are_kept_when_the_catalogue_changes(workshop: Workshop) -> None:
    tags = catalogue(tag(1), tag(2))
    assert await workshop.table.refresh(tags)
    assert not await workshop.table.refresh(tags)
    tags.apply(tags.plan("plant", [tag(1), replace(tag(2), unit="K"), tag(0, "New")], 1))
    assert await workshop.table.refresh(tags)
    assert workshop.made == [1, 2, 2, 3]
    assert [place.tag.id for place in workshop.table.rows()] == [1, 2, 3]


async def test_every_value_of_a_tag_without_name_is_rejected_at_once(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1), tag(2, "Nameless")))
    data = batch(
        column([1.0, 2.0, 3.0], [1, 2, 2], position=[10, 11, 12]), column([7], [2], dtype="int32", position=[13])
    )
    with pytest.raises(Rejected, match="no template fits") as caught:
        workshop.table.plans(data)
    assert caught.value.positions == (11, 12, 13)


async def test_two_tags_never_share_an_address(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1, "Same"), tag(2, "Same", source="other")))
    with pytest.raises(Rejected, match="'Same' already belongs to 'Machines/Line1/Components/Tempering/Process/Same'"):
        workshop.table.plans(batch(column([1.0], [2])))
    assert workshop.table.plans(batch(column([1.0], [1])))


async def test_a_tag_that_its_server_no_longer_has_still_has_an_address(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(5, "Same"), former=[tag(1, "Same"), tag(2, "Old")]))
    (plan,) = workshop.table.plans(batch(column([1.0, 2.0, 3.0], [1, 2, 5])))
    assert [place.address for place in plan] == ["Same", "Old", "Same"]
    assert [place.tag.id for place in workshop.table.rows()] == [5, 1, 2]


async def test_a_tag_that_never_was_is_rejected(workshop: Workshop) -> None:
    await workshop.table.refresh(catalogue(tag(1)))
    with pytest.raises(Rejected, match="id 99"):
        workshop.table.plans(batch(column([1.0], [99])))


async def test_a_refused_tag_is_taken_when_the_catalogue_gives_it_a_name(workshop: Workshop) -> None:
    tags = catalogue(tag(1, "Nameless"))
    await workshop.table.refresh(tags)
    with pytest.raises(Rejected):
        workshop.table.plans(batch(column([1.0], [1])))
    tags.apply(tags.plan("plant", [replace(tag(1, "Nameless"), path=("A", "Named"))], 1))
    await workshop.table.refresh(tags)
    assert workshop.table.plans(batch(column([1.0], [1])))


async def test_memory_of_arranged_runs_is_bounded(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.sinks.tag_table._REMEMBERED", 4)
    await workshop.table.refresh(catalogue(tag(1), tag(2), tag(3)))
    for ids in ([1, 2], [2, 3], [1, 3], [2, 3], [1, 2]):
        workshop.table.plans(batch(column([0.0, 0.0], ids)))
    assert workshop.arranged == [[1, 2], [2, 3], [1, 3], [1, 2]]
