"""Sensors stick, drift, rattle and die; their tags show it with the right quality, and the plant runs on."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, shipped

from plant_model.plant import Plant, PlantError
from plant_model.signals import Quality, Reader, signals
from plant_model.state import Defect

SPEC = shipped()
TABLE = {signal.node: signal for signal in signals(SPEC)}
READER = Reader(SPEC)
ZONE = "Line1.Tempering.Process.Zone2Temperature"
SENSORS = sorted(READER.instrument_nodes)


def read(plant: Plant) -> dict[str, tuple[Any, Quality]]:
    return dict(zip(TABLE, zip(*READER.read(plant), strict=True), strict=True))


def ran(until: float = DAY) -> Plant:
    plant = Plant(SPEC)
    plant.advance(until)
    return plant


def test_a_stuck_sensor_shows_its_last_value_and_says_so() -> None:
    plant = ran()
    before, _ = read(plant)[ZONE]
    plant.inject_sensor_fault(ZONE, "Stuck")
    for _ in range(5):
        plant.advance(plant.now + HOUR)
        assert read(plant)[ZONE] == (before, Quality.LAST_USABLE)


def test_a_dead_sensor_is_a_sensor_failure_until_it_is_mended() -> None:
    plant = ran()
    plant.inject_sensor_fault(ZONE, "Dead")
    value, quality = read(plant)[ZONE]
    assert (value, quality) == (TABLE[ZONE].low, Quality.SENSOR_FAILURE)
    plant.clear_sensor_fault(ZONE)
    assert read(plant) == read(ran())


def test_a_drifting_sensor_goes_wrong_slowly_and_looks_good() -> None:
    plant, healthy = ran(), ran()
    plant.inject_sensor_fault(ZONE, "Drift")
    wrong = []
    for hour in range(1, 7):
        plant.advance(DAY + hour * HOUR)
        healthy.advance(DAY + hour * HOUR)
        (value, quality), (true, _) = read(plant)[ZONE], read(healthy)[ZONE]
        assert quality is Quality.GOOD
        wrong.append(value - true)
    assert wrong == sorted(wrong)
    assert wrong[-1] == pytest.approx(6 * 0.01 * (60 - 15), abs=0.02)


def test_a_noisy_sensor_jumps_around_the_truth_and_looks_good() -> None:
    node = "Warehouse.Beans.Temperature"
    plant, healthy = ran(), ran()
    plant.inject_sensor_fault(node, "Noise")
    errors = []
    for minute in range(120):
        for one in (plant, healthy):
            one.advance(DAY + minute * 60.0)
        (value, quality), (true, _) = read(plant)[node], read(healthy)[node]
        assert quality is Quality.GOOD
        errors.append(value - true)
    assert abs(statistics.fmean(errors)) < 0.5
    assert statistics.stdev(errors) == pytest.approx(0.02 * 60, rel=0.3)


def test_all_sensors_of_a_machine_can_fail_at_once_and_no_others() -> None:
    plant = ran()
    plant.inject_sensor_fault("Conche2", "Dead")
    dead = {node for node, (_, quality) in read(plant).items() if quality is Quality.SENSOR_FAILURE}
    process = {node for node in SENSORS if node.startswith("Line1.Conching.Conche2.")}
    assert dead == process
    assert len(dead) >= 8
    plant.clear_sensor_fault("Conche2")
    assert plant.state.sensor_faults == {}


def test_the_sensors_of_a_store_fail_and_are_mended_by_its_name() -> None:
    plant = ran(HOUR)
    assert {"Temperature.Dead", "Humidity.Drift", "Moisture.Stuck", "Sensors.Clear"} <= set(plant.faults()["Beans"])
    plant.inject_fault("Beans", "Sensors.Dead")
    dead = {node for node, (_, quality) in read(plant).items() if quality is Quality.SENSOR_FAILURE}
    assert dead == {f"Warehouse.Beans.{tag}" for tag in ("Temperature", "Humidity", "Moisture")}
    plant.clear_sensor_fault("Beans")
    assert plant.state.sensor_faults == {}
    with pytest.raises(PlantError, match="Beans has no fault 'BurnerFault'"):
        plant.inject_fault("Beans", "BurnerFault")


@pytest.mark.parametrize(
    ("fault", "nodes"),
    [
        ("Zone2Temperature.Dead", {ZONE}),
        ("ActivePower.Stuck", {"Line1.Tempering.Energy.ActivePower"}),
    ],
)
def test_the_operator_names_sensors_like_the_other_faults_of_a_station(fault: str, nodes: set[str]) -> None:
    plant = ran(HOUR)
    assert fault in plant.faults()["Tempering"]
    plant.inject_fault("Tempering", fault)
    assert set(plant.state.sensor_faults) == nodes
    plant.inject_fault("Tempering", fault.partition(".")[0] + ".Clear")
    assert plant.state.sensor_faults == {}


@pytest.mark.parametrize(
    ("node", "kind", "answer"),
    [
        (ZONE, "Lost", "cannot fail by 'Lost', but by Stuck, Drift, Noise, Dead"),
        ("Line1.Tempering.Process.Zone9Temperature", "Dead", "there is no sensor"),
        ("Line1.Production.GoodCount", "Dead", "there is no sensor"),
    ],
)
def test_what_cannot_fail_is_refused(node: str, kind: str, answer: str) -> None:
    plant = Plant(SPEC)
    with pytest.raises(PlantError, match=answer):
        plant.inject_sensor_fault(node, kind)
    assert plant.state.sensor_faults == {}


def test_nobody_mends_what_does_not_exist() -> None:
    with pytest.raises(PlantError, match="there is no sensor"):
        Plant(SPEC).clear_sensor_fault("Line1.Oven")


Actions = st.lists(
    st.tuples(st.floats(0, 6 * HOUR), st.sampled_from(SENSORS), st.sampled_from([*Defect.__members__, "Clear"])),
    max_size=12,
)


@settings(max_examples=10)
@given(Actions, st.integers(0, 9))
def test_sensor_faults_do_not_disturb_the_run_and_survive_a_snapshot(
    actions: list[tuple[float, str, str]], seed: int
) -> None:
    plant, healthy = Plant(SPEC, seed), Plant(SPEC, seed)
    events = []
    for wait, node, kind in actions:
        events += plant.advance(plant.now + wait)
        if kind == "Clear":
            plant.clear_sensor_fault(node)
        else:
            plant.inject_sensor_fault(node, kind)
        values, qualities = READER.read(plant)
        for signal, value, quality in zip(TABLE.values(), values, qualities, strict=True):
            fault = plant.state.sensor_faults.get(signal.node)
            if fault is not None:
                assert signal.low <= value <= signal.high, signal.node
                assert (quality is Quality.GOOD) is (fault.kind in (Defect.Drift, Defect.Noise)), signal.node
        plant = Plant.restore(SPEC, plant.snapshot())
        assert READER.read(plant) == (values, qualities)
    end = plant.now + HOUR
    assert events + plant.advance(end) == healthy.advance(end)
    plant.state.sensor_faults.clear()
    assert plant.state == healthy.state
