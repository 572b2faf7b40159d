"""What is sent takes its time; before a full bin it waits on the conveyor, and when that is full the machine blocks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, assert_sound, plant_data, shipped

from plant_model.activity import Activity
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import parse

SPEC = shipped()


def read(plant: Plant) -> dict[str, Any]:
    values, _ = Reader(plant.spec).read(plant)
    return dict(zip((signal.node for signal in signals(plant.spec)), values, strict=True))


def without_roaster(plant: Plant) -> Plant:
    plant.inject_fault("Roasting", "BurnerFault")
    repair = plant.state.units["Roasting"].repair
    assert repair is not None
    repair.remaining = 30 * DAY
    return plant


def test_a_lot_takes_its_time_on_the_conveyor() -> None:
    plant = Plant(SPEC)
    buffer = plant.state.buffers["CleanBeans"]
    while not buffer.transit:
        plant.advance(plant.now + 10.0)
    lot = buffer.transit[0]
    left = plant.now
    while lot in buffer.transit:
        plant.advance(plant.now + 10.0)
    assert plant.now - left == pytest.approx(SPEC.flow["Cleaning"].transport_min * 60.0, abs=20.0)


def test_lots_accumulate_before_a_full_bin_and_block_the_machine_behind() -> None:
    plant = without_roaster(Plant(SPEC))
    plant.state.units["Roasting"].job = None
    seen = []
    for _ in range(24 * 12):
        plant.advance(plant.now + 300.0)
        seen.append(plant.state.buffers["CleanBeans"].standing)
        assert_sound(plant)
    buffer = plant.state.buffers["CleanBeans"]
    assert buffer.level <= buffer.capacity + 1e-6
    assert 0.0 < seen[-1] <= buffer.conveyor + 200.0
    assert buffer.level + buffer.moving <= buffer.capacity + buffer.conveyor + 1e-6
    cleaning = plant.state.units["Cleaning"]
    assert (cleaning.activity, cleaning.culprit) == (Activity.Blocked, "Roasting")
    shown = read(plant)
    assert shown["Line1.Cleaning.Process.ConveyorWaiting"] == pytest.approx(seen[-1], abs=0.01)
    assert shown["Line1.Cleaning.Process.ConveyorLoad"] == pytest.approx(buffer.moving, abs=0.01)


def test_what_waits_goes_on_when_there_is_room() -> None:
    plant = Plant(SPEC)
    bin_, waited = plant.state.buffers["CleanBeans"], 0.0
    for step in range(3 * 24 * 12):
        plant.advance(step * 300.0)
        if bin_.standing:
            waited += 300.0
            assert bin_.level + bin_.transit[0].mass > bin_.capacity
    assert waited > 0


def test_a_longer_conveyor_blocks_later() -> None:
    blocked = []
    for kg in (0, 600):
        data = plant_data()
        data["buffers"]["CleanBeans"]["conveyor_kg"] = kg
        plant = without_roaster(Plant(parse(data)))
        while plant.state.units["Cleaning"].activity is not Activity.Blocked:
            plant.advance(plant.now + 60.0)
        blocked.append(plant.now)
    assert blocked[1] > blocked[0] + HOUR


@settings(max_examples=6)
@given(st.integers(0, 99), st.floats(0.0, 500.0), st.floats(0.0, 500.0), st.lists(st.floats(1, DAY), max_size=6))
def test_no_bin_and_no_conveyor_holds_more_than_it_can(seed: int, one: float, two: float, steps: list[float]) -> None:
    data = plant_data()
    data["buffers"]["CleanBeans"]["conveyor_kg"], data["buffers"]["RoastedBeans"]["conveyor_kg"] = one, two
    plant = Plant(parse(data), seed)
    for step in steps:
        plant.advance(plant.now + step)
        for buffer in plant.state.buffers.values():
            assert buffer.level <= buffer.capacity + 1e-5
            assert buffer.level + buffer.moving <= buffer.capacity + buffer.conveyor + 1e-5
        assert_sound(plant)
