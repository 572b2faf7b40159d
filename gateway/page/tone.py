"""Tones: the few meanings that the page shows by colour, always beside a word and an icon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Tone(StrEnum):
    """What a state means to somebody who passes by, from calm to urgent."""

    GOOD = "good"  # as it should be
    RUN = "run"  # produces
    READY = "ready"  # could produce, or is about to
    STOP = "stop"  # stopped on purpose
    WAIT = "wait"  # kept waiting by its surroundings
    HOLD = "hold"  # kept from working by something of its own
    WARN = "warn"  # somebody should look
    FAULT = "fault"  # failed: somebody must act
    NONE = "none"  # not known


ICONS = {
    Tone.GOOD: "check",
    Tone.RUN: "play_arrow",
    Tone.READY: "radio_button_unchecked",
    Tone.STOP: "stop",
    Tone.WAIT: "hourglass_empty",
    Tone.HOLD: "pause",
    Tone.WARN: "priority_high",
    Tone.FAULT: "warning",
    Tone.NONE: "question_mark",
}
"""Names in the Material Icons font that NiceGUI brings along."""

PACKML = {
    "execute": Tone.RUN,
    "starting": Tone.READY,
    "completing": Tone.READY,
    "complete": Tone.READY,
    "resetting": Tone.READY,
    "idle": Tone.READY,
    "stopping": Tone.STOP,
    "stopped": Tone.STOP,
    "clearing": Tone.STOP,
    "suspending": Tone.WAIT,
    "suspended": Tone.WAIT,
    "unsuspending": Tone.WAIT,
    "holding": Tone.HOLD,
    "held": Tone.HOLD,
    "unholding": Tone.HOLD,
    "aborting": Tone.FAULT,
    "aborted": Tone.FAULT,
}
"""The 17 states of ISA-TR88.00.02. Suspended has an external cause, held an internal one."""

_WEIGHT = (Tone.NONE, Tone.STOP, Tone.READY, Tone.GOOD, Tone.RUN, Tone.WAIT, Tone.HOLD, Tone.WARN, Tone.FAULT)


def tone_of(text: str, more: Mapping[str, Tone]) -> Tone:
    """The tone of a state text, whatever its case; `more` knows texts beyond PackML."""
    return more.get(text) or PACKML.get(text.lower(), Tone.NONE)


def weightiest(tones: Iterable[Tone]) -> Tone:
    """What a group of units shows as one: trouble before work, work before rest."""
    return max(tones, key=_WEIGHT.index, default=Tone.NONE)
