"""Who makes a machine wait in the end: the chain of those that wait for each other, followed to its other end."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.state import PlantState, Unit

WAITING = frozenset({Activity.Starved, Activity.Blocked})


def root_cause(state: PlantState, unit: Unit) -> str:
    """The machine, station or store at the end of the chain; "" for a machine that does not wait."""
    if unit.activity not in WAITING:
        return ""
    name, seen = unit.culprit, {unit.name}
    while (waiting := _waiting(state, name)) is not None and waiting.name not in seen:
        seen.add(waiting.name)
        name = waiting.culprit
    return name


def _waiting(state: PlantState, name: str) -> Unit | None:
    """The machine of that name, or the first of that station or section, when all wait; None when one works."""
    named = state.units.get(name)
    machines = [named] if named else [unit for unit in state.units.values() if name in (unit.station, unit.section)]
    waiting = [unit for unit in machines if unit.activity in WAITING]
    return waiting[0] if waiting and len(waiting) == len(machines) else None
