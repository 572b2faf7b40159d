"""Small lines of test stations on the plant's own clock, machines, failures, buffers and flow, for queueing theory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Self

from support_plant import HOUR, plant_data

from plant_model import flow, snapshot
from plant_model.activity import Activity
from plant_model.clock import Agenda
from plant_model.equipment import Equipment, FailureMode, Triangular
from plant_model.floor import Floor
from plant_model.machine import Machines, Verdict
from plant_model.plant import new_unit
from plant_model.randomness import Streams, exponential
from plant_model.spec import Calendar, PlantSpec, parse
from plant_model.state import Buffer, Crew, Job, Lot, PlantState, Unit
from plant_model.stations.base import Workplace

EXIT = "Exit"
ENDLESS = 1e15
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Bench:
    """A test station: mean hours a part, room in front of it (parts), failures; with a rate, parts arrive by chance."""

    hours: float
    room: float = math.inf
    failures: tuple[tuple[str, FailureMode], ...] = ()
    random: bool = True  # exponential times, else constant
    vessel: bool = False  # the part stays in the room in front while it is worked on, as in a conche: no buffer at all


class BenchPlace(Workplace):
    """Takes a part from the buffer in front, works, and puts it into the next buffer when there is room."""

    def __init__(self, floor: Floor, name: str, bench: Bench, outlet: str) -> None:
        super().__init__(floor, name)
        self.bench, self.outlet = bench, outlet

    def planned(self, product: str) -> float:
        return self.bench.hours * HOUR

    def begin(self, unit: Unit) -> Verdict | None:
        inlet = self.floor.buffer(self.name)
        lot = next(iter(inlet.lots), None) if self.bench.vessel else self.take_in(unit, self.name, 1.0, "Part")
        if lot is None:
            return Activity.Starved, ""
        seconds = self.bench.hours * HOUR
        if self.bench.random:
            seconds = exponential(self.floor.stream(f"{self.name}.work"), seconds)
        job = self.start(unit, "Work", seconds, lot, self.bench.hours * HOUR)
        job.lot = None if self.bench.vessel else lot
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        if not self.floor.buffer(self.outlet).fits(1.0):
            return Activity.Blocked, self.outlet
        lot = self.take_in(unit, self.name, 1.0, "Part") if job.lot is None else job.lot
        assert lot is not None
        assert self.pass_on(unit, lot, self.outlet, {})
        return None


@cache
def line_spec(benches: tuple[tuple[str, Bench], ...]) -> PlantSpec:
    """The shipped plant's spec with these stations in it, open all hours; acting states of machines take no time."""
    data = plant_data()
    data["acting_s"] = dict.fromkeys(data["acting_s"], 0)
    spec = parse(data)
    return replace(
        spec,
        stations={name: Equipment(power_kw=1.0, failures=dict(bench.failures)) for name, bench in benches},  # type: ignore[arg-type]
        calendar=Calendar(shifts=("00-24",), days=DAYS),
        time_factor=Triangular(low=1.0, mode=1.0, high=1.0),
        flow={name: replace(spec.flow["Mixing"], transport_min=0.0) for name, _ in benches},
        minor_stop_max_s=0.0,
    )


class Line:
    """A line of test stations in the order of the mapping; parts without end, or `per_hour` arriving by chance."""

    def __init__(
        self,
        benches: Mapping[str, Bench],
        seed: int,
        *,
        per_hour: float = 0.0,
        state: PlantState | None = None,
    ) -> None:
        self.benches, self.per_hour = benches, per_hour
        self.spec = line_spec(tuple(benches.items()))
        self.state = state or _new_state(self.spec, benches, seed, endless=per_hour == 0.0)
        self.floor = floor = Floor(self.spec, self.state)
        names = [*benches, EXIT]
        places = {name: BenchPlace(floor, name, benches[name], names[i + 1]) for i, name in enumerate(benches)}
        self.machines = Machines(floor, places)
        floor.watchers[EXIT] = self._leave
        floor.handlers["part"] = self._arrive
        floor.handlers.update({name: partial(self._settled, handler) for name, handler in floor.handlers.items()})
        self.left = 0
        self.area = 0.0  # part-hours in the system so far
        self._changed = 0.0
        self.stays: list[float] = []  # hours that parts stayed
        self._begun: dict[str, float] = {}
        if state is None:
            self._open()

    @property
    def now(self) -> float:
        return self.state.agenda.now

    def advance(self, until: float) -> None:
        self.floor.clock.run(until)
        self.state.events.clear()
        self.state.lots.clear()  # nobody asks for the origin of test parts

    def fork(self, seed: int) -> Self:
        """As Plant.fork: a copy whose machines live on from their age with lives drawn anew."""
        state = snapshot.copy(self.state)
        copy = type(self)(self.benches, seed, per_hour=self.per_hour, state=state)
        copy.left = self.left
        state.streams = Streams(seed)
        copy.machines.redraw()
        copy.floor.settle()
        return copy

    def _open(self) -> None:
        if self.per_hour:
            self._await_part()
        self._age()
        self.machines.decide_all()
        self.floor.settle()

    def _settled(self, handler: Callable[[str], None], argument: str) -> None:
        handler(argument)
        self.floor.settle()

    def _await_part(self) -> None:
        self.floor.clock.schedule(exponential(self.floor.stream("arrival"), HOUR / self.per_hour), "part")

    def _arrive(self, _: str) -> None:
        first = next(iter(self.benches))
        self._count()
        part = Lot(self.floor.number("Part"), "Part", 1.0, self.now)
        self._begun[part.id] = self.now
        self.floor.put(part, first)
        self._await_part()

    def _age(self) -> None:
        """Begin in the middle of the machines' lives, each at another age."""
        for name, unit in self.state.units.items():
            for fault, failure in unit.failures.items():
                failure.remaining *= float(self.floor.stream(f"{name}.{fault}.age").random())

    def _leave(self) -> None:
        for lot in flow.take_all(self.floor.buffer(EXIT)):
            self._count()
            self.left += 1
            if self.per_hour:  # a line of one station keeps the part's own number among the sources
                self.stays.append((self.now - self._begun.pop(lot.sources[0][0])) / HOUR)

    def _count(self) -> None:
        self.area += len(self._begun) * (self.now - self._changed) / HOUR
        self._changed = self.now


def _new_state(spec: PlantSpec, benches: Mapping[str, Bench], seed: int, *, endless: bool) -> PlantState:
    streams, names = Streams(seed), list(benches)
    buffers = {
        name: Buffer(name, benches[name].room, tuple(names[max(i - 1, 0) : i]), (name,)) for i, name in enumerate(names)
    }
    buffers[EXIT] = Buffer(EXIT, math.inf, downstream=(EXIT,))
    if endless:
        buffers[names[0]] = Buffer(names[0], math.inf, lots=[Lot("Endless", "Part", ENDLESS, 0.0)])
    units = {name: new_unit(spec, streams, name, name) for name in names}
    return PlantState(
        agenda=Agenda(), streams=streams, units=units, buffers=buffers, sales={}, crews={"Technician": Crew(100)}
    )
