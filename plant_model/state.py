"""Everything that changes: one tree of plain dataclasses, picklable and comparable. Times s, masses kg, money EUR."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto

from plant_model.activity import ACTIVITIES, Activity
from plant_model.clock import Agenda
from plant_model.control_chart import Chart
from plant_model.events import PlantEvent
from plant_model.ledgers import Labour, Spread, Turnover
from plant_model.packml import Mode, State
from plant_model.randomness import Streams
from plant_model.trade import Delivery, Purchases, Sales, Store, Weather
from plant_model.warmth import Warmth

ROUNDING_KG = 1e-6
"""Below this a mass is nothing."""


@dataclass(slots=True)
class Lot:
    """Material that belongs together: raw, in process or packed."""

    id: str
    material: str  # a raw material, "Liquor", or a product
    mass: float
    made: float  # plant time
    moisture: float = 0.0  # %
    foreign: float = 0.0  # % foreign matter
    price: float = 0.0  # EUR/kg at purchase
    cases: int = 0  # packed lots only
    sources: tuple[tuple[str, float], ...] = ()  # lots it was made from, with the mass of each
    expires: float = math.inf  # age of its store, in seconds of good storage, at which it must go
    fineness: float = 0.0  # D90 in um, 0 before it is ground
    temper: float = 0.0  # temper index, 0 before it is tempered
    shell: float = 0.0  # % in the nib, the liquor or the batch
    thickness: float = 0.0  # viscosity of the conched mass, by the usual one; 0 before it is conched
    metal: float = 0.0  # share of the lot at which metal is found, 0 when there is none
    mix: dict[str, float] = field(default_factory=dict)  # share by ingredient as dosed


def mass_of(lots: Iterable[Lot]) -> float:
    """Their mass together. A loop: there are few, and it is asked all the time."""
    mass = 0.0
    for lot in lots:
        mass += lot.mass
    return mass


@dataclass(slots=True)
class Record:
    """What is remembered of a lot."""

    material: str
    made: float
    mass: float  # when it was made
    sources: tuple[tuple[str, float], ...]
    cases: int = 0
    given: float = 0.0  # kg that went into other lots
    shipped: tuple[tuple[str, str, int], ...] = ()  # order, customer, cases

    def __reduce__(self) -> tuple[type[Record], tuple[object, ...]]:
        """Pickle in a row: there are thousands."""
        return Record, (self.material, self.made, self.mass, self.sources, self.cases, self.given, self.shipped)


@dataclass(slots=True)
class Buffer:
    """A store, tank, bin or conche vessel: lots in the order in which they leave, first expired and first in first."""

    name: str
    capacity: float
    upstream: tuple[str, ...] = ()  # who fills it, and looks again when something has left
    downstream: tuple[str, ...] = ()  # who draws from it, and looks again when something has come
    lots: list[Lot] = field(default_factory=list)
    transit: list[Lot] = field(default_factory=list)  # on the conveyor towards it
    reserved: dict[str, float] = field(default_factory=dict)  # room kept, by lot id
    conveyor: float = 0.0  # kg that may wait at the end of the conveyor; 0 for a pipe, room is kept for all in it
    arrived: int = 0  # lots that stand there

    @property
    def level(self) -> float:
        """Mass that is inside."""
        return mass_of(self.lots)

    @property
    def room(self) -> float:
        """Mass that may still be sent or reserved; it may have to wait on the conveyor."""
        return self.capacity + self.conveyor - mass_of(self.lots) - mass_of(self.transit) - sum(self.reserved.values())

    @property
    def moving(self) -> float:
        """Mass on the conveyor, what stands at its end included."""
        return mass_of(self.transit)

    @property
    def standing(self) -> float:
        """Mass that stands at the end of the conveyor, as there is no room."""
        return mass_of(self.transit[: self.arrived])

    def fits(self, mass: float) -> bool:
        """Whether this mass may come; rounding is forgiven."""
        return self.room > mass - ROUNDING_KG

    @property
    def cases(self) -> int:
        """Packed cases that are inside."""
        return sum([lot.cases for lot in self.lots])

    @property
    def product(self) -> str:
        """What is in it or comes to it; "" when empty and unclaimed."""
        if self.lots or self.transit:
            return (self.lots or self.transit)[0].material
        return ""


@dataclass(slots=True)
class Job:
    """A phase of work on a lot, or a setup without one. `planned` is the ideal time of the phase."""

    phase: str
    activity: Activity
    product: str
    duration: float
    remaining: float
    planned: float = 0.0
    lot: Lot | None = None
    target: str = ""  # the buffer that is filled or reserved


@dataclass(slots=True)
class Failure:
    """The life of one failure mode, on the operating clock."""

    remaining: float  # until the next failure
    age: float = 0.0  # since the last one
    count: int = 0
    calendar: bool = False  # its clock is the calendar


@dataclass(slots=True)
class Repair:
    """A stop that is being ended: a minor one by the operator, a breakdown or maintenance by a technician."""

    fault: str
    activity: Activity
    remaining: float
    skill: str = ""  # that it needs; "" is the operator's
    technician: str = ""  # the role that is at work; "" while it waits for one

    @property
    def waits(self) -> bool:
        """Whether nobody is at it who can do it."""
        return bool(self.skill) and not self.technician


@dataclass(slots=True)
class Wake:
    """The agenda entry that ends the present activity, and what it will be the end of."""

    entry: int
    reason: str  # "state", "job", "repair" or a failure mode


@dataclass(slots=True)
class Ledger:
    """What went through a machine since the epoch."""

    taken: float = 0.0
    doses: dict[str, float] = field(default_factory=dict)  # … by material, where there are several
    made: float = 0.0
    waste: dict[str, float] = field(default_factory=dict)  # by kind: left the plant here
    processed: float = 0.0  # kg of finished jobs
    defective: float = 0.0
    earned: float = 0.0  # ideal seconds of what was processed (sum of PRI x PQ)
    lost: float = 0.0  # ideal seconds of what was defective (sum of PRI x SQ)
    start_up_lost: float = 0.0  # … the part of it that was made first after a setup or start-up
    rejects: dict[str, int] = field(default_factory=dict)  # pieces by cause
    minor_stops: int = 0
    breakdowns: int = 0
    reworked: float = 0.0  # kg sent back to be made into something again
    repair_s: float = 0.0  # of technicians at breakdowns
    maintenance_s: float = 0.0  # … and at planned maintenance


@dataclass(slots=True)
class Control:
    """The PackML side of a machine: state, mode, where it is to go, and the seconds in each state and mode."""

    state: State = State.Idle
    goal: Activity = Activity.NoOrder  # what it does as soon as its state lets it
    reason: str = ""  # the culprit of the goal
    acting: float = 0.0  # seconds left in the present acting state
    entered: float = 0.0  # when it came into its state
    kept: State | None = None  # the operator keeps it there
    mode: Mode = Mode.Produce
    mode_entered: float = 0.0
    share: float = 1.0  # of the design speed, as the operator set it
    reset: float = 0.0  # when it was reset last
    counted: tuple[float, float] = (0.0, 0.0)  # kg that it had processed then, and of these in vain
    states: list[float] = field(default_factory=lambda: [0.0] * len(State))
    modes: list[float] = field(default_factory=lambda: [0.0] * len(Mode))


@dataclass(slots=True)
class OrderStart:
    """When a machine turned to a product, with its packed row."""

    product: str
    time: float
    row: bytes


@dataclass(slots=True)
class Unit:
    """One machine."""

    name: str
    station: str
    section: str = ""  # whose equipment it is and by whose rules it works; that of its station if not given
    activity: Activity = Activity.NoOrder  # what its time is booked to
    culprit: str = ""  # who starves or blocks it, or the fault
    control: Control = field(default_factory=Control)
    since: float = 0.0  # up to here everything is booked
    times: list[float] = field(default_factory=lambda: [0.0] * len(ACTIVITIES))
    losses: dict[tuple[int, str], float] = field(default_factory=dict)  # s by activity and culprit, where there is one
    failures: dict[str, Failure] = field(default_factory=dict)
    repair: Repair | None = None
    job: Job | None = None
    due: bool = False  # planned maintenance
    active: float | None = None  # since when it does not wait; None while it waits
    orders: list[OrderStart] = field(default_factory=list)  # the last ones, the present one last
    wake: Wake | None = None
    product: str = ""  # what it is set up for
    lot: str = ""  # the last lot it had
    fresh: bool = True  # a setup or start-up has ended since the last lot was begun
    first: bool = False  # the lot in work is the first one after it
    tool_age: float = 0.0  # seconds of operation since its tools were new
    open_cases: dict[str, float] = field(default_factory=dict)  # kg by lot of pieces that do not fill a case yet
    warmth: Warmth = field(default_factory=Warmth)
    chart: Chart | None = None  # of what it makes, where one is kept
    ledger: Ledger = field(default_factory=Ledger)

    def __post_init__(self) -> None:
        """Most machines are their station's own."""
        self.section = self.section or self.station

    @property
    def state(self) -> State:
        """Its PackML state."""
        return self.control.state

    @property
    def pace(self) -> float:
        """Seconds of work done in a second: the share of the design speed while it runs."""
        return self.control.share if self.activity is Activity.Running else 1.0

    @property
    def loose(self) -> float:
        """Mass in kg of the pieces that do not fill a case yet."""
        return sum(self.open_cases.values())


