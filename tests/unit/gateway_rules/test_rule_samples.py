"""How the values of the watched tags are cut out of a batch."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.memory import Observation, to_scalar
from gateway.rules.samples import Samples, gather, news, numbers, series
from gateway.values import GOOD, Column

Row = tuple[int, float, int]
rows = st.lists(st.tuples(st.integers(1, 9), st.floats(-10, 10), st.sampled_from([GOOD, 0x40000000, 0x80000000])))


def column(said: list[Row], first: int) -> Column:
    return Column(
        np.arange(first, first + len(said)),
        np.array([tag for tag, _, _ in said], dtype=np.int32),
        np.array([value for _, value, _ in said], dtype=np.float64),
        np.array([status for _, _, status in said], dtype=np.uint32),
        np.arange(first, first + len(said)) * 10,
    )


def samples(*times: int) -> Samples:
    count = len(times)
    return Samples(np.arange(1, count + 1), np.array(times), np.arange(float(count)), np.ones(count, dtype=np.bool_))


@given(st.lists(rows, max_size=4), st.sets(st.integers(0, 6)))
def test_the_watched_values_are_found_all_of_them_in_order_and_no_others(
    columns: list[list[Row]], tags: set[int]
) -> None:
    watched = np.isin(np.arange(max(tags, default=0) + 1), list(tags))
    found = gather([column(said, 1000 * i) for i, said in enumerate(columns)], watched)
    said = {tag: [row for rows in columns for row in rows if row[0] == tag] for tag in tags}
    assert found.keys() == {tag for tag, rows in said.items() if rows}
    for tag, one in found.items():
        assert one.value.tolist() == [value for _, value, _ in said[tag]]
        assert one.good.tolist() == [status == GOOD for _, _, status in said[tag]]
        assert (np.diff(one.position) > 0).all()


def test_a_tag_in_columns_of_two_types_is_put_together_in_order() -> None:
    numbers_, nothing = column([(1, 5.0, 0), (1, 6.0, 0)], 10), column([(1, 0.0, 0)], 5)
    nothing = Column(nothing.position, nothing.tag, np.array([None], dtype=object), nothing.status, nothing.time)
    (one,) = gather([numbers_, nothing], np.array([False, True])).values()
    assert one.value.tolist() == [None, 5.0, 6.0]
    assert np.isnan(numbers(one.value)[0])
    assert numbers(one.value)[1:].tolist() == [5.0, 6.0]


def test_live_values_are_news_once_and_late_ones_only_beyond_what_was_seen() -> None:
    seen = Observation(2, 200, 1.0, good=True)
    live = news(samples(100, 200, 150, 300), seen, 0, historical=False)
    assert live is not None
    assert live.time.tolist() == [150, 300]  # by position; the third came after a clock was set back
    late = news(samples(100, 200, 150, 300), seen, 0, historical=True)
    assert late is not None
    assert late.time.tolist() == [300]
    assert news(samples(100, 200), seen, 0, historical=True) is None
    assert news(samples(100, 200), None, 201, historical=True) is None
    assert news(samples(100), None, 201, historical=False) is not None


@given(st.lists(st.integers(0, 100), min_size=1), st.none() | st.integers(0, 100))
def test_time_never_runs_backwards_in_a_series(times: list[int], before: int | None) -> None:
    seen = None if before is None else Observation(0, before, 7, good=False)
    made = series(seen, samples(*times))
    assert (np.diff(made.time) >= 0).all()
    assert len(made.time) == len(made.value) == len(made.good) == len(times) + (seen is not None)


def test_values_are_remembered_as_numbers_or_texts() -> None:
    values = (np.float32(0.5), np.int8(-3), np.uint64(2**64 - 1), np.bool_(True), "text", None, [1], b"x")
    assert [to_scalar(value) for value in values] == [0.5, -3, float(2**64), True, "text", None, None, None]
    assert np.isnan(Observation(1, 1, "text", good=True).number)
