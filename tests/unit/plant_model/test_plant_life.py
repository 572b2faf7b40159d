"""Whatever is planned otherwise, commanded or breaks: after every single event the plant keeps all laws and books."""

from __future__ import annotations

import copy
import math
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support_audit import Auditor
from support_plant import DAY, HOUR, plant_data, shipped

from plant_model.packml import Command, Mode
from plant_model.plant import Plant, PlantError
from plant_model.scenario import parse_study
from plant_model.spec import SpecError

SCALES = (
    "demand.classes.*.per_day", "stations.*.failures.*.mtbf_h", "stations.*.failures.*.mttr_h",
    "stations.*.*.failures.*.mtbf_h",
    "stations.Moulding.rate_kg_h", "stations.Tempering.rate_kg_h", "stations.Roasting.handling_min",
    "suppliers.*.lead_d", "flow.*.transport_min", "buffers.Hopper.capacity_kg", "stations.Conching.hours.*",
    "storages.Beans.capacity_kg", "suppliers.*.moisture_sd", "costs.*", "power.shares.*",
)  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(SCALES), st.floats(0.6, 3.0), max_size=4)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "stations.Conching.machines": st.integers(1, 5),
        "calendar.shifts": st.sampled_from([["06-14"], ["06-14", "14-22"]]),
        "calendar.days": st.just(["Mon", "Tue", "Wed", "Thu", "Fri"]),
        "workforce.absence": st.floats(0.0, 0.4),
        "workforce.break_min": st.sampled_from([0, 90]),
        "acting_s.Unsuspending": st.just(0),
        "demand.stockout": st.just("lost"),
        "demand.partial": st.sampled_from(["never", "always"]),
        "suppliers.HafenKakao.short_share": st.floats(0.0, 0.9),
        "suppliers.HafenKakao.reject_share": st.floats(0.0, 0.9),
        "storages.MilkPowder.shelf_life_d": st.floats(0.5, 5.0),
        "products.White.shelf_life_d": st.floats(0.5, 5.0),
    },
)
PLACE = st.integers(0, 10**6)
CALM = settings(suppress_health_check=list(HealthCheck))


class PlantLife(RuleBasedStateMachine):
    """A plant as somebody planned it, in the hands of somebody who tries everything; an auditor watches every event."""

    @initialize(scale=CHANGES, put=SETTINGS, seed=st.integers(1, 10**6))
    def plan(self, scale: dict[str, float], put: dict[str, Any], seed: int) -> None:
        study = {"title": "Life", "plant": "p", "scenarios": {"A": {"set": put, "scale": scale}}}
        try:
            spec = parse_study(study, plant_data()).cases[1].spec
        except SpecError:
            assume(False)  # nobody can build such a plant
        self.auditor = Auditor(Plant(spec, seed))

    @property
    def plant(self) -> Plant:
        return self.auditor.plant

    def machine(self, place: int) -> str:
        names = list(self.plant.state.units)
        return names[place % len(names)]

    @rule(hours=st.floats(0.0, 12.0))
    def hours_pass(self, hours: float) -> None:
        self.plant.advance(self.plant.now + hours * HOUR)
        self.auditor.compare()

    @rule(days=st.floats(0.5, 3.0))
    def days_pass(self, days: float) -> None:
        self.plant.advance(self.plant.now + days * DAY)

    @rule(place=PLACE, which=PLACE)
    def something_breaks(self, place: int, which: int) -> None:
        """A part of a machine, or a sensor."""
        name = self.machine(place)
        faults = self.plant.faults()[name]
        self.attempt(lambda: self.plant.inject_fault(name, faults[which % len(faults)]))

    @rule(place=PLACE, command=st.sampled_from(Command))
    def a_button_is_pressed(self, place: int, command: Command) -> None:
        self.attempt(lambda: self.plant.command(self.machine(place), command.name))

    @rule(place=PLACE, mode=st.sampled_from(Mode))
    def the_key_switch_is_turned(self, place: int, mode: Mode) -> None:
        self.attempt(lambda: self.plant.set_mode(self.machine(place), mode.name))

    @rule(place=PLACE, share=st.floats(0.0, 1.2))
    def the_speed_is_set(self, place: int, share: float) -> None:
        self.attempt(lambda: self.plant.set_speed(self.machine(place), share))

    @rule(seed=st.integers(1, 10**6))
    def the_future_comes_otherwise(self, seed: int) -> None:
        """A look ahead leaves the present alone; from now on it is the plant."""
        present = copy.deepcopy(self.plant.state)
        other = self.plant.fork(seed)
        assert self.plant.state == present
        self.auditor.watch(other)

    @rule(hours=st.floats(0.1, 30.0))
    def the_computer_is_restarted(self, hours: float) -> None:
        """The restored plant lives the life that the saved one would have lived."""
        again = Plant.restore(self.plant.spec, self.plant.snapshot())
        until = self.plant.now + hours * HOUR
        expected = again.fork().advance(until)
        self.auditor.watch(again)
        assert again.advance(until) == expected

    def attempt(self, act: Any) -> None:
        """What is refused changes nothing."""
        before = self.plant.snapshot()
        try:
            self.auditor.act(act)
        except PlantError:
            assert self.plant.snapshot() == before


TestPlantLife = PlantLife.TestCase
TestPlantLife.settings = settings(CALM, max_examples=6, stateful_step_count=15)


@settings(CALM, max_examples=3)
@given(seed=st.integers(1, 10**6), day=st.floats(0.0, 9.0), fault=PLACE)
def test_a_plant_restarted_at_every_event_lives_the_life_of_one_that_runs_on(seed: int, day: float, fault: int) -> None:
    """Some hours with a machine broken; restarted as an event falls due, and just behind it."""
    whole = Plant(shipped(), seed)
    whole.advance(day * DAY)
    machine = list(whole.state.units)[fault % len(whole.state.units)]
    whole.inject_fault(machine, whole.faults()[machine][0])
    again, told, until = whole.fork(), [], whole.now + 1.5 * HOUR
    while again.now < until:
        event = min(entry.time for entry in again.state.agenda.entries.values())
        for stop in (event, math.nextafter(event, math.inf)):
            told += again.advance(min(stop, until))
            again = Plant.restore(again.spec, again.snapshot())
    assert told == whole.advance(until)
    assert again.state == whole.state
