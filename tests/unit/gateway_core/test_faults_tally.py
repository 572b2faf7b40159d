"""The counting of `make faults` sees what it is there for: a missing, a repeated, an invented, a late value."""

from __future__ import annotations

import numpy as np
from faults.ledger import ROW, Rows
from faults.tally import Announced, Tally


def ledger(*rows: tuple[int, int, int]) -> Rows:
    """Changes of (tag, number, time)."""
    return np.array(list(rows), ROW)


CHANGES = ledger((0, 1, 10), (1, 1, 10), (0, 2, 20), (0, 3, 30))


def tally(*values: tuple[int, int, int], live: bool = True) -> Tally:
    made = Tally("sink", 2)
    for tag, number, time in values:
        made.take(tag, number, time, live=live)
    return made


def test_everything_delivered_is_sound() -> None:
    verdict = tally((0, 0, 1), (0, 1, 10), (1, 1, 10), (0, 2, 20), (0, 3, 30)).judge(CHANGES)
    assert (verdict.delivered, verdict.lost, verdict.duplicated) == (4, 0, 0)
    assert verdict.is_sound


def test_a_missing_value_is_lost_unless_a_gap_of_its_tag_covers_its_time() -> None:
    one = tally((0, 1, 10), (1, 1, 10), (0, 3, 30))
    assert one.judge(CHANGES).lost == 1
    assert not one.judge(CHANGES).is_sound
    one.gaps.append(Announced(frozenset({1}), 0, 100))
    one.gaps.append(Announced(frozenset({0}), 21, 100))
    assert one.judge(CHANGES).announced == 0
    one.gaps.append(Announced(frozenset({0}), 15, 25))
    assert one.judge(CHANGES).announced == 1
    assert one.judge(CHANGES).is_sound


def test_a_repeated_value_is_a_duplicate_and_no_disorder() -> None:
    verdict = tally((0, 1, 10), (1, 1, 10), (0, 2, 20), (0, 3, 30), (0, 1, 10)).judge(CHANGES)
    assert verdict.duplicated == 1
    assert verdict.is_sound


def test_a_live_value_after_a_newer_one_is_disorder_and_a_historical_one_is_not() -> None:
    values = (0, 2, 20), (0, 1, 10), (1, 1, 10), (0, 3, 30)
    assert tally(*values).judge(CHANGES).disordered == 1
    assert tally(*values, live=False).judge(CHANGES).is_sound


def test_a_number_that_was_never_counted_to_or_has_another_time_is_invented() -> None:
    assert tally((1, 2, 20)).judge(CHANGES).invented == 1
    assert tally((0, 3, 31)).judge(CHANGES).invented == 1