@dataclass(slots=True)
class Crew:
    """The people of a role in the present shift."""

    here: int = 0
    resting: int = 0
    busy: int = 0  # technicians at machines

    @property
    def free(self) -> int:
        """Who could go to a machine; who is at one finishes it before his break."""
        return max(self.here - self.resting - self.busy, 0)


@dataclass(slots=True)
class Campaign:
    """What the line makes now: product, conche loads begun, batches left in the present load."""

    product: str = ""  # of the last campaign while the line waits
    loads: int = 0
    batches_left: int = 0
    waiting: str = ""  # "Order" or "Material" while there is nothing to make


@dataclass(slots=True)
class Money:
    """EUR booked as they arise; the rest follows from times and counts."""

    purchased: float = 0.0  # material that was unloaded, first stocks included
    material: float = 0.0  # … of which used
    scrapped: float = 0.0  # … of which in scrap, at standard cost
    written_off: float = 0.0  # … of the purchased which expired
    ordering: float = 0.0
    holding: float = 0.0
    backorders: float = 0.0
    gas_kwh: float = 0.0


@dataclass(slots=True)
class Books:
    """Totals of the plant."""

    delivered_mass: float = 0.0  # first stocks included
    absorbed_mass: float = 0.0  # water that stored material took from the air, less what it gave
    written_off_mass: float = 0.0  # expired
    good_cases: int = 0
    good_mass: float = 0.0
    earned: float = 0.0  # ideal seconds of the constraint for what came to the end of the line
    lost: float = 0.0  # … and for what was defective there
    opened: float = 0.0  # seconds that the calendar was open, up to `since`
    since: float = 0.0
    money: Money = field(default_factory=Money)


