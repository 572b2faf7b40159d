"""Bars wait in a buffer of their own for the wrappers; who holds up whom is told, and a wrapper's stop is hidden."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import DAY, HOUR, WEEK, assert_sound, shipped, unlimited, without_failures

from plant_model.activity import Activity
from plant_model.culprits import root_cause
from plant_model.layout import BARS, finished
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import SpecError, parse
from plant_model.state import Repair, Unit

SPEC = shipped()
WRAPPERS = ("Wrapper1", "Wrapper2")


def calm() -> Plant:
    """Many conches, no failures and no orders: moulding has work all the time, and nothing leaves the store."""
    data = without_failures(unlimited(8))
    for orders in data["demand"]["classes"].values():
        orders["per_day"] = 0
    plant = Plant(parse(data))
    plant.advance(2 * DAY)
    return plant


def shown(plant: Plant) -> dict[str, Any]:
    values, _ = Reader(plant.spec).read(plant)
    return dict(zip((signal.node for signal in signals(plant.spec)), values, strict=True))


def stop(unit: Unit) -> None:
    unit.repair = Repair("Test", Activity.Breakdown, WEEK)


def started(plant: Plant, name: str) -> str:
    """Run until the machine begins another lot; its number."""
    unit = plant.state.units[name]
    last = unit.lot
    while unit.lot == last:
        plant.advance(plant.now + 30.0)
    return unit.lot


def test_bars_leave_the_buffer_in_the_order_in_which_they_came() -> None:
    plant = calm()
    deposited, wrapped = [], []
    seen = {"Moulding": "", **dict.fromkeys(WRAPPERS, "")}
    for _ in range(3 * 24 * 60):
        plant.advance(plant.now + 60.0)
        for name, last in seen.items():
            lot = plant.state.units[name].lot
            if lot != last:
                seen[name] = lot
                (deposited if name == "Moulding" else wrapped).append(lot)
    first = deposited.index(wrapped[5])
    assert len(wrapped) > 100
    assert wrapped[5:] == deposited[first : first + len(wrapped) - 5]


def test_when_no_wrapper_runs_the_buffer_fills_and_then_the_line_is_blocked() -> None:
    plant = calm()
    for name in WRAPPERS:
        stop(plant.state.units[name])
    full = plant.state.buffers[BARS].capacity
    plant.advance(plant.now + 3 * HOUR)
    moulding, level = plant.state.units["Moulding"], plant.state.buffers[BARS].level
    assert full - 200.0 < level <= full + 1e-6
    assert (moulding.activity, moulding.culprit) == (Activity.Blocked, "Wrapping")
    assert root_cause(plant.state, moulding) == "Wrapping"
    seen = shown(plant)
    assert seen["Line1.Moulding.Process.BarBufferLevel"] == pytest.approx(level, abs=0.1)
    assert seen["Line1.Moulding.Process.BarBufferTime"] > HOUR
    assert seen["Line1.Moulding.Process.Wrapper1Speed"] < 5
    assert_sound(plant)


def test_a_stop_of_a_wrapper_is_hidden_by_the_buffer_and_the_other_one() -> None:
    plant = calm()
    started(plant, "Moulding")
    stop(plant.state.units["Wrapper1"])
    blocked = plant.state.units["Moulding"].times[Activity.Blocked]
    plant.advance(plant.now + HOUR)
    assert plant.state.units["Moulding"].times[Activity.Blocked] == blocked
    plant.advance(plant.now + 5 * HOUR)  # one wrapper alone is slower than the line
    assert plant.state.units["Moulding"].times[Activity.Blocked] > blocked


def test_a_larger_buffer_hides_more() -> None:
    """S7: the line waits less for its wrappers, the more bars may wait."""
    waited = []
    for capacity in (200, 800):
        data = unlimited(8)
        data["buffers"]["BarBuffer"]["capacity_kg"] = capacity
        plant = Plant(parse(data))
        plant.advance(3 * WEEK)
        waited.append(plant.state.units["Moulding"].times[Activity.Blocked])
    assert waited[1] < 0.8 * waited[0]


def test_wrappers_wait_for_the_line_and_for_the_warehouse() -> None:
    plant = Plant(SPEC)
    plant.advance(WEEK)
    wrapper = plant.state.units["Wrapper1"]
    assert wrapper.losses[Activity.Starved, "Moulding"] > HOUR
    plant = calm()
    for product in plant.spec.products:
        goods = plant.state.buffers[finished(product)]
        goods.capacity = goods.level + goods.moving  # the store is full from now on
    plant.advance(plant.now + 4 * HOUR)
    for name in WRAPPERS:
        wrapper = plant.state.units[name]
        assert (wrapper.activity, wrapper.culprit) == (Activity.Blocked, "Warehouse")
    assert root_cause(plant.state, plant.state.units["Moulding"]) == "Warehouse"
    assert_sound(plant)


def test_minor_stops_are_the_wrappers_own() -> None:
    plant = Plant(SPEC)
    plant.advance(WEEK)
    ledgers = [plant.state.units[name].ledger for name in (*WRAPPERS, "Moulding")]
    assert all(ledger.minor_stops > 20 for ledger in ledgers[:2])
    assert shown(plant)["Line1.Moulding.Process.MinorStops"] == sum(ledger.minor_stops for ledger in ledgers)
    assert plant.state.units["Wrapper1"].times[Activity.MinorStop] > 0


def test_line_and_wrappers_are_set_up_at_the_same_time() -> None:
    plant = calm()
    setups, together = {Activity.Changeover, Activity.Cleaning}, set()
    for _ in range(7 * 24 * 12):
        plant.advance(plant.now + 300.0)
        together |= {
            name for name in WRAPPERS if working(plant, name) in setups and working(plant, "Moulding") in setups
        }
    assert together == set(WRAPPERS)


def working(plant: Plant, name: str) -> Activity:
    return plant.state.units[name].activity


def test_wrapped_bars_that_fill_no_case_are_scrap_not_rework() -> None:
    plant = Plant(SPEC)
    plant.advance(4 * WEEK)
    for name in WRAPPERS:
        ledger = plant.state.units[name].ledger
        assert ledger.reworked == 0.0
        assert 0.0 < ledger.waste["Scrap"] == pytest.approx(ledger.defective)
        assert ledger.defective < 0.001 * ledger.processed
    assert_sound(plant)


def test_a_buffer_below_a_lot_is_refused() -> None:
    data = unlimited()
    data["buffers"]["BarBuffer"]["capacity_kg"] = 150
    with pytest.raises(SpecError, match="is below a batch of 200 kg"):
        parse(data)
