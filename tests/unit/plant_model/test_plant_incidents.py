"""Faults and commands happen when they are due, in their order, and what is refused is tried again and told."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import DAY, HOUR, plant_data, shipped

from plant_model.activity import Activity
from plant_model.incidents import CommandAt, FaultAt, Script
from plant_model.packml import Mode, State
from plant_model.plant import Plant
from plant_model.scenario import parse_study
from plant_model.spec import SpecError

SPEC = shipped()


def plant(until: float = 0.0) -> Plant:
    plant = Plant(SPEC, 3)
    plant.advance(until)
    return plant


def test_a_fault_stops_the_machine_at_its_time_for_its_hours_of_repair() -> None:
    moulding = plant(DAY)
    script = Script(moulding, [FaultAt(at_h=2.5, machine="Moulding", fault="DepositorFault", repair_h=3.0)])
    script.advance(DAY + 2.5 * HOUR - 1.0)
    assert moulding.state.units["Moulding"].repair is None
    script.advance(DAY + 2.5 * HOUR)
    repair = moulding.state.units["Moulding"].repair
    assert repair is not None
    assert (repair.fault, repair.remaining) == ("DepositorFault", 3.0 * HOUR)


def test_a_fault_of_a_machine_that_is_stopped_already_comes_when_it_is_repaired() -> None:
    one = plant(DAY)
    before = one.state.units["Mixing"].failures["RefinerFault"].count
    faults = [FaultAt(at_h=1.0, machine="Mixing", fault="RefinerFault", repair_h=0.5)] * 2
    script = Script(one, faults)
    script.advance(DAY + HOUR)
    assert one.state.units["Mixing"].failures["RefinerFault"].count == before + 1
    assert "already stopped by RefinerFault" in script.refused["Mixing: RefinerFault at 1 h"]
    script.advance(DAY + 4 * HOUR)
    assert one.state.units["Mixing"].failures["RefinerFault"].count >= before + 2
    assert script.refused == {}


def test_an_operator_stops_and_starts_a_machine_though_each_step_takes_its_time() -> None:
    """Reset is refused in Stopping, and Start in Resetting: each waits for the one before."""
    one = plant(DAY)
    steps = ("Stop", "Reset", "Start")
    script = Script(one, [CommandAt(at_h=0.0, machine="Conche1", command=step) for step in steps])
    script.advance(DAY + 60.0)
    assert one.state.units["Conche1"].state in (State.Stopped, State.Resetting)
    script.advance(DAY + HOUR)
    assert script.refused == {}
    assert one.state.units["Conche1"].control.kept is None


def test_modes_and_speeds_are_commanded_too() -> None:
    one = plant(DAY)
    script = Script(
        one,
        [
            CommandAt(at_h=1.0, machine="Moulding", speed=0.5),
            CommandAt(at_h=1.0, machine="Cleaning", command="Stop"),
            CommandAt(at_h=1.1, machine="Cleaning", mode="Maintenance"),
        ],
    )
    script.advance(DAY + 2 * HOUR)
    assert one.state.units["Moulding"].control.share == 0.5
    assert one.state.units["Cleaning"].control.mode is Mode.Maintenance
    assert one.state.units["Cleaning"].activity in (Activity.Commanded, Activity.NoOrder)


def test_what_never_could_happen_is_told_with_the_reason() -> None:
    one = plant(DAY)
    script = Script(one, [CommandAt(at_h=1.0, machine="Moulding", command="Clear")])
    script.advance(DAY + 0.5 * HOUR)
    assert script.refused == {}
    script.advance(DAY + HOUR)
    assert "does not take Clear" in script.refused["Moulding: Clear at 1 h"]


def test_letting_nothing_happen_is_the_undisturbed_run() -> None:
    calm, watched = plant(), plant()
    calm.advance(2 * DAY)
    script = Script(watched, [])
    for hour in range(49):
        script.advance(hour * HOUR)
    assert calm.state.books == watched.state.books


@pytest.mark.parametrize(
    ("command", "path", "words"),
    [
        ({"machine": "Moulding"}, "", "must have one of command, mode and speed; has none"),
        ({"machine": "Moulding", "command": "Stop", "speed": 0.5}, "", "has command and speed"),
        ({"machine": "Moulding", "command": "Halt"}, "command", "is no command; there are Complete, Start"),
        ({"machine": "Moulding", "mode": "Auto"}, "mode", "is no mode; there are Produce, Maintenance, Manual"),
        ({"machine": "Moulding", "speed": 1.5}, "speed", "must be from 0.1 to 1, is 1.5"),
        ({"machine": "Mould", "command": "Stop"}, "machine", "there is no machine 'Mould'; there are Cleaning"),
        (
            {"machine": "Moulding", "command": "Stop", "at_h": 100},
            "at_h",
            "comes after the end, 72 h after the warm-up",
        ),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_its_place(
    command: dict[str, Any], path: str, words: str
) -> None:
    study = {"title": "T", "plant": "p", "length_d": 3, "scenarios": {"A": {"commands": [{"at_h": 1} | command]}}}
    with pytest.raises(SpecError) as error:
        parse_study(study, plant_data())
    found = {"|".join(map(str, problem.path)): problem.message for problem in error.value.problems}
    place = "|".join(filter(None, ("scenarios|A|commands|0", path)))
    assert words in found[place]
