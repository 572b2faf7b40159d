"""When a condition is true, and when that is worth an alert: pure functions over arrays, times in Unix nanoseconds.

A threshold has three phases. ARMED: the condition is not true. PENDING: it is true, and the delay or the cool-down
has not yet passed; when it ceases to be true, the rule is armed again. ALERTED: one alert was given; the rule is armed
again when the value has gone back beyond the hysteresis. A value that is not good (bad, uncertain, missing) proves
nothing: it freezes the phase, and no delay runs out meanwhile; the next good value decides.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.rules.settings import FieldCondition

Margin = tuple[float, float]
"""A hysteresis: absolute, plus a share of the limit."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Verdict(IntEnum):
    """What one moment says about a condition."""

    UNKNOWN = 0  # value or limit is missing, uncertain, bad or no number
    CLEAR = 1  # false, and beyond the hysteresis
    BETWEEN = 2  # false, but not yet beyond the hysteresis
    TRUE = 3


class Phase(IntEnum):
    """Where a threshold stands."""

    ARMED = 0
    PENDING = 1
    ALERTED = 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Delay and cool-down in ns."""

    delay: int
    cool_down: int


@dataclass(frozen=True, slots=True)
class State:
    """A threshold of one tag: all that must survive a restart."""

    phase: Phase = Phase.ARMED
    since: int = 0  # source time at which the condition became true
    alerted: int = 0  # source time of the last alert; 0 = never
    held: bool = False  # while pending: the last verdict was TRUE, and the delay runs


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one tag by rising source time, each in force until the next. All arrays have the same length."""

    time: NDArray[np.int64]
    value: NDArray[np.float64]
    good: NDArray[np.bool_]


def constant(value: float) -> Series:
    """A limit that was always there."""
    return Series(np.array([np.iinfo(np.int64).min]), np.array([value]), np.array([True]))


def in_force(series: Series, times: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Value and goodness at these times; (NaN, False) before the first value."""
    at = np.searchsorted(series.time, times, side="right")  # 0 = before the first
    return np.append(np.nan, series.value)[at], np.append(np.False_, series.good)[at]


def judge(
    value: NDArray[np.float64], limit: NDArray[np.float64], good: NDArray[np.bool_], margin: Margin, *, below: bool
) -> NDArray[np.int8]:
    """A Verdict for each moment."""
    with np.errstate(invalid="ignore", over="ignore"):  # infinities are no numbers to judge
        beyond = limit - value if below else value - limit
        slack = margin[0] + margin[1] * np.abs(limit)
    verdict = np.where(beyond > 0, Verdict.TRUE, np.where(beyond <= -slack, Verdict.CLEAR, Verdict.BETWEEN))
    return np.where(good & np.isfinite(beyond), verdict, Verdict.UNKNOWN).astype(np.int8)


def is_quiet(state: State, lowest: float, highest: float, limit: float, margin: Margin, *, below: bool) -> bool:
    """Whether values in this range, good or not, surely leave the state as it is. Most do, and need no closer look."""
    most, least = (limit - lowest, limit - highest) if below else (highest - limit, lowest - limit)
    if state.phase is Phase.ARMED:
        return most <= 0
    return state.phase is Phase.ALERTED and least > -(margin[0] + margin[1] * abs(limit))


def turns(verdicts: NDArray[np.int8]) -> NDArray[np.intp]:
    """The moments that matter: where the verdict changes, and the last one. The others cannot move the state."""
    changes = np.flatnonzero(np.diff(verdicts, prepend=np.int8(-1)))
    return np.union1d(changes, np.arange(len(verdicts))[-1:])


def due(state: State, timing: Timing) -> int:
    """When a pending threshold alerts, if the condition holds until then."""
    cooled = state.alerted + timing.cool_down if state.alerted else state.since
    return max(state.since + timing.delay, cooled)


def elapse(state: State, time: int, timing: Timing) -> tuple[State, int | None]:
    """State and time of the alert, if one fell due until `time` with nothing new known."""
    if state.phase is not Phase.PENDING or not state.held or due(state, timing) > time:
        return state, None
    return _alert(state, due(state, timing))


def step(state: State, verdict: Verdict, time: int, timing: Timing) -> tuple[State, int | None]:
    """State and time of the alert, if one fell due, after a verdict at `time`."""
    state, alert = elapse(state, time, timing)
    state = _turn(state, verdict, time)
    if state.phase is Phase.PENDING and state.held and due(state, timing) <= time:
        return _alert(state, time)
    return state, alert


def run(
    state: State, verdicts: NDArray[np.int8], times: NDArray[np.int64], timing: Timing
) -> tuple[State, list[tuple[int, int]]]:
    """The state after these verdicts, and the alerts as (time of the alert, since when the condition was true)."""
    alerts: list[tuple[int, int]] = []
    for i in turns(verdicts):
        since = state.since
        state, alert = step(state, Verdict(verdicts[i]), int(times[i]), timing)
        if alert is not None:
            alerts.append((alert, state.since if state.phase is Phase.ALERTED else since))
    return state, alerts


def _alert(state: State, time: int) -> tuple[State, int]:
    return State(Phase.ALERTED, state.since, time), time


def _turn(state: State, verdict: Verdict, time: int) -> State:
    match state.phase, verdict:
        case Phase.ARMED, Verdict.TRUE:
            return State(Phase.PENDING, time, state.alerted, held=True)
        case Phase.PENDING, Verdict.TRUE | Verdict.UNKNOWN:
            return replace(state, held=verdict is Verdict.TRUE)
        case (Phase.PENDING, _) | (Phase.ALERTED, Verdict.CLEAR):
            return State(Phase.ARMED, 0, state.alerted)
        case _:
            return state


def meets(fields: Mapping[str, Any], conditions: Sequence[FieldCondition]) -> bool:
    """Whether an event's fields meet all conditions. What is missing or cannot be compared meets none."""
    return all(_meets(fields.get(one.field), one) for one in conditions)


def _meets(value: object, condition: FieldCondition) -> bool:
    if value is None or isinstance(value, str) != isinstance(condition.value, str):
        return False
    return _COMPARE[condition.op](value, condition.value)
