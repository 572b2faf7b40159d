"""The clock calls handlers at their time and in order, and a restored agenda goes on the same."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from plant_model.clock import Agenda, Clock

Calls = list[tuple[float, str]]


def clock_on(agenda: Agenda, calls: Calls) -> Clock:
    clock: Clock

    def note(argument: str) -> None:
        calls.append((clock.now, argument))

    def chain(argument: str) -> None:
        note(argument)
        clock.schedule(0.1 + len(argument) / 3, "chain", argument + "x")

    clock = Clock(agenda, {"note": note, "chain": chain})
    return clock


def test_what_falls_due_at_the_same_time_comes_in_the_order_it_was_asked_for() -> None:
    calls: Calls = []
    clock = clock_on(Agenda(), calls)
    for name in "cab":
        clock.schedule(5.0, "note", name)
    clock.schedule(2.0, "note", "first")
    clock.run(10.0)
    assert calls == [(2.0, "first"), (5.0, "c"), (5.0, "a"), (5.0, "b")]
    assert clock.now == 10.0


def test_a_run_ends_before_what_falls_due_at_its_end() -> None:
    calls: Calls = []
    clock = clock_on(Agenda(), calls)
    clock.schedule(5.0, "note", "a")
    clock.run(5.0)
    assert calls == []
    clock.run(5.0)
    clock.run(5.1)
    assert calls == [(5.0, "a")]


def test_a_cancelled_entry_never_comes() -> None:
    calls: Calls = []
    clock = clock_on(Agenda(), calls)
    entry = clock.schedule(5.0, "note", "a")
    clock.cancel(entry)
    clock.cancel(entry)
    clock.run(9.0)
    assert calls == []


@given(st.lists(st.floats(0.01, 20.0), min_size=1, max_size=12), st.floats(0.0, 15.0))
def test_a_restored_agenda_goes_on_bit_for_bit(delays: list[float], cut: float) -> None:
    whole: Calls = []
    straight = clock_on(Agenda(), whole)
    for i, delay in enumerate(delays):
        straight.schedule(delay, "chain", "x" * i)
    before: Calls = []
    broken = clock_on(copy.deepcopy(straight.agenda), before)
    broken.run(cut)
    after: Calls = []
    restored = clock_on(copy.deepcopy(broken.agenda), after)
    straight.run(25.0)
    restored.run(25.0)
    assert before + after == whole
    assert restored.agenda == straight.agenda
