"""The signals of the simulation itself, beside those of the plant."""

from __future__ import annotations

from dataclasses import replace

from opcua_server.settings import MAX_SPEED, MIN_SPEED
from plant_model.signals import Signal, SignalType

_ENDLESS = float("nan")


def _signal(name: str, type_: SignalType, period_s: float, description: str) -> Signal:
    return Signal(
        node=f"Simulation.{name}",
        path=("Simulation", name),
        type=type_,
        unit="",
        low=_ENDLESS,
        high=_ENDLESS,
        enum=(),
        description=description,
        period_s=period_s,
    )


SPEED = replace(
    _signal("Speed", SignalType.DOUBLE, 1.0, "Plant seconds that pass in a second. The operator may write it."),
    unit="C62",
    low=MIN_SPEED,
    high=MAX_SPEED,
)
PLANT_TIME = _signal("PlantTime", SignalType.DATETIME, 1.0, "Date and time in the plant, UTC.")
RUNNING = _signal("Running", SignalType.BOOLEAN, 1.0, "Whether plant time passes: not between Pause and Resume.")
HEARTBEAT = _signal(
    "Heartbeat",
    SignalType.UINT64,
    0.1,
    "Rises by one every 100 ms of real time since the first start, whatever happens.",
)
SIMULATION = (SPEED, PLANT_TIME, RUNNING, HEARTBEAT)
