"""A machine that waits says for whom in the end, through all that wait between them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, plant_data, shipped, without_failures

from plant_model.activity import Activity
from plant_model.culprits import WAITING, root_cause
from plant_model.overview import BEANS
from plant_model.plant import Plant
from plant_model.spec import parse

SPEC = shipped()


def test_the_chain_is_followed_to_the_broken_machine() -> None:
    data = without_failures(plant_data())  # the only technician is busy
    data["stations"]["Mixing"]["failures"] = plant_data()["stations"]["Mixing"]["failures"]
    plant = Plant(parse(data))
    plant.advance(2 * DAY)
    mixing = plant.state.units["Mixing"]
    while mixing.job is not None and mixing.job.phase == "Refining":  # the conche that is filled would go on turning
        plant.advance(plant.now + HOUR / 6)
    plant.inject_fault("Mixing", "RefinerFault")
    repair = plant.state.units["Mixing"].repair
    assert repair is not None
    repair.remaining = 20 * DAY
    plant.advance(9 * DAY)
    before, behind = plant.state.units["Roasting"], plant.state.units["Moulding"]
    assert (before.activity, before.culprit) == (Activity.Blocked, "Grinding")
    assert (behind.activity, behind.culprit) == (Activity.Starved, "Tempering")
    assert {root_cause(plant.state, unit) for unit in (before, behind)} == {"Mixing"}


def test_an_empty_store_is_a_root_cause_too() -> None:
    data = plant_data()
    data["storages"]["Beans"]["initial_kg"] = 0
    plant = Plant(parse(data))
    plant.advance(6 * HOUR)
    units = plant.state.units
    waiting = [unit for name, unit in units.items() if name in ("Roasting", "Grinding") and unit.activity in WAITING]
    assert {root_cause(plant.state, unit) for unit in waiting} == {"Warehouse.Beans"}


@settings(max_examples=6)
@given(st.integers(0, 99), st.lists(st.floats(1.0, 8 * HOUR), max_size=12))
def test_who_waits_has_a_cause_and_who_works_has_none(seed: int, steps: list[float]) -> None:
    plant = Plant(SPEC, seed)
    for step in steps:
        plant.advance(plant.now + step)
        for unit in plant.state.units.values():
            cause = root_cause(plant.state, unit)
            assert bool(cause) is (unit.activity in WAITING)
            assert cause != unit.name or unit.activity in WAITING


def test_machines_without_work_know_at_once_whether_there_are_orders() -> None:
    plant = Plant(SPEC)
    followers = [unit for unit in plant.state.units.values() if unit.section not in BEANS]
    seen = set()
    while plant.now < 2 * WEEK:
        plant.advance(plant.now + 300.0)
        without = plant.state.campaign.waiting == "Order"
        goals = {unit.control.goal for unit in followers} & {Activity.NoOrder, Activity.Starved}
        assert goals <= {Activity.NoOrder if without else Activity.Starved}, plant.now
        seen |= goals
    assert seen == {Activity.NoOrder, Activity.Starved}
