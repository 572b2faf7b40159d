"""What an operator may command: pure functions that say why a command, a mode or a speed is refused."""

from __future__ import annotations

from collections.abc import Iterable

from plant_model.activity import Activity
from plant_model.packml import ALLOWED, Command, Mode, State, accepted
from plant_model.state import Unit

MODES = (Mode.Produce, Mode.Maintenance, Mode.Manual)
"""Modes that can be set."""
SLOWEST = 0.1
"""Least share of the design speed that can be set, EST."""
QUIET = frozenset({State.Stopped, State.Idle, State.Aborted})
"""States in which the mode may be changed."""
_WORK = frozenset({Command.Start, Command.Unhold, Command.Unsuspend})


def refusal_of_command(unit: Unit, command: Command) -> str:
    """Why a machine does not take a command now; "" when it does."""
    control, repair = unit.control, unit.repair
    if control.state not in ALLOWED[command][0]:
        taken = names(accepted(control.state))
        return f"{unit.name} is in {control.state.name} and does not take {command.name}; it takes {taken}"
    if command in _WORK and control.mode is not Mode.Produce:
        return f"{command.name} needs mode Produce, {unit.name} is in mode {control.mode.name}"
    if command is Command.Clear and repair is not None and repair.activity is Activity.Breakdown:
        return f"{unit.name} cannot be cleared: {repair.fault} is not repaired yet"
    if command is Command.Reset and repair is not None and repair.activity is Activity.Maintenance:
        return f"{unit.name} cannot be reset: its maintenance is not done yet"
    if command is Command.Unhold and repair is not None:
        return f"{unit.name} cannot go on: {repair.fault} is not removed yet"
    return ""


def refusal_of_mode(unit: Unit, mode: Mode) -> str:
    """Why the mode cannot be set now; "" when it can."""
    if mode not in MODES:
        return f"{mode.name} is no mode that can be set; there are {names(MODES)}"
    if unit.control.state not in QUIET:
        return f"{unit.name} is in {unit.control.state.name}; the mode is changed in {names(sorted(QUIET))} only"
    return ""


def refusal_of_speed(unit: Unit, share: float) -> str:
    """Why this speed cannot be set; "" when it can."""
    if SLOWEST <= share <= 1.0:
        return ""
    return f"the speed of {unit.name} is a share of the design speed from {SLOWEST:g} to 1, not {share:g}"


def names(members: Iterable[Command | Mode | State]) -> str:
    """The names of some members of an enumeration."""
    return ", ".join(member.name for member in members)