@dataclass(slots=True)
class Mark:
    """The counters as they stood at a full hour: the start of a rolling window."""

    time: float
    line: tuple[float, ...]
    tallies: dict[str, bytes]  # packed rows of all that a machine counts
    turnover: Turnover
    measured: dict[str, Spread]


@dataclass(slots=True)
class Stamp:
    """The packed rows of all machines, and the counters of the plant, at the begin of a shift."""

    time: float
    label: str
    units: dict[str, bytes]
    turnover: Turnover
    measured: dict[str, Spread]


@dataclass(slots=True)
class Bottleneck:
    """The machine that is active for longest without waiting, since when it is that, and seconds as that by machine."""

    unit: str = ""
    since: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)


class Defect(Enum):
    """How a sensor fails."""

    Stuck = auto()  # shows the reading it had
    Drift = auto()  # goes wrong slowly
    Noise = auto()  # a bad contact
    Dead = auto()  # no signal


@dataclass(slots=True)
class SensorFault:
    """What is wrong with a sensor, since when, and what it showed then."""

    kind: Defect
    since: float
    reading: float


@dataclass(slots=True)
class PlantState:
    """The plant."""

    agenda: Agenda
    streams: Streams
    units: dict[str, Unit]
    buffers: dict[str, Buffer]
    open: bool = True
    crews: dict[str, Crew] = field(default_factory=dict)  # by role
    labour: dict[str, Labour] = field(default_factory=dict)  # by role
    measured: dict[str, Spread] = field(default_factory=dict)  # by quality
    queue: list[str] = field(default_factory=list)  # machines that wait for a technician
    shifts: list[Stamp] = field(default_factory=list)  # the begin of the present shift last
    bottleneck: Bottleneck = field(default_factory=Bottleneck)
    campaign: Campaign = field(default_factory=Campaign)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    sales: dict[str, Sales] = field(default_factory=dict)
    purchases: dict[str, Purchases] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    weather: Weather = field(default_factory=Weather)
    checked: float = 0.0  # when the stores were inspected last
    books: Books = field(default_factory=Books)
    marks: list[Mark] = field(default_factory=list)
    serial: int = 0  # the last number given to a lot, order or delivery
    events: list[PlantEvent] = field(default_factory=list)  # not yet told
    lots: dict[str, Record] = field(default_factory=dict)  # by id, in the order in which they were made
    sensor_faults: dict[str, SensorFault] = field(default_factory=dict)  # by node
