"""Whatever is changed, commanded or breaks, for weeks: mass, time and money balance after every event."""

from __future__ import annotations

import copy
import math
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from support_plant import DAY, HOUR, assert_paid, assert_sound, plant_data

from plant_model.accounting import counts, performance
from plant_model.packml import ALLOWED, FINISHES, Command, Mode, State
from plant_model.plant import Plant, PlantError
from plant_model.scenario import parse_study
from plant_model.state import Unit

SCALES = (
    "demand.classes.*.per_day", "stations.*.failures.*.mtbf_h", "stations.*.failures.*.mttr_h",
    "stations.Moulding.rate_kg_h", "stations.Tempering.rate_kg_h", "stations.Roasting.handling_min",
    "suppliers.*.lead_d", "flow.*.transport_min", "buffers.Hopper.capacity_kg", "stations.Conching.hours.*",
)  # fmt: skip
CHANGES = st.dictionaries(st.sampled_from(SCALES), st.floats(0.6, 3.0), max_size=4)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "stations.Conching.machines": st.integers(1, 5),
        "calendar.shifts": st.sampled_from([["06-14"], ["06-14", "14-22"]]),
        "calendar.days": st.just(["Mon", "Tue", "Wed", "Thu", "Fri"]),
        "workforce.absence": st.floats(0.0, 0.4),
    },
)
LEGAL = {(state, ALLOWED[command][1]) for command in Command for state in ALLOWED[command][0]} | set(FINISHES.items())
PLACE = st.integers(0, 10**6)


class PlantLife(RuleBasedStateMachine):
    """A changed plant under the hands of somebody who tries everything."""

    @initialize(scale=CHANGES, put=SETTINGS, seed=st.integers(1, 10**6))
    def build(self, scale: dict[str, float], put: dict[str, Any], seed: int) -> None:
        changed = {"set": put, "scale": scale}
        study = parse_study({"title": "Life", "plant": "p", "scenarios": {"A": changed}}, plant_data())
        self.watch(Plant(study.cases[1].spec, seed))

    def watch(self, plant: Plant) -> None:
        """Look at each change of state that a machine makes."""
        self.plant = plant
        enter = plant._machines._enter

        def checked(unit: Unit, state: State) -> None:
            assert (unit.state, state) in LEGAL, f"{unit.name}: {unit.state.name} to {state.name}"
            enter(unit, state)

        plant._machines._enter = checked  # type: ignore[method-assign]

    def unit(self, place: int) -> str:
        names = list(self.plant.state.units)
        return names[place % len(names)]

    @rule(days=st.floats(0.01, 0.4))
    def live(self, days: float) -> None:
        """Event by event."""
        plant, until = self.plant, self.plant.now + days * DAY
        while plant.now < until:
            event = min(entry.time for entry in plant.state.agenda.entries.values())
            plant.advance(min(math.nextafter(event, math.inf), until))
            self.check()

    @rule(weeks=st.floats(0.2, 1.0))
    def pass_weeks(self, weeks: float) -> None:
        """Hour by hour."""
        plant, until = self.plant, self.plant.now + weeks * 7 * DAY
        while plant.now < until:
            plant.advance(min(plant.now + 6 * HOUR, until))
            self.check()

    @rule(place=PLACE, which=PLACE)
    def fail(self, place: int, which: int) -> None:
        name = self.unit(place)
        faults = self.plant.faults()[name]
        self.attempt(lambda: self.plant.inject_fault(name, faults[which % len(faults)]))

    @rule(place=PLACE, command=st.sampled_from(Command))
    def command(self, place: int, command: Command) -> None:
        self.attempt(lambda: self.plant.command(self.unit(place), command.name))

    @rule(place=PLACE, mode=st.sampled_from(Mode))
    def mode(self, place: int, mode: Mode) -> None:
        self.attempt(lambda: self.plant.set_mode(self.unit(place), mode.name))

    @rule(place=PLACE, share=st.floats(0.0, 1.2))
    def speed(self, place: int, share: float) -> None:
        self.attempt(lambda: self.plant.set_speed(self.unit(place), share))

    @rule(seed=st.integers(1, 10**6))
    def meet_another_future(self, seed: int) -> None:
        present = copy.deepcopy(self.plant.state)
        other = self.plant.fork(seed)
        assert self.plant.state == present
        self.watch(other)

    @rule(hours=st.floats(0.1, 30.0))
    def be_saved_and_restored(self, hours: float) -> None:
        """The restored plant lives the same life."""
        again = Plant.restore(self.plant.spec, self.plant.snapshot())
        until = self.plant.now + hours * HOUR
        assert again.advance(until) == self.plant.advance(until)
        assert again.state == self.plant.state
        self.watch(again)

    def attempt(self, act: Any) -> None:
        """What is refused changes nothing."""
        before = self.plant.snapshot()
        try:
            act()
        except PlantError:
            assert self.plant.snapshot() == before
        self.check()

    def check(self) -> None:
        assert_sound(self.plant)
        assert_paid(self.plant)
        for unit in self.plant.state.units.values():
            c = counts(unit, self.plant.now)
            p = performance(c)
            if c.apt > 0.0 and c.earned > 0.0:
                product = p.availability * p.effectiveness * p.quality
                assert math.isclose(product, (c.earned - c.lost) / c.pbt, rel_tol=1e-9, abs_tol=1e-12), unit.name


TestPlantLife = PlantLife.TestCase
TestPlantLife.settings = settings(
    max_examples=10, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
