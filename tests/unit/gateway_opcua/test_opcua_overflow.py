"""A server whose queues were too short has dropped values: they are read from history, or said to be lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.opcua.decode import Part
from gateway.opcua.marks import OVERFLOW, Marks
from gateway.opcua.overflow import Overflows, dropped_before
from gateway.opcua.pending import PendingFile
from gateway.store.bodies import read_gap
from gateway.values import DataType, Tag


def tag(number: int, *, historised: bool) -> Tag:
    return Tag(number, "plant", f"i={number}", (f"T{number}",), DataType.DOUBLE, historised=historised)


def part(*rows: tuple[int, int, int]) -> Part:
    """Values with (tag id, status, source time)."""
    tags, statuses, times = zip(*rows, strict=True)
    n = np.arange(len(rows))
    return Part(n, np.array(tags, np.int32), n * 1.0, np.array(statuses, np.uint32), np.array(times, np.int64))


class House:
    """Tag 1 has history, tag 2 has not; both have been seen at 100 ns."""

    def __init__(self, folder: Path) -> None:
        tags = [tag(1, historised=True), tag(2, historised=False)]
        self.marks, self.file, self.found = Marks(), PendingFile(folder / "pending.json"), 0
        self.marks.admit(tags)
        self.marks.note([part((1, 0, 100), (2, 0, 100))], 100)
        self.overflows = Overflows("plant", self.marks, self.file, lambda: tags[:1], self._count)

    def _count(self) -> None:
        self.found += 1


async def test_what_has_history_is_a_hole_that_is_on_disk_before_the_values_are(tmp_path: Path) -> None:
    house = House(tmp_path)
    assert await house.overflows.note([part((1, 0, 150), (1, OVERFLOW, 900), (1, 0, 950))]) == []
    assert house.file.load() == {1: 100}
    assert house.marks.first[1] == 900
    assert house.found == 1


async def test_what_has_none_is_a_gap_from_the_last_value_to_the_first_that_came(tmp_path: Path) -> None:
    house = House(tmp_path)
    (draft,) = await house.overflows.note([part((2, OVERFLOW, 900))])
    gap = read_gap(draft.body, 0)
    assert (gap.tags, gap.start, gap.end) == ((2,), 100, 900)
    assert "queue_size" in gap.reason
    assert not house.found


async def test_a_hole_that_is_being_filled_grows(tmp_path: Path) -> None:
    house = House(tmp_path)
    await house.overflows.note([part((1, OVERFLOW, 900))])
    house.marks.note([part((1, OVERFLOW, 900))], 900)
    await house.overflows.note([part((1, OVERFLOW, 2000))])
    assert (house.marks.pending[1], house.marks.first[1]) == (100, 2000)


def test_values_without_the_bit_say_nothing() -> None:
    assert dropped_before([part((1, 0, 1), (2, 0x400, 2))]) == {}


def test_a_loss_begins_with_the_newest_value_and_not_with_the_arrival_of_its_message() -> None:
    marks = Marks()
    marks.admit([tag(1, historised=False), tag(2, historised=False)])
    marks.note([part((1, 0, 100), (2, 0, 180))], received=500)
    marks.lose()
    assert marks.lost_since == 180
