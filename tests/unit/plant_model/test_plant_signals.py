"""Every tag has its facts, every reading makes sense, and reading never changes the plant."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from support_plant import DAY, HOUR, lived, shipped

from plant_model.instruments import normal
from plant_model.plant import Plant
from plant_model.signals import Quality, Reader, Signal, SignalType, signals
from plant_model.tally import progress

SPEC = shipped()
TABLE = signals(SPEC)
READER = Reader(SPEC)
PLACE = {signal.node: place for place, signal in enumerate(TABLE)}
UNITS = {
    *(
        "",
        "4H",
        "AMP",
        "BAR",
        "C16",
        "C62",
        "C65",
        "C94",
        "CEL",
        "DAY",
        "E93",
        "EUR",
        "GRM",
        "HUR",
        "KGM",
        "KWH",
        "KWT",
    ),
    *("MBR", "MQH", "P1", "RPM", "SEC"),
}
PYTHON_TYPES: dict[SignalType, type] = {
    SignalType.BOOLEAN: bool,
    SignalType.UINT32: int,
    SignalType.UINT64: int,
    SignalType.ENUM: int,
    SignalType.DOUBLE: float,
    SignalType.STRING: str,
}


def read(plant: Plant) -> dict[str, Any]:
    values, _ = READER.read(plant)
    return dict(zip(PLACE, values, strict=True))


def ran(until: float, seed: int = 1) -> Plant:
    plant = Plant(SPEC, seed)
    plant.advance(until)
    return plant


@pytest.mark.parametrize(
    "node",
    [
        "Line1.Roasting.Process.BeanTemperature",
        "Line1.Tempering.Process.Zone2Temperature",
        "Line1.Conching.Conche3.Process.Torque",
        "Line1.Conching.Status.State",
        "Line1.Moulding.Status.State",
        "Line1.Moulding.Energy.ActivePower",
        "Line1.Performance.OEE",
        "Line1.Performance.DefectRate",
        "Line1.Cost.CostPerUnit",
        "Line1.Production.GoodCount",
        "Warehouse.CocoaButter.Level",
        "Warehouse.CocoaButter.ReorderPoint",
        "Warehouse.FinishedWhite.Level",
    ],
)
def test_names_that_others_rely_on_are_there(node: str) -> None:
    assert node in PLACE


def test_nodes_and_paths_are_unique_and_follow_each_other() -> None:
    assert len(PLACE) == len(TABLE) == len({signal.path for signal in TABLE})
    conche = TABLE[PLACE["Line1.Conching.Conche2.Process.MassTemperature"]]
    assert conche.path == (
        *(
            "Machines",
            "ChocolateLine1",
            "Components",
            "Conching",
            "Components",
            "Conche2",
            "Process",
            "MassTemperature",
        ),
    )
    assert TABLE[PLACE["Line1.Cost.CostPerUnit"]].path == ("Machines", "ChocolateLine1", "Cost", "CostPerUnit")
    assert TABLE[PLACE["Warehouse.Beans.Level"]].path == ("Warehouse", "Beans", "Level")


@pytest.mark.parametrize("signal", TABLE, ids=lambda signal: signal.node)
def test_every_tag_has_its_facts(signal: Signal) -> None:
    assert all(re.fullmatch(r"[A-Z][A-Za-z0-9]*", name) for name in signal.path)
    assert signal.description
    assert signal.unit in UNITS
    assert signal.period_s >= 1
    assert (signal.type is SignalType.ENUM) == bool(signal.enum)
    if signal.type is SignalType.DOUBLE:
        assert signal.low < signal.high


def test_readings_are_of_their_type_and_within_their_range() -> None:
    plant, reader = Plant(SPEC), Reader(SPEC)
    poor = 0
    for step in range(300):
        plant.advance(step * 2017.0)
        values, qualities = reader.read(plant)
        for signal, value, quality in zip(TABLE, values, qualities, strict=True):
            assert type(value) is PYTHON_TYPES[signal.type], signal.node
            if signal.type is SignalType.ENUM:
                assert signal.enum[value], signal.node
            if signal.type is SignalType.DOUBLE:
                assert math.isfinite(value), signal.node
                assert not value < signal.low, signal.node
                assert not value > signal.high, signal.node
            poor += quality is not Quality.GOOD and signal.path[-1] not in ("MTBF", "MTTR")  # n/a at no failure
    assert poor < 0.005 * 300 * len(TABLE)


def test_process_values_are_good_all_the_time() -> None:
    plant, reader = Plant(SPEC, 5), Reader(SPEC)
    for step in range(150):
        plant.advance(step * 4099.0)
        _, qualities = reader.read(plant)
        assert [
            s.node for s, q in zip(TABLE, qualities, strict=True) if "Process" in s.path and q is not Quality.GOOD
        ] == []


def test_what_nobody_knows_yet_is_not_good() -> None:
    _, qualities = Reader(SPEC).read(Plant(SPEC))
    assert qualities[PLACE["Line1.Cost.CostPerUnit"]] is Quality.NOT_YET


def test_reading_does_not_change_the_run() -> None:
    silent, watched, reader = Plant(SPEC), Plant(SPEC), Reader(SPEC)
    events = []
    for step in range(200):
        events += watched.advance(step * 1201.0)
        before = watched.snapshot() if step % 40 == 0 else b""
        reader.read(watched)
        assert not before or watched.snapshot() == before
    assert events == silent.advance(199 * 1201.0)
    assert watched.state == silent.state


def test_the_same_moment_reads_the_same() -> None:
    plant = ran(DAY)
    assert Reader(SPEC).read(plant) == Reader(SPEC).read(Plant.restore(SPEC, plant.snapshot()))


def test_sensors_are_alive_and_noise_is_as_stated() -> None:
    seeds = np.arange(1, 5001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    noise = normal(seeds, 1234)
    assert abs(noise.mean()) < 0.05
    assert noise.std() == pytest.approx(1.0, abs=0.05)
    assert abs(np.corrcoef(noise, normal(seeds, 1235))[0, 1]) < 0.05


def test_beans_get_hot_and_dry_in_the_roaster() -> None:
    plant = Plant(SPEC)
    hottest, driest = 0.0, 100.0
    for minute in range(0, 3 * 60, 2):
        plant.advance(HOUR + minute * 60.0)
        shown = read(plant)
        hottest = max(hottest, shown["Line1.Roasting.Process.BeanTemperature"])
        driest = min(driest, shown["Line1.Roasting.Process.BeanMoisture"])
    assert 112 < hottest < 124
    assert 2.2 < driest < 2.7


def test_a_conche_dries_warms_and_gets_thin() -> None:
    plant = Plant(SPEC)
    plant.advance(2 * DAY)
    conche = plant.state.units["Conche1"]
    while not (conche.job and conche.job.phase == "Conching" and progress(conche, plant.now) < 0.05):
        plant.advance(plant.now + 600)
    early = read(plant)
    plant.advance(plant.now + 0.8 * conche.job.duration)
    late = read(plant)
    node = "Line1.Conching.Conche1.Process."
    assert late[node + "Moisture"] < early[node + "Moisture"] - 0.4
    assert late[node + "MassTemperature"] > early[node + "MassTemperature"] + 5
    assert late[node + "Viscosity"] < early[node + "Viscosity"]
    assert late[node + "RemainingTime"] < early[node + "RemainingTime"]
    assert (early[node + "Phase"], late[node + "Phase"]) == (2, 4)


def test_rolls_wear_and_the_mass_gets_coarser() -> None:
    plant = Plant(SPEC)
    plant.advance(DAY)
    new, worn = read(plant), read(lived(5))
    node = "Line1.Mixing.Process."
    assert worn[node + "RollHours"] > new[node + "RollHours"] + 300
    assert worn[node + "FinenessD90"] > new[node + "FinenessD90"]


def test_the_temper_index_drifts_before_the_reheat() -> None:
    plant = ran(DAY)
    tempering = plant.state.units["Tempering"]
    assert read(plant)["Line1.Tempering.Process.TemperIndex"] == pytest.approx(5, abs=0.5)
    tempering.failures["TemperDrift"].remaining = 60.0
    assert read(plant)["Line1.Tempering.Process.TemperIndex"] < 4


def test_a_broken_roaster_cools_down() -> None:
    plant = ran(5 * HOUR)
    plant.inject_fault("Roasting", "BurnerFault")
    plant.state.units["Roasting"].repair.remaining = 6 * HOUR  # type: ignore[union-attr]
    hot = read(plant)["Line1.Roasting.Process.AirTemperature"]
    plant.advance(plant.now + 1800)
    assert read(plant)["Line1.Roasting.Process.AirTemperature"] < hot - 5


def test_a_broken_machine_shows_it() -> None:
    plant = ran(5 * HOUR)
    plant.inject_fault("Grinding", "MillOverload")
    shown = read(plant)
    state = "Line1.Grinding.Status.State"
    assert TABLE[PLACE[state]].enum[shown[state]] in ("Aborting", "Holding")
    assert shown["Line1.Grinding.Status.Culprit"] == "MillOverload"
    assert shown["Line1.Grinding.Status.CurMachSpeed"] == 0


def test_stock_tags_show_the_warehouse() -> None:
    plant = ran(3 * DAY)
    shown = read(plant)
    for material, policy in SPEC.policies.items():
        assert shown[f"Warehouse.{material}.Level"] == pytest.approx(plant.state.buffers[material].level, abs=0.1)
        assert shown[f"Warehouse.{material}.ReorderPoint"] == policy.reorder_kg
    assert any(shown[f"Warehouse.{m}.Level"] < shown[f"Warehouse.{m}.ReorderPoint"] for m in SPEC.policies)
    assert shown["Warehouse.FinishedDark.Level"] == plant.state.buffers["FinishedDark"].cases


def test_the_mass_balance_is_shown_and_is_zero() -> None:
    plant = ran(9 * DAY)
    shown = read(plant)
    balances = [value for node, value in shown.items() if node.endswith("MassImbalance")]
    assert balances == [0.0] * (len(plant.state.units) + 1)


def test_counters_never_fall() -> None:
    plant, last = Plant(SPEC), dict[str, Any]()
    rising = re.compile(
        r"(?<!ProdProcessed)(?<!ProdDefective)Count$|Total$|CasesOut|Rejects|MinorStops|ShippedCases|TotalCost"
    )
    for step in range(60):
        plant.advance(step * 3001.0)
        shown = {node: value for node, value in read(plant).items() if rising.search(node)}
        assert all(value >= last.get(node, 0) for node, value in shown.items())
        last = shown
    assert len(last) > 40
