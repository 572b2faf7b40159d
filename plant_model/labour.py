"""What people do with their time: attendance and work by role, booked whenever a crew changes."""

from __future__ import annotations

from operator import itemgetter

from plant_model.activity import MEANINGS, Activity, Element
from plant_model.ledgers import Labour
from plant_model.spec import PlantSpec
from plant_model.state import PlantState, Unit

WORK = tuple(activity for activity in Activity if MEANINGS[activity].element in (Element.APT, Element.AUST))
"""Activities of a machine that its people work on: it runs, or it is set up."""
_worked = itemgetter(*WORK)


def book(spec: PlantSpec, state: PlantState, role: str) -> None:
    """Book the time of a role since its crew changed last. Operators work as far as their stations do, evenly shared.

    Technicians work while they are at a machine. Unattended stations are nobody's work; who has no skill has no orders.
    """
    stations = spec.attended.get(role)
    if stations is None:
        return
    labour, now = state.labour.setdefault(role, Labour()), state.agenda.now
    worked = sum([seconds_of_work(state, name) for name in stations])
    crew = state.crews.get(role)
    if crew is not None:
        present, elapsed = max(crew.here - crew.resting, crew.busy, 0), now - labour.since
        labour.attended += present * elapsed
        busy = present * (worked - labour.stations) / len(stations) if stations else crew.busy * elapsed
        labour.worked += busy
    labour.since, labour.stations = now, worked


def seconds_of_work(state: PlantState, station: str) -> float:
    """Mean seconds of work of the machines of a station since the epoch."""
    seconds = [_work(unit, state.agenda.now) for unit in state.units.values() if unit.station == station]
    return sum(seconds) / len(seconds)


def _work(unit: Unit, now: float) -> float:
    running = now - unit.since if unit.activity in WORK else 0.0
    return sum(_worked(unit.times), running)
