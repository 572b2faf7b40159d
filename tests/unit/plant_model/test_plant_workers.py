"""People run and repair machines: who is absent, on break or busy elsewhere is missing, and the time says why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, assert_sound, plant_data, shipped

from plant_model.activity import Activity
from plant_model.calendar import boundaries, open_hours, shift_starts, until_next
from plant_model.maintenance import PLANNED
from plant_model.packml import Mode, State
from plant_model.plant import Plant, PlantError
from plant_model.spec import SpecError, parse

SPEC = shipped()


def plant_with(until: float = 0.0, seed: int = 1, **workforce: Any) -> Plant:
    data = plant_data()
    data["workforce"] |= workforce
    plant = Plant(parse(data), seed)
    plant.advance(until)
    return plant


def total(plant: Plant, activity: Activity) -> float:
    return sum(unit.times[activity] for unit in plant.state.units.values())


def test_twice_the_technicians_wait_shorter_and_repair_as_long() -> None:
    waits, repairs = list[float](), list[float]()
    for technicians in (1, 2):
        data = plant_data()
        data["workers_per_shift"]["Technician"] = technicians
        plant = Plant(parse(data))
        plant.advance(5 * WEEK)
        waits.append(total(plant, Activity.AwaitingRepair))
        ledgers = [unit.ledger for unit in plant.state.units.values()]
        repairs.append(sum(led.repair_s for led in ledgers) / sum(led.breakdowns for led in ledgers))
        assert_sound(plant)
    assert waits[1] < waits[0] / 2
    assert repairs[1] == pytest.approx(repairs[0], rel=0.2)


def test_a_second_fault_waits_for_the_only_technician() -> None:
    plant = plant_with(HOUR, absence=0.0, break_min=0.0)
    first, second = plant.state.units["Roasting"], plant.state.units["Grinding"]
    plant.inject_fault("Roasting", "BurnerFault")
    plant.inject_fault("Grinding", "MillOverload")
    assert first.activity is Activity.Breakdown
    assert (second.activity, second.culprit) == (Activity.AwaitingRepair, "MillOverload")
    assert (first.control.mode, second.control.mode) == (Mode.Maintenance, Mode.Produce)
    assert plant.state.queue == ["Grinding"]
    assert first.repair is not None
    plant.advance(plant.now + first.repair.remaining + 1)
    assert first.repair is None
    assert second.activity is Activity.Breakdown


def test_a_station_stops_when_nobody_can_run_it() -> None:
    skills = plant_data()["workforce"]["skills"] | {"Roasting": ["Roasting"], "Mixing": ["Mixing", "Grinding"]}
    plant = plant_with(0.0, skills=skills, absence=0.0)
    seen: set[Activity] = set()
    roasting = plant.state.units["Roasting"]
    for _ in range(48):
        plant.advance(plant.now + HOUR / 6)
        seen.add(roasting.activity)
    assert Activity.Break in seen
    assert roasting.times[Activity.Break] == pytest.approx(HOUR / 2, abs=30)
    plant = plant_with(4 * WEEK, skills=skills, absence=0.2)
    assert plant.state.units["Roasting"].times[Activity.NoOperator] > 8 * HOUR
    assert plant.state.units["Conche1"].times[Activity.NoOperator] == 0
    assert_sound(plant)


def test_colleagues_relieve_each_other() -> None:
    plant = plant_with(WEEK, absence=0.0)
    assert total(plant, Activity.Break) == total(plant, Activity.NoOperator) == 0


def test_at_night_nobody_repairs_what_runs_unattended() -> None:
    data = plant_data()
    data["calendar"]["shifts"] = ["06-14"]
    plant = Plant(parse(data))
    plant.advance(9 * HOUR)
    conche = plant.state.units["Conche1"]
    plant.inject_fault("Conche1", "DriveFault")
    assert conche.repair is not None
    conche.repair.activity, conche.repair.skill = Activity.Breakdown, "Mechanics"
    left = conche.repair.remaining
    plant.advance(23 * HOUR)
    assert (conche.activity, conche.state) == (Activity.AwaitingRepair, State.Aborted)
    assert conche.repair.remaining == left
    plant.advance(24 * HOUR + 1)
    assert conche.activity is Activity.Breakdown


def test_closing_time_interrupts_a_repair() -> None:
    data = plant_data()
    data["calendar"]["shifts"] = ["06-14"]
    data["stations"]["Conching"]["failures"]["DriveFault"] |= {"mttr_h": 10, "cv": 0}
    plant = Plant(parse(data))
    plant.advance(6 * HOUR)
    plant.inject_fault("Conche2", "DriveFault")
    conche = plant.state.units["Conche2"]
    plant.advance(20 * HOUR)
    assert conche.ledger.repair_s == pytest.approx(2 * HOUR)
    assert conche.activity is Activity.AwaitingRepair
    assert_sound(plant)


def test_planned_maintenance_is_no_busy_time_and_renews_the_machine() -> None:
    data = plant_data()
    data["stations"]["Roasting"]["maintenance"] = {"every_h": 48, "hours": 2}
    plant = Plant(parse(data))
    roasting = plant.state.units["Roasting"]
    while roasting.activity is not Activity.Maintenance and plant.now < 3 * DAY:
        plant.advance(plant.now + 60)
    assert (roasting.culprit, roasting.control.mode) == (PLANNED, Mode.Maintenance)
    assert roasting.job is None
    with pytest.raises(PlantError, match="does not take Start"):
        plant.command("Roasting", "Start")
    plant.advance(plant.now + 3 * HOUR)
    assert roasting.failures["BurnerFault"].age < 3 * HOUR
    plant.advance(4 * WEEK)
    done = roasting.ledger.maintenance_s / (2 * HOUR)
    assert 10 < done < 15
    assert roasting.times[Activity.Maintenance] == pytest.approx(roasting.ledger.maintenance_s, rel=0.05)


@pytest.mark.parametrize("clock", ["calendar", "operating"])
def test_failures_by_the_calendar_come_also_at_rest(clock: str) -> None:
    data = plant_data()
    data["calendar"]["shifts"] = ["06-10"]
    often = {"mtbf_h": 4, "shape": 1, "mttr_h": 0.05, "cv": 0, "clock": clock}
    data["stations"]["Cleaning"]["failures"] = {"Fault": often}
    plant = Plant(parse(data))
    plant.advance(8 * WEEK)
    cleaning = plant.state.units["Cleaning"]
    count = cleaning.failures["Fault"].count
    if clock == "operating":
        assert count == pytest.approx(cleaning.times[Activity.Running] / HOUR / 4, rel=0.3)
    else:
        assert count > plant.now / DAY  # nearly each night, and in the shift


def test_a_plant_without_the_people_it_needs_is_refused() -> None:
    data = plant_data()
    data["workers_per_shift"]["Technician"] = 0
    data["workforce"]["skills"]["Moulding"] = []
    data["workforce"]["skills"]["Packing"] = []
    data["workforce"]["skills"]["Pilot"] = ["Flying"]
    with pytest.raises(SpecError) as refused:
        parse(data)
    told = {(".".join(map(str, p.path)), p.message) for p in refused.value.problems}
    assert ("workforce.skills", "leave nobody to run Moulding") in told
    assert any(path == "stations.Roasting.failures.BurnerFault.skill" for path, _ in told)
    assert any(path == "workforce.skills.Pilot" for path, _ in told)


def test_crews_change_at_the_boundaries_of_shifts() -> None:
    calendar = SPEC.calendar
    hours, starts = open_hours(calendar), shift_starts(calendar)
    edges = boundaries(hours, starts)
    assert edges == starts
    assert until_next(edges, datetime(2026, 1, 5, 6, tzinfo=UTC)) == 8 * HOUR
    data = plant_data()
    data["calendar"] |= {"shifts": ["06-14"], "days": ["Mon"]}
    rare = parse(data).calendar
    edges = boundaries(open_hours(rare), shift_starts(rare))
    assert edges == {6, 14}
    assert until_next(edges, datetime(2026, 1, 5, 14, tzinfo=UTC)) == WEEK - 8 * HOUR


@settings(max_examples=5)
@given(st.integers(0, 99), st.floats(0, 0.5), st.floats(0, 90), st.sampled_from([["06-14"], ["06-14", "14-22"]]))
def test_people_never_upset_the_books(seed: int, absence: float, break_min: float, shifts: list[str]) -> None:
    data = plant_data()
    data["workforce"] |= {"absence": absence, "break_min": break_min}
    data["calendar"] |= {"shifts": shifts, "days": ["Mon", "Tue", "Wed", "Thu", "Fri"]}
    plant = Plant(parse(data), seed)
    for step in range(1, 30):
        plant.advance(step * 8 * HOUR)
        assert_sound(plant)
        at_work = [u.repair.technician for u in plant.state.units.values() if u.repair and u.repair.technician]
        assert len(at_work) == sum(crew.busy for crew in plant.state.crews.values())
        assert all(0 <= crew.busy <= crew.here for crew in plant.state.crews.values())
        assert set(plant.state.queue) == {u.name for u in plant.state.units.values() if u.repair and u.repair.waits}
    restored = Plant.restore(plant.spec, plant.snapshot())
    assert restored.advance(12 * DAY) == plant.advance(12 * DAY)
    assert restored.state == plant.state
