"""The PackML state model (ISA-TR88.00.02; numbers of OPC 30050): states, commands, and the ways between them."""

from __future__ import annotations

from collections import deque
from enum import IntEnum, auto
from functools import cache


class State(IntEnum):
    """States of a machine, with their numbers in OPC UA."""

    Undefined = 0
    Clearing = 1
    Stopped = 2
    Starting = 3
    Idle = 4
    Suspended = 5
    Execute = 6
    Stopping = 7
    Aborting = 8
    Aborted = 9
    Holding = 10
    Held = 11
    Unholding = 12
    Suspending = 13
    Unsuspending = 14
    Resetting = 15
    Completing = 16
    Complete = 17


class Mode(IntEnum):
    """Unit modes with their numbers."""

    Invalid = 0
    Produce = 1
    Maintenance = 2
    Manual = 3


class Command(IntEnum):
    """What a machine can be told; Complete is told by the end of its order."""

    Complete = auto()
    Start = auto()
    Reset = auto()
    Suspend = auto()
    Unsuspend = auto()
    Hold = auto()
    Unhold = auto()
    Clear = auto()
    Stop = auto()
    Abort = auto()


FINISHES = {
    State.Clearing: State.Stopped,
    State.Starting: State.Execute,
    State.Stopping: State.Stopped,
    State.Aborting: State.Aborted,
    State.Holding: State.Held,
    State.Unholding: State.Execute,
    State.Suspending: State.Suspended,
    State.Unsuspending: State.Execute,
    State.Resetting: State.Idle,
    State.Completing: State.Complete,
}
"""Acting states, and where they lead when they are done."""

_ALWAYS = frozenset(State) - {State.Undefined}
ALLOWED = {
    Command.Complete: (frozenset({State.Execute}), State.Completing),
    Command.Start: (frozenset({State.Idle}), State.Starting),
    Command.Reset: (frozenset({State.Stopped, State.Complete}), State.Resetting),
    Command.Suspend: (frozenset({State.Execute}), State.Suspending),
    Command.Unsuspend: (frozenset({State.Suspended}), State.Unsuspending),
    Command.Hold: (
        frozenset({State.Execute, State.Suspending, State.Suspended, State.Unsuspending}),
        State.Holding,
    ),
    Command.Unhold: (frozenset({State.Held}), State.Unholding),
    Command.Clear: (frozenset({State.Aborted}), State.Clearing),
    Command.Stop: (
        _ALWAYS - {State.Clearing, State.Stopped, State.Stopping, State.Aborting, State.Aborted},
        State.Stopping,
    ),
    Command.Abort: (_ALWAYS - {State.Aborting, State.Aborted}, State.Aborting),
}
"""Commands: the states that take them, and the acting state that follows."""


WINDING_DOWN = frozenset(
    {State.Holding, State.Suspending, State.Aborting, State.Stopping, State.Completing},
)
"""Acting states that lead out of production; the others lead back to it."""


@cache
def next_command(state: State, goal: State) -> Command | None:
    """What brings a machine nearer to a waiting state (or Execute); None when it is there, or must finish acting."""
    if FINISHES.get(state, state) == goal:
        return None
    if state not in FINISHES:
        return route(state, goal)[0]
    ways = ((command, acting) for command, (allowed, acting) in ALLOWED.items() if state in allowed)
    return next((command for command, acting in ways if FINISHES[acting] == goal), None)


def accepted(state: State) -> tuple[Command, ...]:
    """The commands that a state takes."""
    return tuple(command for command, (allowed, _) in ALLOWED.items() if state in allowed)


@cache
def route(start: State, goal: State) -> tuple[Command, ...]:
    """The shortest sequence of commands from one waiting state (or Execute) to another."""
    ways: deque[tuple[State, tuple[Command, ...]]] = deque([(start, ())])
    seen = {start}
    while ways:
        state, commands = ways.popleft()
        if state == goal:
            return commands
        for command, (allowed, acting) in ALLOWED.items():
            reached = FINISHES[acting]
            if state in allowed and reached not in seen:
                seen.add(reached)
                ways.append((reached, (*commands, command)))
    message = f"no command leads from {start.name} to {goal.name}"
    raise ValueError(message)
