"""How a sensor looks at the plant: what it may see, and the table row that describes it. Looking changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from plant_model.accounting import Counts, Performance, counted, counts, performance
from plant_model.activity import Activity
from plant_model.capacity import planned_seconds
from plant_model.costs import electricity, power
from plant_model.lazy import Lazy
from plant_model.spec import PlantSpec, Tank
from plant_model.state import Lot, PlantState, Unit
from plant_model.tally import progress

V = TypeVar("V")
F = TypeVar("F")
NONE = math.nan
"""A limit that is not there, or a value that nobody has yet."""
COARSE = 0.2
"""Noise from which on a second digit would say nothing."""
AMBIENT = 22.0
"""Air in the hall, °C, EST."""


class SignalType(Enum):
    """Types of values. An ENUM is a whole number with texts."""

    BOOLEAN = auto()
    UINT16 = auto()
    UINT32 = auto()
    UINT64 = auto()
    INT32 = auto()
    DOUBLE = auto()
    STRING = auto()
    DATETIME = auto()
    ENUM = auto()


class Quality(Enum):
    """What a value is worth."""

    GOOD = auto()
    SENSOR_FAILURE = auto()
    NOT_YET = auto()  # no value, and none from before
    OUT_OF_RANGE = auto()
    LAST_USABLE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor(Generic[V]):
    """One row: a tag, its facts, and how its true value follows from what it looks at."""

    group: str
    name: str
    value: Callable[[V], Any]
    description: str
    type: SignalType = SignalType.DOUBLE
    unit: str = ""  # UNECE common code
    low: float = NONE
    high: float = NONE
    enum: tuple[str, ...] = ()
    period_s: float = 1.0  # wall seconds
    noise: float = 0.0  # standard deviation of the reading, in the unit
    digits: int = 2  # resolution of the reading; DOUBLE only
    still: bool = False  # whether it changes by events alone, not with time between them

    @property
    def instrument(self) -> bool:
        """Whether a sensor measures it; the rest is counted or computed by the control system."""
        return self.type is SignalType.DOUBLE and (self.group == "Process" or self.noise > 0.0)


def process(  # noqa: PLR0913 - a row of a table
    name: str,
    unit: str,
    low: float,
    high: float,
    value: Callable[[View], float],
    description: str,
    *,
    period_s: float = 1.0,
    noise: float = 0.0,
    still: bool = False,
) -> Sensor[View]:
    """A row of the group Process; a noisy reading has one digit, a fine one two."""
    return Sensor(
        group="Process",
        name=name,
        unit=unit,
        low=low,
        high=high,
        value=value,
        description=description,
        period_s=period_s,
        noise=noise,
        digits=1 if noise >= COARSE else 2,
        still=still,
    )


def level(name: str, buffer: str, capacity: float, description: str, period_s: float = 5.0) -> Sensor[View]:
    """The content of a buffer in kg."""
    return Sensor(
        group="Process",
        name=name,
        value=lambda v: v.state.buffers[buffer].level,
        description=description,
        unit="KGM",
        low=0.0,
        high=capacity,
        period_s=period_s,
        still=True,
    )


def conveyor(buffer: str, tank: Tank) -> tuple[Sensor[View], Sensor[View]]:
    """What is on the conveyor to a buffer, and what of it stands at the end and waits."""
    facts: dict[str, Any] = {"group": "Process", "unit": "KGM", "low": 0.0, "period_s": 5.0, "still": True}
    facts["high"] = tank.capacity_kg + tank.conveyor_kg
    return (
        Sensor(
            name="ConveyorLoad",
            value=lambda v: v.state.buffers[buffer].moving,
            description="Mass on the conveyor to the next station",
            **facts,
        ),
        Sensor(
            name="ConveyorWaiting",
            value=lambda v: v.state.buffers[buffer].standing,
            description="Mass that stands at the end of the conveyor, as the bin is full",
            **facts,
        ),
    )


def counter(name: str, value: Callable[[View], int], description: str) -> Sensor[View]:
    """A count since the epoch."""
    return Sensor(group="Process", name=name, type=SignalType.UINT32, value=value, description=description, still=True)


class View:
    """A machine at a moment, as its sensors see it."""

    def __init__(self, spec: PlantSpec, state: PlantState, unit: Unit) -> None:
        now = state.agenda.now
        self.spec, self.state, self.unit, self.now = spec, state, unit, now
        self.activity = unit.activity
        self.on = 1.0 if unit.activity is Activity.Running else 0.0
        self.job = unit.job
        self.warmth = unit.warmth.at(now)
        self.done = progress(unit, now)  # share of the present phase
        self.electricity = electricity(spec, unit, now)  # kWh since the epoch
        self._found: dict[Callable[[View], Any], Any] = {}

    def once(self, value: Callable[[View], F]) -> F:
        """A value that several rows need, computed once."""
        if value not in self._found:
            self._found[value] = value(self)
        found: F = self._found[value]
        return found

    @property
    def lot(self) -> Lot | None:
        """The lot in work."""
        return self.job.lot if self.job else None

    @property
    def phase(self) -> str:
        """The present phase, "" without one."""
        return self.job.phase if self.job else ""

    @property
    def elapsed(self) -> float:
        """Seconds that the present phase has been worked on."""
        return self.done * self.job.duration if self.job else 0.0

    @property
    def left(self) -> float:
        """Seconds of work left in the present phase."""
        return (1.0 - self.done) * self.job.duration / self.unit.control.share if self.job else 0.0

    @property
    def product(self) -> str:
        """What the machine is (being) set up for; "" before its first product and where beans are worked."""
        return self.job.product if self.job and self.job.product in self.spec.products else self.unit.product

    @property
    def recipe_product(self) -> str:
        """The product by which closed forms are computed: the first of all before there is one."""
        return self.product or next(iter(self.spec.products))

    @property
    def power(self) -> float:
        """Electric power in kW."""
        return power(self.spec, self.unit)

    @property
    def load(self) -> float:
        """Power as a share of the rated one."""
        rated = self.spec.stations[self.unit.section].power_kw
        return self.power / rated if rated else 0.0

    @Lazy
    def total(self) -> Counts:
        """The machine's counters since the epoch."""
        return counts(self.unit, self.now)

    @Lazy
    def counts(self) -> Counts:
        """The same in the rolling window."""
        return self.total.since(counted(self.state.marks[0].tallies[self.unit.name]))

    @Lazy
    def performance(self) -> Performance:
        """KPIs in the rolling window."""
        return performance(self.counts, self.total)

    @property
    def design_speed(self) -> float:
        """Speed in kg/h at best with the present product."""
        return 3600.0 / planned_seconds(self.spec, self.unit.section, self.recipe_product)

    @property
    def speed(self) -> float:
        """Speed in kg/h now: the design speed, less what the present job is slower than planned."""
        slower = self.job.planned / self.job.duration if self.job else 1.0
        return self.design_speed * slower * self.on * self.unit.control.share

    @property
    def in_state(self) -> float:
        """Seconds in states like the present one since the epoch."""
        control = self.unit.control
        return control.states[control.state] + self.now - self.unit.since

    @property
    def in_mode(self) -> float:
        """Seconds in the present mode since the epoch."""
        control = self.unit.control
        return control.modes[control.mode] + self.now - self.unit.since

    @property
    def tool_hours(self) -> float:
        """Hours of operation of the present tools."""
        return (self.unit.tool_age + (self.now - self.unit.since) * self.on) / 3600.0

    def warmed(self, celsius: float) -> float:
        """°C of a part that is at `celsius` in operation."""
        return AMBIENT + (celsius - AMBIENT) * self.warmth

    def omen(self, fault: str, seconds: float) -> float:
        """How near a failure is: 0 until `seconds` of operation before it, rising to 1; 1 while it is repaired."""
        if self.unit.repair and self.unit.repair.fault == fault:
            return 1.0
        failure = self.unit.failures.get(fault)
        if failure is None:
            return 0.0
        remaining = failure.remaining - (self.now - self.unit.since) * self.on
        return ahead(remaining, seconds)


def ahead(remaining: float, seconds: float) -> float:
    """How near a failure is that comes after `remaining` seconds of operation: 0 … 1 in the last `seconds`."""
    return max(1.0 - remaining / seconds, 0.0)
