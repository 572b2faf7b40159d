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
    """The machine of that name, or the first one of that station, when all of them wait; None when one works."""
    machines = [state.units[name]] if name in state.units else [u for u in state.units.values() if u.station == name]
    waiting = [unit for unit in machines if unit.activity in WAITING]
    return waiting[0] if waiting and len(waiting) == len(machines) else None
