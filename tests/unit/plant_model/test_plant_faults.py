"""Machines fail by their working hours and are repaired; whoever commands a fault is understood or told why not."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import default_rng
from support_plant import DAY, HOUR, assert_sound, lived, shipped, told

from plant_model.activity import Activity
from plant_model.equipment import FailureMode, Triangular
from plant_model.layout import units
from plant_model.packml import State
from plant_model.plant import Plant, PlantError
from plant_model.randomness import Streams, gamma, lognormal, time_to_failure, triangular

SPEC = shipped()


def test_every_machine_tells_its_faults() -> None:
    faults = Plant(SPEC).faults()
    assert [name for name in faults["Conche2"] if "." not in name] == ["DriveFault"]
    assert [name for name in faults["Tempering"] if "." not in name] == ["PumpFault", "TemperDrift"]
    assert {"Torque.Stuck", "MassTemperature.Dead", "Sensors.Drift", "Sensors.Clear"} <= set(faults["Conche2"])
    assert [name for name in faults["Kneader"] if "." not in name] == ["KneaderFault"]
    assert units(SPEC).keys() <= faults.keys()


def test_an_injected_fault_stops_the_machine_until_it_is_repaired() -> None:
    plant = Plant(SPEC)
    plant.advance(6 * HOUR)
    plant.inject_fault("Conche1", "DriveFault")
    unit = plant.state.units["Conche1"]
    assert (unit.activity, unit.state, unit.culprit) == (Activity.Breakdown, State.Aborting, "DriveFault")
    work = unit.job.remaining if unit.job else None
    (event,) = [event for event in plant.advance(plant.now + 1) if event.kind == "machine_failure"]
    assert event.source == ("Machines", "ChocolateLine1", "Components", "Conching", "Components", "Conche1")
    assert event.fields == {"Station": "Conching", "Unit": "Conche1", "Fault": "DriveFault"}
    assert 1 <= event.severity <= 1000
    if unit.job:
        assert unit.job.remaining == work
    plant.advance(plant.now + DAY)
    assert unit.repair is None or unit.ledger.breakdowns > 1
    assert_sound(plant)


@pytest.mark.parametrize(
    ("station", "fault", "answer"),
    [
        ("Kitchen", "Fire", "there is no machine 'Kitchen'; there are Cleaning, "),
        ("Grinding", "Fire", "Grinding has no fault 'Fire'; it has MillOverload"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(station: str, fault: str, answer: str) -> None:
    with pytest.raises(PlantError, match=answer):
        Plant(SPEC).inject_fault(station, fault)


def test_a_machine_cannot_break_twice() -> None:
    plant = Plant(SPEC)
    plant.inject_fault("Tempering", "TemperDrift")
    with pytest.raises(PlantError, match="already stopped by TemperDrift"):
        plant.inject_fault("Tempering", "PumpFault")


@settings(max_examples=6)
@given(st.lists(st.tuples(st.floats(0, 12 * HOUR), st.integers(0, 99)), max_size=20))
def test_no_storm_of_faults_upsets_the_books(storm: list[tuple[float, int]]) -> None:
    plant = Plant(SPEC)
    targets = [(station, fault) for station, faults in plant.faults().items() for fault in faults]
    for wait, choice in storm:
        plant.advance(plant.now + wait)
        station, fault = targets[choice % len(targets)]
        if plant.state.units[station].repair is None:
            plant.inject_fault(station, fault)
        assert_sound(plant)


def test_short_stops_are_minor_and_told_to_nobody() -> None:
    plant, failures = lived(2), [event for event in told(2) if event.kind == "machine_failure"]
    ledger = plant.state.units["Moulding"].ledger
    assert ledger.minor_stops > ledger.breakdowns > 0
    assert len(failures) == sum(unit.ledger.breakdowns for unit in plant.state.units.values())


def test_failures_come_by_working_hours() -> None:
    plant = lived(10)
    wrapper = plant.state.units["Wrapper1"]
    hours = wrapper.times[Activity.Running] / HOUR
    assert hours / wrapper.failures["WrapperStop"].count == pytest.approx(0.9, rel=0.1)
    assert hours / wrapper.failures["WrapperFault"].count == pytest.approx(24, rel=0.4)


def test_distributions_have_their_means() -> None:
    generator, n = default_rng(1), 20_000
    mode = FailureMode(mtbf_h=10, shape=1.2, mttr_h=1, cv=0.9)
    assert statistics.fmean(time_to_failure(generator, mode) for _ in range(n)) == pytest.approx(36000, rel=0.03)
    assert statistics.fmean(lognormal(generator, 5.0, 0.9) for _ in range(n)) == pytest.approx(5, rel=0.03)
    assert statistics.fmean(gamma(generator, 5.0, 0.8) for _ in range(n)) == pytest.approx(5, rel=0.03)
    shape = Triangular(low=1, mode=2, high=6)
    draws = [triangular(generator, shape) for _ in range(n)]
    assert statistics.fmean(draws) == pytest.approx(3, rel=0.03)
    assert 1 <= min(draws) < 1.2
    assert 5.8 < max(draws) <= 6


def test_what_has_worked_long_lives_on_by_its_age() -> None:
    """An ageing machine (k > 1) has less left the older it is; one without ageing always the same."""
    generator, n = default_rng(2), 20_000

    def left(shape: float, age_h: float) -> float:
        mode = FailureMode(mtbf_h=10, shape=shape, mttr_h=1, cv=0)
        return statistics.fmean(time_to_failure(generator, mode, age_h * HOUR) for _ in range(n)) / HOUR

    assert left(1.0, 20.0) == pytest.approx(10, rel=0.03)
    assert left(2.0, 0.0) == pytest.approx(10, rel=0.03)
    assert left(2.0, 20.0) < 4


def test_no_variation_means_the_mean() -> None:
    generator = default_rng(1)
    assert gamma(generator, 5.0, 0.0) == 5.0
    assert lognormal(generator, 5.0, 0.0) == pytest.approx(5.0)
    assert triangular(generator, Triangular(low=2, mode=2, high=2)) == 2


def test_streams_do_not_disturb_each_other() -> None:
    alone, beside = Streams(5), Streams(5)
    beside["other"].random(100)
    assert alone["one"].random() == beside["one"].random()
    assert alone["one"].random() != alone["two"].random()
    assert alone != beside
    assert not math.isnan(alone["one"].random())
