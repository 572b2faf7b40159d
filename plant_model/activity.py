"""What a machine does at a moment: one activity, from which PackML state and ISO 22400 time element follow."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from plant_model.packml import Mode, State


class Activity(IntEnum):
    """Each second of each machine belongs to exactly one."""

    Stopped = 0  # the calendar is closed
    NoOrder = 1
    Running = 2
    Starved = 3
    Blocked = 4
    Changeover = 5
    Cleaning = 6
    MinorStop = 7
    Breakdown = 8


class Element(IntEnum):
    """Time elements of ISO 22400-2; PDOT is planned down time, outside the planned busy time PBT."""

    APT = 0
    AUST = 1
    ADET = 2
    ADOT = 3
    PDOT = 4


class Meaning(NamedTuple):
    """What follows from an activity."""

    state: State
    element: Element
    mode: Mode = Mode.Produce


MEANINGS = (
    Meaning(State.Stopped, Element.PDOT),
    Meaning(State.Idle, Element.ADOT),
    Meaning(State.Execute, Element.APT),
    Meaning(State.Suspended, Element.ADET),
    Meaning(State.Suspended, Element.ADET),
    Meaning(State.Held, Element.AUST),
    Meaning(State.Held, Element.AUST),
    Meaning(State.Held, Element.ADET),
    Meaning(State.Aborted, Element.ADET, Mode.Maintenance),
)
"""By activity; the reading of the standard is plant.md 2.4."""

ACTIVITIES = tuple(activity.name for activity in Activity)
WORKING = frozenset({Activity.Running, Activity.Changeover, Activity.Cleaning})
"""Activities in which a job goes on."""
REPAIRING = frozenset({Activity.MinorStop, Activity.Breakdown})
