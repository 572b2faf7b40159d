"""What a machine does at a moment: one activity, from which PackML state and ISO 22400 time element follow."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from plant_model.packml import State


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
    StartUp = 9  # resetting and starting after planned rest or without order
    Commanded = 10  # the operator keeps it from working
    AwaitingRepair = 11  # broken, and no technician is free
    Maintenance = 12  # planned
    Break = 13  # everybody who can run it is on break
    NoOperator = 14  # nobody who can run it has come


class Element(IntEnum):
    """Time elements of ISO 22400-2; PDOT is planned down time, outside the planned busy time PBT."""

    APT = 0
    AUST = 1
    ADET = 2
    ADOT = 3
    PDOT = 4


class Meaning(NamedTuple):
    """What follows from an activity; the state is where it leads, an operator may have commanded another one."""

    state: State
    element: Element


MEANINGS = (
    Meaning(State.Stopped, Element.PDOT),
    Meaning(State.Idle, Element.ADOT),
    Meaning(State.Execute, Element.APT),
    Meaning(State.Suspended, Element.ADET),
    Meaning(State.Suspended, Element.ADET),
    Meaning(State.Held, Element.AUST),
    Meaning(State.Held, Element.AUST),
    Meaning(State.Held, Element.ADET),
    Meaning(State.Aborted, Element.ADET),
    Meaning(State.Execute, Element.AUST),
    Meaning(State.Held, Element.ADET),
    Meaning(State.Aborted, Element.ADET),
    Meaning(State.Stopped, Element.PDOT),
    Meaning(State.Held, Element.PDOT),
    Meaning(State.Held, Element.ADET),
)
"""By activity; the reading of the standard is plant.md 2.4."""

ACTIVITIES = tuple(activity.name for activity in Activity)
SETUPS = frozenset({Activity.Changeover, Activity.Cleaning, Activity.StartUp})
"""Activities that make ready; what is made first after them is a start-up product."""
RESTS = frozenset({Activity.Stopped, Activity.NoOrder, Activity.StartUp, Activity.Maintenance})
"""Activities after which resetting and starting are a start-up, not the end of a stop."""
