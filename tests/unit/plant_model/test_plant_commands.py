"""An operator commands machines by PackML: what the state takes is done, anything else is refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, assert_sound, plant_data, shipped

from plant_model.activity import Activity
from plant_model.machine import Machines
from plant_model.packml import ALLOWED, FINISHES, Command, Mode, State
from plant_model.plant import Plant, PlantError
from plant_model.spec import parse
from plant_model.state import Unit

SPEC = shipped()
NAMES = [command.name for command in Command]


def running(name: str = "Moulding", seed: int = 1) -> tuple[Plant, Unit]:
    """A plant at a moment when a machine runs."""
    plant = Plant(SPEC, seed)
    plant.advance(HOUR)
    unit = plant.state.units[name]
    while unit.state is not State.Execute:
        plant.advance(plant.now + 60)
    return plant, unit


def wait_for(plant: Plant, unit: Unit, state: State, most: float = HOUR) -> None:
    end = plant.now + most
    while unit.state is not state and plant.now < end:
        plant.advance(plant.now + 1)
    assert unit.state is state


def test_a_stopped_machine_stays_stopped_until_it_is_reset_and_started() -> None:
    plant, unit = running()
    plant.command("Moulding", "Stop")
    assert unit.state is State.Stopping
    plant.advance(plant.now + 6 * HOUR)
    assert (unit.state, unit.activity, unit.culprit) == (State.Stopped, Activity.Commanded, "Operator")
    made = unit.ledger.made
    plant.command("Moulding", "Reset")
    plant.advance(plant.now + HOUR)
    assert unit.state is State.Idle
    plant.command("Moulding", "Start")
    assert unit.state is State.Starting
    plant.advance(plant.now + 2 * HOUR)
    assert unit.ledger.made > made
    assert_sound(plant)


def test_work_goes_on_where_it_was_held() -> None:
    plant, unit = running()
    assert unit.job is not None
    plant.command("Moulding", "Hold")
    left = unit.job.remaining
    plant.advance(plant.now + HOUR)
    assert unit.state is State.Held
    assert unit.job.remaining == left
    plant.command("Moulding", "Unhold")
    assert unit.state is State.Unholding
    wait_for(plant, unit, State.Execute, 30)
    assert unit.job.remaining == left


def test_acting_states_take_the_time_of_the_file() -> None:
    plant, unit = running()
    began, seen = plant.now, [unit.state]
    plant.command("Moulding", "Abort")
    for _ in range(20):
        seen.append(unit.state)
        plant.advance(plant.now + 0.5)
    assert unit.control.states[State.Aborting] == pytest.approx(SPEC.acting_s.Aborting)
    plant.command("Moulding", "Clear")
    wait_for(plant, unit, State.Stopped)
    assert unit.control.states[State.Clearing] == pytest.approx(SPEC.acting_s.Clearing)
    assert plant.now > began


@pytest.mark.parametrize("command", ["Start", "Unhold", "Unsuspend", "Clear", "Reset"])
def test_what_the_state_does_not_take_is_refused_with_what_it_takes(command: str) -> None:
    plant, _ = running()
    with pytest.raises(
        PlantError, match=f"Moulding is in Execute and does not take {command}; it takes Complete, Suspend"
    ):
        plant.command("Moulding", command)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    plant = Plant(SPEC)
    with pytest.raises(PlantError, match="there is no machine 'Conching'; there are Cleaning"):
        plant.command("Conching", "Stop")
    with pytest.raises(PlantError, match="there is no command 'Jump'; there are Complete, Start"):
        plant.command("Mixing", "Jump")
    with pytest.raises(PlantError, match="there is no mode 'Turbo'; there are Produce, Maintenance, Manual"):
        plant.set_mode("Mixing", "Turbo")
    with pytest.raises(PlantError, match="Invalid is no mode that can be set"):
        plant.set_mode("Mixing", "Invalid")


def test_a_broken_machine_is_not_cleared_before_it_is_repaired() -> None:
    plant, unit = running("Grinding")
    plant.inject_fault("Grinding", "MillOverload")
    assert unit.repair is not None
    unit.repair.activity, unit.repair.remaining = Activity.Breakdown, HOUR
    if unit.state is not State.Aborting:
        plant.command("Grinding", "Abort")
    wait_for(plant, unit, State.Aborted)
    with pytest.raises(PlantError, match="cannot be cleared: MillOverload is not repaired yet"):
        plant.command("Grinding", "Clear")


def test_the_mode_is_changed_at_rest_only_and_starting_needs_produce() -> None:
    plant, unit = running()
    with pytest.raises(PlantError, match="Moulding is in Execute; the mode is changed in Stopped, Idle, Aborted only"):
        plant.set_mode("Moulding", "Maintenance")
    plant.command("Moulding", "Stop")
    plant.advance(plant.now + HOUR)
    plant.set_mode("Moulding", "Manual")
    plant.command("Moulding", "Reset")
    plant.advance(plant.now + HOUR)
    with pytest.raises(PlantError, match="Start needs mode Produce, Moulding is in mode Manual"):
        plant.command("Moulding", "Start")
    plant.set_mode("Moulding", "Produce")
    plant.command("Moulding", "Start")
    wait_for(plant, unit, State.Execute, 12 * HOUR)
    assert unit.control.modes[Mode.Manual] == pytest.approx(HOUR)


def test_half_the_speed_takes_twice_the_time() -> None:
    plant, unit = running()
    assert unit.job is not None
    plant.set_speed("Moulding", 0.5)
    left = unit.job.remaining
    plant.advance(plant.now + 10)
    plant.set_speed("Moulding", 1.0)
    assert unit.job.remaining == pytest.approx(left - 5)


@pytest.mark.parametrize("share", [0.0, 1.01, -1.0, float("nan")])
def test_an_impossible_speed_is_refused(share: float) -> None:
    with pytest.raises(PlantError, match=r"a share of the design speed from 0\.1 to 1"):
        Plant(SPEC).set_speed("Moulding", share)


def test_closing_time_stops_machines_and_opening_starts_them_up() -> None:
    data = plant_data()
    data["calendar"]["shifts"] = ["06-14"]
    plant = Plant(parse(data))
    plant.advance(12 * HOUR)
    mixing = plant.state.units["Mixing"]
    assert (mixing.state, mixing.activity) == (State.Stopped, Activity.Stopped)
    plant.advance(24 * HOUR + 1)
    assert (mixing.state, mixing.activity) == (State.Resetting, Activity.StartUp)


STEPS = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from([*NAMES, *Mode.__members__, "fault", "slow"]), st.floats(0, 2 * HOUR)),
    max_size=60,
)


def obeyed(plant: Plant, unit: Unit, what: str) -> bool:
    """Whether the plant did what was asked."""
    try:
        if what == "fault":
            plant.inject_fault(unit.name, next(iter(unit.failures)))
        elif what == "slow":
            plant.set_speed(unit.name, 0.5)
        elif what in Mode.__members__:
            plant.set_mode(unit.name, what)
        else:
            plant.command(unit.name, what)
    except PlantError:
        return False
    return True


@settings(max_examples=12)
@given(STEPS, st.integers(0, 9))
def test_whatever_is_commanded_machines_go_by_packml_and_lose_nothing(
    steps: list[tuple[int, str, float]], seed: int
) -> None:
    ways: set[tuple[State, State]] = set()

    def watched(self: Machines, unit: Unit, state: State) -> None:
        ways.add((unit.state, state))
        entered(self, unit, state)

    plant, entered = Plant(SPEC, seed), Machines._enter
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Machines, "_enter", watched)
        for number, what, wait in steps:
            unit = list(plant.state.units.values())[number]
            before = plant.state.units[unit.name].state
            if obeyed(plant, unit, what) and what in NAMES:
                assert before in ALLOWED[Command[what]][0]
            assert_sound(plant)
            plant.advance(plant.now + wait)
            assert_sound(plant)
        restored = Plant.restore(SPEC, plant.snapshot())
        assert restored.advance(plant.now + DAY) == plant.advance(plant.now + DAY)
        assert restored.state == plant.state
    legal = {(start, acting) for allowed, acting in ALLOWED.values() for start in allowed} | set(FINISHES.items())
    assert ways <= legal
