"""What a sink owes is what was appended less what was settled, in whatever order that happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.status import SinkStatus
from gateway.store.cursor import Cursor, Progress

Steps = list[tuple[bool, int, int]]
STEPS: st.SearchStrategy[Steps] = st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(1, 8)))


def numbers(ranges: tuple[tuple[int, int], ...]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(STEPS, st.integers(0, 40))
def test_it_owes_what_was_appended_and_not_settled(steps: Steps, limit: int) -> None:
    cursor = Cursor("sink", SinkStatus("sink"), Progress(0, ()), 0)
    owed: set[int] = set()
    for grows, at, count in steps:
        if grows:
            owed |= set(range(cursor.head + 1, cursor.head + count + 1))
            cursor.extend(cursor.head + count, count)
        else:
            settled = owed & set(range(at, at + count))
            owed -= settled
            for number in sorted(settled):
                cursor.settle(number, number, 1)
        assert numbers(cursor.owed) == owed
        assert cursor.status.behind == len(owed)
        assert numbers(cursor.owed_before(limit)) == {number for number in owed if number < limit}
        assert cursor.progress.first_owed() == min(owed, default=cursor.head + 1)


def test_nothing_is_noted_for_a_sink_that_is_away() -> None:
    cursor = Cursor("sink", SinkStatus("sink"), Progress(0, ()), 0)
    before = cursor.progress
    cursor.extend(10, 100)
    assert cursor.progress is before, "so nothing has to be saved again and again"
    assert cursor.owed == ((1, 10),)
