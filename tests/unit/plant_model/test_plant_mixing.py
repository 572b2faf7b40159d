"""The kneader works ahead of the refiner, both set up together, and a batch goes where it will be worked."""

from __future__ import annotations

import pytest
from support_plant import DAY, HOUR, LOTS_OF, WEEK, assert_sound, plant_data, shipped, unlimited, without_failures

from plant_model.activity import Activity
from plant_model.layout import FEED, conche_names
from plant_model.plant import Plant
from plant_model.spec import parse
from plant_model.state import Lot, Repair

SPEC = shipped()
BATCH = SPEC.stations.Mixing.batch_kg


def busy(machines: int) -> Plant:
    """Conches that never wait for room in the tanks."""
    data = without_failures(unlimited(machines))
    data["buffers"]["MassTank"]["capacity_kg"] = LOTS_OF
    plant = Plant(parse(data))
    plant.advance(2 * DAY)
    return plant


def refine_next(plant: Plant) -> str:
    """Run until the refiner begins another batch; the conche that it fills."""
    refiner = plant.state.units["Mixing"]
    last = refiner.lot
    while refiner.lot == last:
        plant.advance(plant.now + 60.0)
    assert refiner.job is not None
    return refiner.job.target


def test_the_next_batch_is_kneaded_while_the_last_one_is_refined() -> None:
    plant = busy(machines=8)  # there is always a conche to fill
    refiner = plant.state.units["Mixing"]
    before = refiner.times[Activity.Starved]
    together = 0
    for _ in range(2 * 24 * 60):
        plant.advance(plant.now + 60.0)
        kneader = plant.state.units["Kneader"]
        together += kneader.activity is refiner.activity is Activity.Running
    assert together > 6 * 60
    assert refiner.times[Activity.Starved] - before < HOUR


def test_kneader_and_refiner_are_set_up_at_the_same_time() -> None:
    plant = busy(machines=8)
    setups = {Activity.Changeover, Activity.Cleaning}
    seen = set()
    for _ in range(7 * 24 * 12):
        plant.advance(plant.now + 300.0)
        seen.add(tuple(plant.state.units[name].activity in setups for name in ("Kneader", "Mixing")))
    assert (True, True) in seen


@pytest.mark.parametrize("stop", ["repair", "maintenance", "operator"])
def test_a_conche_that_stands_still_is_not_filled_when_another_is_empty(stop: str) -> None:
    plant = busy(machines=8)
    empty = next(name for name in conche_names(plant.spec) if idle(plant, name))
    unit = plant.state.units[empty]
    if stop == "operator":
        plant.command(empty, "Abort")
    else:
        activity = Activity.Maintenance if stop == "maintenance" else Activity.Breakdown
        unit.repair = Repair("Test", activity, WEEK)
    filled = [refine_next(plant) for _ in range(4)]
    assert empty not in filled
    assert len(set(filled)) >= 2


def idle(plant: Plant, conche: str) -> bool:
    vessel = plant.state.buffers[conche]
    return not vessel.product and not vessel.reserved


def test_a_load_that_lost_its_conche_half_way_is_completed() -> None:
    """Both the one that broke and the one begun in its place."""
    plant = busy(machines=8)
    conches = conche_names(plant.spec)
    while True:
        begun = refine_next(plant)
        vessel = plant.state.buffers[begun]
        if vessel.room == pytest.approx(BATCH) and any(idle(plant, name) for name in conches):
            break
    plant.state.units[begun].repair = Repair("Test", Activity.Breakdown, 20 * HOUR)
    other = refine_next(plant)
    assert other != begun
    plant.state.units[begun].repair = None
    loads = {name: plant.state.units[name].ledger.processed for name in (begun, other)}
    plant.advance(plant.now + 2 * DAY)
    assert all(plant.state.units[name].ledger.processed > before for name, before in loads.items())
    assert_sound(plant)


def test_no_conche_is_left_half_full() -> None:
    plant = Plant(parse(unlimited(4)), 3)
    standing = dict.fromkeys(conche_names(plant.spec), 0)
    for _ in range(6 * 7 * 24):
        plant.advance(plant.now + HOUR)
        for name in standing:
            vessel = plant.state.buffers[name]
            half = bool(vessel.product) and vessel.fits(BATCH)
            standing[name] = standing[name] + 1 if half else 0
            assert standing[name] < 72, name
    assert plant.state.buffers[FEED].level <= BATCH + 1e-6


def test_a_load_that_was_begun_is_completed_though_nothing_is_ordered() -> None:
    data = without_failures(plant_data())
    for product in data["products"].values():
        product["initial_cases"] = product["target_cases"]
    for orders in data["demand"]["classes"].values():
        orders["per_day"] = 0
    plant = Plant(parse(data))
    plant.state.buffers["Conche1"].lots.append(Lot("Half", "Milk", BATCH, 0.0))
    plant.set_speed("Kneader", 1.0)  # it looks again
    plant.advance(DAY)
    kneader, conche = plant.state.units["Kneader"], plant.state.units["Conche1"]
    assert kneader.ledger.made == pytest.approx(BATCH)
    assert conche.ledger.processed == pytest.approx(2 * BATCH)
    assert kneader.activity is Activity.NoOrder
