"""Machines change state by PackML's rules only."""

from __future__ import annotations

import pytest

from plant_model.activity import MEANINGS, Activity, Element
from plant_model.packml import ALLOWED, FINISHES, Command, State, accepted, next_command, route

WAITING = [state for state in State if state not in FINISHES and state is not State.Undefined]


@pytest.mark.parametrize("start", WAITING)
@pytest.mark.parametrize("goal", WAITING)
def test_every_waiting_state_is_reached_by_allowed_commands(start: State, goal: State) -> None:
    state = start
    for command in route(start, goal):
        allowed, acting = ALLOWED[command]
        assert state in allowed
        state = FINISHES[acting]
    assert state is goal


@pytest.mark.parametrize("start", set(State) - {State.Undefined})
@pytest.mark.parametrize("goal", WAITING)
def test_next_commands_lead_to_the_goal_from_everywhere(start: State, goal: State) -> None:
    state = start
    for _ in range(12):
        command = next_command(state, goal)
        if command is None and state not in FINISHES:
            break
        assert command is None or command in accepted(state)
        state = FINISHES[state] if command is None else ALLOWED[command][1]
    assert state is goal


def test_a_machine_that_acts_is_interrupted_only_to_be_stopped() -> None:
    assert next_command(State.Suspending, State.Aborted) is Command.Abort
    assert next_command(State.Suspending, State.Held) is Command.Hold
    assert next_command(State.Suspending, State.Execute) is None
    assert next_command(State.Starting, State.Stopped) is Command.Stop


def test_a_broken_machine_is_cleared_reset_and_started() -> None:
    assert route(State.Aborted, State.Execute) == (Command.Clear, Command.Reset, Command.Start)


def test_an_order_ends_by_completing() -> None:
    assert route(State.Execute, State.Idle) == (Command.Complete, Command.Reset)


def test_a_state_that_cannot_be_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="no command leads from Idle to Clearing"):
        route(State.Idle, State.Clearing)


@pytest.mark.parametrize("command", [Command.Abort, Command.Stop])
def test_abort_and_stop_work_from_nearly_everywhere(command: Command) -> None:
    refusing = {
        Command.Abort: {State.Undefined, State.Aborting, State.Aborted},
        Command.Stop: {State.Undefined, State.Aborting, State.Aborted, State.Clearing, State.Stopping, State.Stopped},
    }
    assert set(State) - ALLOWED[command][0] == refusing[command]


def test_what_a_machine_does_decides_its_state_and_time() -> None:
    assert MEANINGS[Activity.Running][:2] == (State.Execute, Element.APT)
    assert MEANINGS[Activity.Starved][:2] == (State.Suspended, Element.ADET)
    assert MEANINGS[Activity.Changeover][:2] == (State.Held, Element.AUST)
    assert MEANINGS[Activity.Breakdown][:2] == (State.Aborted, Element.ADET)
    assert MEANINGS[Activity.NoOrder][:2] == (State.Idle, Element.ADOT)
    assert MEANINGS[Activity.Stopped][:2] == (State.Stopped, Element.PDOT)
    assert len(MEANINGS) == len(Activity)
