"""The PackTags say what a machine took, what it made since it was reset, and what stops it or soon will."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import DAY, HOUR, shipped

from plant_model.activity import Activity
from plant_model.plant import Plant
from plant_model.signals import Reader, signals

SPEC = shipped()
NODES = [signal.node for signal in signals(SPEC)]


def read(plant: Plant) -> dict[str, Any]:
    return dict(zip(NODES, Reader(SPEC).read(plant)[0], strict=True))


def test_what_is_consumed_is_told_by_material_and_adds_up() -> None:
    plant = Plant(SPEC, 4)
    plant.advance(4 * DAY)
    shown, start = read(plant), "Line1.Mixing.Production.ProdConsumedCount"
    parts = {
        node.removeprefix(start): value for node, value in shown.items() if node.startswith(start) and node != start
    }
    assert set(parts) == {"Liquor", "Sugar", "CocoaButter", "MilkPowder", "Lecithin", "Rework"}
    assert sum(parts.values()) == pytest.approx(shown["Line1.Mixing.Kneader.Production.ProdConsumedCount"])
    assert parts["Sugar"] == pytest.approx(plant.state.stores["Sugar"].issued, abs=1e-3)
    assert parts["Rework"] > 0


def test_counts_begin_anew_when_a_machine_is_reset() -> None:
    plant = Plant(SPEC, 4)
    plant.advance(DAY)
    place = "Line1.Tempering.Production."
    before = read(plant)
    plant.command("Tempering", "Stop")
    plant.advance(plant.now + 600)
    plant.command("Tempering", "Reset")
    shown = read(plant)
    assert shown[f"{place}ProdProcessedCount"] == 0.0
    assert shown[f"{place}ProcessedCount"] >= before[f"{place}ProcessedCount"] > 0.0
    plant.advance(plant.now + 600)
    plant.command("Tempering", "Start")
    plant.advance(plant.now + 4 * HOUR)
    assert read(plant)[f"{place}ProdProcessedCount"] > 0.0


def test_a_fault_is_an_alarm_until_it_is_repaired() -> None:
    plant = Plant(SPEC, 4)
    plant.advance(HOUR)
    plant.inject_fault("Roasting", "BurnerFault")
    assert read(plant)["Line1.Roasting.Status.Alarm"] == "BurnerFault"
    unit = plant.state.units["Roasting"]
    while unit.activity in (Activity.Breakdown, Activity.AwaitingRepair):
        plant.advance(plant.now + 60.0)
    assert read(plant)["Line1.Roasting.Status.Alarm"] == ""


def test_who_waits_for_a_technician_or_runs_slowly_warns() -> None:
    plant = Plant(SPEC, 4)
    plant.advance(HOUR)
    plant.set_speed("Moulding", 0.5)
    assert read(plant)["Line1.Moulding.Status.Warning"] == "ReducedSpeed"
    plant.inject_fault("Roasting", "BurnerFault", repair_h=2.0)
    plant.inject_fault("Moulding", "DepositorFault", repair_h=2.0)  # there is one technician
    plant.advance(plant.now + 120.0)
    warned = read(plant)["Line1.Moulding.Status.Warning"], read(plant)["Line1.Roasting.Status.Warning"]
    assert sum("AwaitingTechnician" in warning for warning in warned) == 1
    assert warned[0].endswith("ReducedSpeed")
