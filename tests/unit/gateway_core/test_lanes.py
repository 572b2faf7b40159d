"""Live values first; the backlog gets its share, and all of the idle time."""

from __future__ import annotations

import pytest

from gateway.lanes import Pace, Share, Turn, fitting, patience_s


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_with_work_in_both_lanes_the_backlog_gets_its_share(share: float) -> None:
    lanes, sent = Share(share, 1000), {Turn.LIVE: 0, Turn.BACKLOG: 0}
    for _ in range(2000):
        turn = lanes.next(live_due=True, backlog=True)
        sent[turn] += 700
        if turn is Turn.LIVE:
            lanes.live_sent(700, backlog=True)
        else:
            lanes.backlog_sent(700, live_due=True)
    assert sent[Turn.BACKLOG] / sum(sent.values()) == pytest.approx(share, abs=0.01)


def test_idle_time_is_free_for_the_backlog() -> None:
    lanes = Share(0.25, 1000)
    for _ in range(10):
        assert lanes.next(live_due=False, backlog=True) is Turn.BACKLOG
        lanes.backlog_sent(1000, live_due=False)
    assert lanes.next(live_due=True, backlog=True) is Turn.LIVE


def test_live_values_alone_earn_the_backlog_no_claim() -> None:
    lanes = Share(0.5, 1000)
    for _ in range(10):
        lanes.live_sent(1000, backlog=False)
    assert lanes.next(live_due=True, backlog=True) is Turn.LIVE
    assert lanes.next(live_due=False, backlog=False) is Turn.WAIT


def test_a_slow_peer_gets_small_backlog_batches_and_a_fast_one_large_ones() -> None:
    pace = Pace(1 << 20)
    assert pace.limit() < 1 << 20
    for _ in range(20):
        pace.sent(100_000, 1.0)
    assert pace.limit() == pytest.approx(20_000, rel=0.05)
    for _ in range(20):
        pace.sent(1 << 20, 0.001)
    assert pace.limit() == 1 << 20


def test_a_batch_is_never_larger_than_allowed() -> None:
    assert Pace(100).limit() == 100


@pytest.mark.parametrize(
    ("counts", "most", "found"),
    [((2, 2, 1, 1), 5, 3), ((2, 2, 2), 5, 2), ((10, 1), 5, 1), ((0, 5, 0), 5, 3), ((5,), 5, 1)],
)
def test_a_batch_takes_what_fits_and_always_the_first(counts: tuple[int, ...], most: int, found: int) -> None:
    assert fitting(counts, most) == found


@pytest.mark.parametrize(
    ("before", "first", "last", "waits", "why"),
    [
        (0, 100, 100, False, "one came long after the one before"),
        (0, 25, 25, False, "so long, exactly"),
        (80, 100, 100, True, "two came shortly one after the other"),
        (0, 100, 110, True, "some came while the first one waited"),
        (500, 100, 100, True, "the clock was set back: nothing is known"),
    ],
)
def test_values_wait_for_others_only_where_others_come(
    before: int, first: int, last: int, waits: bool, why: str
) -> None:
    times = (ms * 1_000_000 for ms in (before, first, last))
    assert patience_s(*times, flush_s=0.025) == (0.025 if waits else 0.0), why
