"""When people are there: shifts on days, in the plant's own time."""

from __future__ import annotations

from datetime import datetime, timedelta

from plant_model.floor import Floor
from plant_model.machine import Machines
from plant_model.spec import DAYS, Calendar
from plant_model.tally import stamp

HOUR = 3600.0
WEEK_HOURS = 168
SHIFTS_KEPT = 4
"""Shifts whose begin is kept for the KPIs."""


def open_hours(calendar: Calendar) -> frozenset[int]:
    """Hours of the week (0 = Monday 00:00) in which there is a shift; a shift belongs to the day it begins on."""
    hours: set[int] = set()
    for shift in calendar.shifts:
        first, last = map(int, shift.split("-"))
        length = (last - first) % 24 or 24
        for day in calendar.days:
            begin = DAYS.index(day) * 24 + first
            hours.update((begin + i) % WEEK_HOURS for i in range(length))
    return frozenset(hours)


def hour_of_week(date: datetime) -> int:
    """0 … 167."""
    return date.weekday() * 24 + date.hour


def is_open(hours: frozenset[int], date: datetime) -> bool:
    """Whether there is a shift at this moment."""
    return hour_of_week(date) in hours


def shift_starts(calendar: Calendar) -> frozenset[int]:
    """Hours of the week in which a shift begins."""
    first = (int(shift.split("-")[0]) for shift in calendar.shifts)
    return frozenset((DAYS.index(day) * 24 + hour) % WEEK_HOURS for hour in first for day in calendar.days)


def boundaries(hours: frozenset[int], starts: frozenset[int]) -> frozenset[int]:
    """Hours of the week in which a crew comes or goes: a shift begins, or the shop closes."""
    closing = {hour for hour in range(WEEK_HOURS) if hour not in hours and (hour - 1) % WEEK_HOURS in hours}
    return starts | closing


def until_next(boundaries: frozenset[int], date: datetime) -> float:
    """Seconds until the next boundary, from now on but not now."""
    now = hour_of_week(date)
    ahead = next(i for i in range(1, WEEK_HOURS + 1) if (now + i) % WEEK_HOURS in boundaries)
    begin = date.replace(minute=0, second=0, microsecond=0)
    return (begin + timedelta(hours=ahead) - date).total_seconds()


class Shifts:
    """Opens and closes the shop by the calendar, and lets the crews come and go."""

    def __init__(self, floor: Floor, machines: Machines) -> None:
        self._floor = floor
        self._machines = machines
        self._hours = open_hours(floor.spec.calendar)
        self._boundaries = boundaries(self._hours, shift_starts(floor.spec.calendar))
        floor.handlers["shift"] = self._change

    def open(self) -> None:
        """Begin at the epoch."""
        self._floor.state.open = is_open(self._hours, self._floor.date(self._floor.now))
        self._begin_shift()

    def _begin_shift(self) -> None:
        floor = self._floor
        date = floor.date(floor.now)
        seconds = until_next(self._boundaries, date)
        label = f"{date:%a %H:%M}" if floor.state.open else "closed"
        floor.state.shifts = [*floor.state.shifts[1 - SHIFTS_KEPT :], stamp(floor.state, label)]
        self._machines.begin_shift(seconds)
        floor.clock.schedule(seconds, "shift")

    def _change(self, _: str) -> None:
        floor, books = self._floor, self._floor.state.books
        books.opened = opened(books.opened, books.since, floor.now, open_=floor.state.open)
        books.since = floor.now
        floor.state.open = is_open(self._hours, floor.date(floor.now))
        self._begin_shift()
        self._machines.decide_all()


def opened(before: float, since: float, now: float, *, open_: bool) -> float:
    """Seconds that the shop was open up to now."""
    return before + (now - since if open_ else 0.0)
