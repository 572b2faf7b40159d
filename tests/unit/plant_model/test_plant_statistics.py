"""Means come with honest intervals, and bands hold what they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plant_model.statistics import band, estimate, paired, student

# two-sided points of Student's distribution, as printed in every table
TABLE = [(1, 0.95, 12.706), (2, 0.90, 2.920), (4, 0.99, 4.604), (9, 0.95, 2.262), (10, 0.999, 4.587), (29, 0.95, 2.045),
         (120, 0.99, 2.617), (5000, 0.95, 1.960)]  # fmt: skip


@pytest.mark.parametrize(("degrees", "confidence", "t"), TABLE)
def test_the_intervals_are_those_of_student(degrees: int, confidence: float, t: float) -> None:
    assert student(degrees, confidence) == pytest.approx(t, abs=1e-3)


def test_an_interval_of_95_percent_holds_the_truth_19_times_of_20() -> None:
    draws = np.random.default_rng(1).exponential(1.0, (2000, 30))
    hit = sum(abs(estimate(list(row), 0.95).mean - 1.0) <= estimate(list(row), 0.95).half_width for row in draws)
    assert hit / 2000 == pytest.approx(0.93, abs=0.03)  # a little less: exponentials are skew


def test_what_nobody_measured_is_unknown_and_one_run_has_no_interval() -> None:
    assert math.isnan(estimate([], 0.95).mean)
    assert math.isnan(estimate([1.0, math.nan], 0.95).mean)
    one = estimate([3.0], 0.95)
    assert one.mean == 3.0
    assert math.isnan(one.half_width)
    assert not one.significant


def test_common_random_numbers_show_small_differences() -> None:
    base = list(np.random.default_rng(2).normal(100.0, 20.0, 10))
    better = [value + 1.0 + 0.1 * i for i, value in enumerate(base)]
    difference = paired(better, base, 0.99)
    assert difference.significant
    assert difference.half_width < estimate(base, 0.99).half_width / 10


def test_rounding_is_no_difference() -> None:
    assert not paired([0.1 + 0.2, 0.3], [0.3, 0.3], 0.95).significant


@given(st.lists(st.floats(-1e6, 1e6), min_size=9, max_size=50))
def test_a_band_lies_in_order_among_the_values(values: list[float]) -> None:
    p10, p50, p90 = band(values)
    assert min(values) - 1e-6 <= p10 <= p50 + 1e-6
    assert p50 - 1e-6 <= p90 <= max(values) + 1e-6


def test_the_next_value_falls_into_a_band_four_times_of_five() -> None:
    draws = np.random.default_rng(3).lognormal(0.0, 1.0, (4000, 20))
    bands = [band(list(row[:19])) for row in draws]
    hits = sum(one.p10 <= row[19] <= one.p90 for one, row in zip(bands, draws, strict=True))
    assert hits / 4000 == pytest.approx(0.8, abs=0.02)
