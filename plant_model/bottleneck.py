"""The bottleneck by the active-period method (Roser): who waits for nobody for longest limits the line now."""

from __future__ import annotations

from collections.abc import Iterable

from plant_model.activity import Activity
from plant_model.state import Bottleneck, Unit

WAITS = frozenset({Activity.Starved, Activity.Blocked, Activity.NoOrder, Activity.Stopped})
"""Activities in which a machine waits for others, or for the shop to open; repairs and setups are active."""


def turned(unit: Unit, now: float) -> bool:
    """Note whether a machine is active from now on; whether that has changed."""
    waits = unit.activity in WAITS
    if waits == (unit.active is None):
        return False
    unit.active = None if waits else now
    return True


def momentary(units: Iterable[Unit]) -> str:
    """The machine with the longest active period at the moment; "" when all wait."""
    active = [(unit.active, place, unit.name) for place, unit in enumerate(units) if unit.active is not None]
    return min(active)[2] if active else ""


def moved(bottleneck: Bottleneck, units: Iterable[Unit], unit: Unit, now: float) -> None:
    """Let the bottleneck be where it is after a machine has turned, and count for how long it was where it was."""
    if unit.active is None and unit.name != bottleneck.unit:
        return
    name = momentary(units)
    if name == bottleneck.unit:
        return
    if bottleneck.unit:
        seconds = bottleneck.seconds
        seconds[bottleneck.unit] = seconds.get(bottleneck.unit, 0.0) + now - bottleneck.since
    bottleneck.unit, bottleneck.since = name, now
