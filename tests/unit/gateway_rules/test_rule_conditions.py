"""When a threshold alerts: promises over any course of values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from gateway.rules.conditions import (
    Phase,
    Series,
    State,
    Timing,
    Verdict,
    constant,
    in_force,
    is_quiet,
    judge,
    meets,
    run,
    step,
    turns,
)
from gateway.rules.settings import FieldCondition

Course = tuple[NDArray[np.int8], NDArray[np.int64]]


@st.composite
def courses(draw: st.DrawFn) -> Course:
    verdicts = draw(st.lists(st.sampled_from(Verdict), min_size=1, max_size=40))
    pauses = draw(st.lists(st.integers(1, 9), min_size=len(verdicts), max_size=len(verdicts)))
    return np.array(verdicts, dtype=np.int8), 1000 + np.cumsum(pauses)


timings = st.builds(Timing, st.integers(0, 20), st.integers(0, 40))


def judged(
    *values: float, limit: float = 100.0, margin: tuple[float, float] = (5.0, 0.0), below: bool = True
) -> list[int]:
    value = np.array(values)
    verdicts = judge(value, np.full(len(value), limit), np.ones(len(value), dtype=bool), margin, below=below)
    return verdicts.tolist()


def test_below_means_below_and_clear_means_beyond_the_hysteresis() -> None:
    assert judged(99.9, 100, 104.9, 105) == [Verdict.TRUE, Verdict.BETWEEN, Verdict.BETWEEN, Verdict.CLEAR]


def test_above_is_the_mirror_of_below() -> None:
    assert judged(100.1, 100, 95.1, 95, below=False) == [Verdict.TRUE, Verdict.BETWEEN, Verdict.BETWEEN, Verdict.CLEAR]


def test_a_hysteresis_in_percent_is_of_the_limit() -> None:
    assert judged(109.9, 110, margin=(0.0, 0.1)) == [Verdict.BETWEEN, Verdict.CLEAR]
    assert judged(-91, -90, limit=-100, margin=(0.0, 0.1)) == [Verdict.BETWEEN, Verdict.CLEAR]


def test_what_is_no_number_or_not_good_proves_nothing() -> None:
    assert judged(np.nan, np.inf, -np.inf, 1, limit=np.inf) == [Verdict.UNKNOWN] * 4
    bad = judge(np.array([1.0]), np.array([100.0]), np.array([False]), (0.0, 0.0), below=True)
    assert bad.tolist() == [Verdict.UNKNOWN]


def test_a_value_is_in_force_until_the_next_one() -> None:
    series = Series(np.array([10, 20]), np.array([1.0, 2.0]), np.array([True, False]))
    value, good = in_force(series, np.array([9, 10, 19, 20, 99]))
    assert value[1:].tolist() == [1, 1, 2, 2]
    assert good.tolist() == [False, True, True, False, False]
    assert in_force(constant(5.0), np.array([-(10**18)]))[0].tolist() == [5.0]


@given(courses(), timings)
def test_looking_at_the_turns_alone_gives_the_same_as_looking_at_every_value(course: Course, timing: Timing) -> None:
    verdicts, times = course
    state, alerts = State(), []
    for verdict, time in zip(verdicts, times, strict=True):
        state, alert = step(state, Verdict(verdict), int(time), timing)
        alerts += [alert] if alert is not None else []
    thinned, found = run(State(), verdicts, times, timing)
    assert (thinned, [alert for alert, _ in found]) == (state, alerts)
    assert len(turns(verdicts)) <= np.count_nonzero(np.diff(verdicts)) + 2


@given(courses(), timings, st.integers(0, 40))
def test_how_the_values_are_cut_into_batches_makes_no_difference(course: Course, timing: Timing, cut: int) -> None:
    verdicts, times = course
    whole = run(State(), verdicts, times, timing)
    state, first = run(State(), verdicts[:cut], times[:cut], timing)
    state, second = run(state, verdicts[cut:], times[cut:], timing)
    assert (state, first + second) == whole


@given(courses(), timings)
def test_an_alert_needs_a_condition_that_held_for_the_delay(course: Course, timing: Timing) -> None:
    verdicts, times = course
    for alert, since in run(State(), verdicts, times, timing)[1]:
        assert alert - since >= timing.delay
        held = verdicts[(times >= since) & (times <= alert)]
        if alert in times and verdicts[times == alert][0] != Verdict.TRUE:
            held = held[:-1]  # it ran out in the very moment in which the condition ceased to be true
        assert set(held) <= {Verdict.TRUE, Verdict.UNKNOWN}
        assert Verdict.TRUE in held


@given(courses(), timings)
def test_no_delay_runs_out_while_nothing_is_known(course: Course, timing: Timing) -> None:
    verdicts, times = course
    for alert, _ in run(State(), verdicts, times, timing)[1]:
        before = np.flatnonzero(times < alert)[-1:]
        assert alert in times or verdicts[before].tolist() == [Verdict.TRUE]


@given(courses(), timings)
def test_between_two_alerts_the_value_was_clear_and_the_cool_down_passed(course: Course, timing: Timing) -> None:
    verdicts, times = course
    alerts = run(State(), verdicts, times, timing)[1]
    for (one, _), (other, since) in pairwise(alerts):
        assert other - one >= timing.cool_down
        assert Verdict.CLEAR in verdicts[(times >= one) & (times < since)]


@given(courses(), timings)
def test_a_condition_that_is_true_at_the_end_for_long_enough_has_alerted(course: Course, timing: Timing) -> None:
    verdicts, times = course
    late = int(times[-1]) + 100
    state, _ = run(State(), np.append(verdicts, [Verdict.TRUE] * 2), np.append(times, [late, late + 100]), timing)
    assert state.phase is Phase.ALERTED


ranges = st.floats(-1e3, 1e3)


@given(
    st.lists(ranges, min_size=1, max_size=5),
    ranges,
    st.floats(0, 50),
    st.floats(0, 0.5),
    st.booleans(),
    st.sampled_from(Phase),
)
def test_values_that_need_no_closer_look_would_have_changed_nothing(
    values: list[float], limit: float, absolute: float, share: float, below: bool, phase: Phase
) -> None:
    state, margin = State(phase, 5, 5, held=phase is Phase.PENDING), (absolute, share)
    value, times = np.array(values), 10 + np.arange(len(values))
    verdicts = judge(value, np.full(len(value), limit), np.ones(len(value), dtype=bool), margin, below=below)
    if is_quiet(state, min(values), max(values), limit, margin, below=below):
        assert run(state, verdicts, times, Timing(0, 0)) == (state, [])
    elif phase is not Phase.PENDING:
        assert run(state, verdicts, times, Timing(0, 0)) != (state, [])


@pytest.mark.parametrize(
    ("op", "value", "met"),
    [(">=", 50, True), (">", 50, False), ("<", 51, True), ("<=", 49, False), ("==", 50, True), ("!=", 50, False)],
)
def test_fields_are_compared_as_they_are_written(op: str, value: float, met: bool) -> None:
    assert meets({"Quantity": 50}, [FieldCondition(field="Quantity", op=op, value=value)]) is met


def test_a_field_that_is_missing_or_of_another_kind_meets_nothing() -> None:
    for op in ("!=", "<", ">="):
        conditions = [FieldCondition(field="Quantity", op=op, value=50)]
        assert not any(meets(fields, conditions) for fields in ({}, {"Quantity": None}, {"Quantity": "many"}))


def test_all_conditions_must_be_met() -> None:
    both = [
        FieldCondition(field="Quantity", op=">=", value=50),
        FieldCondition(field="Product", op="==", value="Dark"),
    ]
    assert meets({"Quantity": 50, "Product": "Dark"}, both)
    assert not meets({"Quantity": 50, "Product": "Milk"}, both)
