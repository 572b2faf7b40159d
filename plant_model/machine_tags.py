"""What every machine shows, with the PackTags of OPC 30050: waiting, times, counts, alarms and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from plant_model.accounting import imbalance
from plant_model.activity import Activity
from plant_model.culprits import root_cause
from plant_model.overview import BEANS, MANY, balance, energy, production, speeds, status, tag, top_speed
from plant_model.sensing import Sensor, SignalType, View
from plant_model.spec import PlantSpec
from plant_model.state import Unit

SEPARATOR = "; "
"""Between the entries of a list that is shown as one text."""


def machine(spec: PlantSpec, section: str) -> tuple[Sensor[View], ...]:
    """What every machine shows."""
    name: dict[str, Any] = {"type": SignalType.STRING, "still": True}
    product: Sensor[View] = tag("Production", "Product", lambda v: v.product, "Product it is set up for", **name)
    branded = () if section in BEANS else (product,)
    return (
        *status(lambda v: v.unit),
        tag("Status", "Culprit", lambda v: v.unit.culprit, "Who starves or blocks it, or the fault", **name),
        tag(
            "Status",
            "RootCause",
            lambda v: root_cause(v.state, v.unit),
            "Who it waits for in the end, where those it waits for wait themselves",
            **name,
        ),
        *pack_tags(),
        *speeds(lambda v: v.design_speed, lambda v: v.speed, top_speed(spec, section)),
        *counts(),
        *production(lambda v: v.unit.ledger.processed, lambda v: v.unit.ledger.defective),
        balance(lambda v: imbalance(v.unit)),
        tag("Production", "LotId", lambda v: v.unit.lot, "The last lot it took", **name),
        *branded,
        *energy(lambda v: v.power, lambda v: v.electricity, spec.stations[section].power_kw),
    )


def pack_tags() -> tuple[Sensor[View], ...]:
    """The PackTags of the group Status."""
    flag: dict[str, Any] = {"type": SignalType.BOOLEAN, "still": True}
    name: dict[str, Any] = {"type": SignalType.STRING, "still": True}
    seconds: dict[str, Any] = {"unit": "SEC", "low": 0.0, "high": MANY, "period_s": 5.0}
    return (
        tag("Status", "EquipmentBlocked", lambda v: v.activity is Activity.Blocked, "It cannot deliver", **flag),
        tag("Status", "EquipmentStarved", lambda v: v.activity is Activity.Starved, "Nothing comes to it", **flag),
        tag("Status", "StateCurrentTime", lambda v: v.now - v.unit.control.entered, "Time in this state", **seconds),
        tag("Status", "StateCumulativeTime", lambda v: v.in_state, "Time in states like this one, in all", **seconds),
        tag("Status", "ModeCumulativeTime", lambda v: v.in_mode, "Time in this mode, in all", **seconds),
        tag("Status", "AccTimeSinceReset", lambda v: v.now - v.unit.control.reset, "Time since Resetting", **seconds),
        tag("Status", "Alarm", lambda v: alarm(v.unit), "The fault that stops it", **name),
        tag("Status", "Warning", lambda v: SEPARATOR.join(warnings(v.unit)), "What will stop it or slows it", **name),
    )


def counts() -> tuple[Sensor[View], ...]:
    """The PackTags that count kg."""
    mass: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": MANY, "digits": 3, "still": True}
    return (
        tag("Production", "ProdConsumedCount", lambda v: v.unit.ledger.taken, "Mass that was taken in", **mass),
        tag("Production", "ProdProcessedCount", lambda v: since_reset(v.unit)[0], "Processed since Resetting", **mass),
        tag("Production", "ProdDefectiveCount", lambda v: since_reset(v.unit)[1], "… of it in vain", **mass),
    )


def doses(materials: tuple[str, ...]) -> Iterator[Sensor[View]]:
    """ProdConsumedCount by material, of a machine that takes several."""
    mass: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": MANY, "digits": 3, "still": True}
    for name in materials:
        yield _dose(name, mass)


def _dose(name: str, facts: dict[str, Any]) -> Sensor[View]:
    words = f"{name} that was taken in"
    return tag("Production", f"ProdConsumedCount{name}", lambda v: v.unit.ledger.doses.get(name, 0.0), words, **facts)


def since_reset(unit: Unit) -> tuple[float, float]:
    """Mass in kg that was processed since the machine was reset, and of it in vain."""
    processed, defective = unit.control.counted
    return unit.ledger.processed - processed, unit.ledger.defective - defective


def alarm(unit: Unit) -> str:
    """The fault that stops a machine; "" without one."""
    repair = unit.repair
    return "" if repair is None or repair.activity is Activity.Maintenance else repair.fault


def warnings(unit: Unit) -> Iterator[str]:
    """What will stop a machine, slows it, or keeps it waiting."""
    if unit.due:
        yield "MaintenanceDue"
    if unit.repair is not None and unit.repair.waits:
        yield "AwaitingTechnician"
    if unit.activity is Activity.NoOperator:
        yield "NoOperator"
    if unit.control.share < 1.0:
        yield "ReducedSpeed"
    if unit.chart is not None and unit.chart.since is not None:
        yield "Drift"
