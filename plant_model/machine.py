"""What all machines do alike: work, wait, fail and be repaired, with every second booked to one activity."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Protocol

from plant_model.activity import MEANINGS, RESTS, SETUPS, Activity
from plant_model.bottleneck import moved, turned
from plant_model.floor import Floor
from plant_model.maintenance import Maintenance
from plant_model.packml import ALLOWED, FINISHES, WINDING_DOWN, Command, Mode, State, next_command
from plant_model.randomness import lognormal, time_to_failure
from plant_model.state import Failure, OrderStart, Repair, Unit, Wake
from plant_model.tally import packed
from plant_model.workers import Workers

Verdict = tuple[Activity, str]
"""What a machine does now, and who is to blame (or which fault it is)."""
COLD = frozenset(
    {Activity.Stopped, Activity.Breakdown, Activity.AwaitingRepair, Activity.Maintenance, Activity.Commanded}
)
"""Activities in which a machine cools down."""

ORDERS_KEPT = 8
"""Orders of which each machine keeps the books."""
RESTING = frozenset({State.Stopped, State.Idle, State.Complete})
"""States in which a minor stop is removed without going to Held."""


class Station(Protocol):
    """What the engine asks of a station."""

    def proceed(self, unit: Unit) -> Verdict:
        """End what is done, begin what can begin, and say what the machine does now."""
        ...


class Machines:
    """Runs the units of all stations."""

    def __init__(self, floor: Floor, stations: Mapping[str, Station]) -> None:
        self._floor = floor
        self._stations = stations
        self._acting_s = floor.spec.acting_s.by_state
        self._products = frozenset(floor.spec.products)
        self._workers = Workers(floor, self.decide)
        self._maintenance = Maintenance(floor, self._workers)
        floor.handlers["wake"] = self._wake
        floor.watchers.update({name: partial(self._look, unit) for name, unit in floor.state.units.items()})

    def open(self) -> None:
        """Plan the maintenance and let all decide, at the epoch."""
        self._maintenance.open()
        self.decide_all()

    def begin_shift(self, seconds: float) -> None:
        """Let the crews of a shift of this length come, or go home when the shop is closed."""
        self._workers.begin_shift(seconds)

    def decide_all(self) -> None:
        """Let every machine decide anew, the last of the line first: at the epoch and when the calendar changes."""
        for unit in reversed(self._floor.state.units.values()):
            self.decide(unit)

    def redraw(self) -> None:
        """Draw the time to the next failure anew for machines of their present age."""
        floor = self._floor
        for unit in floor.state.units.values():
            book(unit, floor.now)
            for fault, failure in unit.failures.items():
                mode = floor.spec.stations[unit.section].failures[fault]
                failure.remaining = time_to_failure(floor.stream(f"{unit.name}.{fault}.life"), mode, failure.age)
            self.decide(unit)

    def fail(self, unit: Unit, fault: str, repair_h: float | None = None) -> None:
        """Stop a machine by a fault and begin the repair, of so much work; it is drawn if not given."""
        floor, mode = self._floor, self._floor.spec.stations[unit.section].failures[fault]
        drawn = lognormal(floor.stream(f"{unit.name}.{fault}.repair"), mode.mttr_h * 3600.0, mode.cv)
        seconds = drawn if repair_h is None else repair_h * 3600.0
        life = time_to_failure(floor.stream(f"{unit.name}.{fault}.life"), mode)
        failure = unit.failures[fault]
        unit.failures[fault] = Failure(life, count=failure.count + 1, calendar=failure.calendar)
        if seconds < floor.spec.minor_stop_max_s:
            unit.ledger.minor_stops += 1
            unit.repair = Repair(fault, Activity.MinorStop, seconds)
        else:
            unit.repair = Repair(fault, Activity.Breakdown, seconds, mode.skill)
            self._break_down(unit, fault)
        self.decide(unit)

    def command(self, unit: Unit, command: Command) -> None:
        """Carry out a command that the state takes: the machine acts on it, and stays where the operator led it."""
        book(unit, self._floor.now)
        acting = ALLOWED[command][1]
        reached = FINISHES[acting]
        unit.control.kept = None if reached is State.Execute else reached
        self._enter(unit, acting)
        self._floor.clock.note()
        self.decide(unit)

    def set_mode(self, unit: Unit, mode: Mode) -> None:
        """Change the mode; outside Produce the machine is the operator's and waits for commands afterwards."""
        control, now = unit.control, self._floor.now
        book(unit, now)
        control.mode, control.mode_entered = mode, now
        control.kept = control.state
        self._floor.clock.note()
        self.decide(unit)

    def set_speed(self, unit: Unit, share: float) -> None:
        """Run at a share of the design speed from now on."""
        book(unit, self._floor.now)
        unit.control.share = share
        self._floor.clock.note()
        self.decide(unit)

    def decide(self, unit: Unit) -> None:
        """Let a machine find out what to do, go on towards it, and say when it will decide again."""
        now = self._floor.now
        book(unit, now)
        self._follow(unit, self._verdict(unit), now)

    def _follow(self, unit: Unit, verdict: Verdict, now: float) -> None:
        """Take what was found for the goal, in place of the one before."""
        if unit.wake is not None:
            self._floor.clock.cancel(unit.wake.entry)
        unit.control.goal, unit.control.reason = verdict
        self._pursue(unit, now)
        self._note_order(unit, now)

    def _pursue(self, unit: Unit, now: float) -> None:
        """Go on towards what was decided, and say when the machine will decide again."""
        target = aim(unit)
        self._move(unit, target)
        self._turn(unit, target, now)
        unit.wake = self._arm(unit)

    def _note_order(self, unit: Unit, now: float) -> None:
        """Begin a new order in the books of a machine that turns to another product."""
        job, orders = unit.job, unit.orders
        product = job.product if job is not None and job.product in self._products else unit.product
        if not orders or orders[-1].product != product:
            unit.orders = [*orders[1 - ORDERS_KEPT :], OrderStart(product, now, packed(unit, now))]

    def _break_down(self, unit: Unit, fault: str) -> None:
        unit.ledger.breakdowns += 1
        self._workers.call(unit)
        if unit.control.kept is not None:
            unit.control.kept = State.Aborted
        fields = {"Station": unit.station, "Unit": unit.name, "Fault": fault}
        self._floor.tell("machine_failure", self._floor.path(unit), f"{unit.name} stopped: {fault}", 700, **fields)

    def _look(self, unit: Unit) -> None:
        """Decide again, unless the machine is in the middle of something or finds nothing new."""
        job, control, now = unit.job, unit.control, self._floor.now
        if (job is not None and job.remaining > 0.0) or unit.repair is not None or control.goal is Activity.Stopped:
            return
        book(unit, now)
        verdict = self._verdict(unit)
        if unit.job is not job or verdict != (control.goal, control.reason):
            self._follow(unit, verdict, now)

    def _verdict(self, unit: Unit) -> Verdict:
        if not self._floor.state.open and unit.station not in self._floor.spec.calendar.unattended:
            return Activity.Stopped, ""
        if unit.repair is not None:
            return Activity.AwaitingRepair if unit.repair.waits else unit.repair.activity, unit.repair.fault
        lacking = self._workers.lacking(unit.station)
        if lacking is not None:
            return lacking, "Operator"
        if unit.control.kept is not None:
            idle = self._floor.state.campaign.waiting == "Order"
            return (Activity.NoOrder, "") if idle else (Activity.Commanded, "Operator")
        return self._stations[unit.section].proceed(unit)

    def _move(self, unit: Unit, target: State) -> None:
        """Go the legal way towards a state, until an acting state takes its time."""
        control = unit.control
        while control.state is not target:
            command = next_command(control.state, target)
            if command is not None:
                self._enter(unit, ALLOWED[command][1])
            elif control.state in FINISHES and control.acting == 0.0:
                self._enter(unit, FINISHES[control.state])
            else:
                return

    def _enter(self, unit: Unit, state: State) -> None:
        control, now = unit.control, self._floor.now
        control.state, control.entered = state, now
        control.acting = self._acting_s[state]
        if state is State.Resetting:
            control.reset, control.counted = now, (unit.ledger.processed, unit.ledger.defective)

    def _turn(self, unit: Unit, target: State, now: float) -> None:
        """Book to another activity and mode from now on, when the machine has one."""
        before, control = unit.activity, unit.control
        unit.activity, unit.culprit = present(unit, target)
        if unit.activity is not before:
            unit.fresh |= before in SETUPS or before is Activity.Breakdown
            unit.warmth.turn(now, 0.0 if unit.activity in COLD else 1.0)
            if turned(unit, now):
                moved(self._floor.state.bottleneck, self._floor.state.units.values(), unit, now)
        mode = mode_of(unit)
        if mode is not control.mode:
            control.mode, control.mode_entered = mode, now

    def _arm(self, unit: Unit) -> Wake | None:
        end = next_end(unit)
        if end is None:
            return None
        delay, reason = end
        return Wake(self._floor.clock.schedule(max(delay, 0.0), "wake", unit.name), reason)

    def _wake(self, name: str) -> None:
        unit, now = self._floor.state.units[name], self._floor.now
        assert unit.wake is not None  # the agenda entry is the wake
        reason, unit.wake = unit.wake.reason, None
        book(unit, now)
        if reason == "state":
            unit.control.acting = 0.0
            self._pursue(unit, now)
        elif reason == "repair":
            self._end_repair(unit)
            self.decide(unit)
        elif reason == "job" and unit.job is not None:
            unit.job.remaining = 0.0
            self.decide(unit)
        else:
            self.fail(unit, reason)

    def _end_repair(self, unit: Unit) -> None:
        repair, unit.repair = unit.repair, None
        assert repair is not None  # it has just ended
        if repair.activity is Activity.Maintenance:
            self._maintenance.end(unit)
        if repair.technician:
            self._workers.release(repair.technician)


def aim(unit: Unit) -> State:
    """The state that a machine is to reach: the operator's, else that of its goal; a broken one stays in Aborted."""
    control, repair = unit.control, unit.repair
    if control.kept is not None:
        return control.kept
    if repair is not None and repair.activity is Activity.Breakdown:
        return State.Aborted
    if repair is not None and control.state in RESTING:
        return control.state
    return MEANINGS[control.goal].state


def present(unit: Unit, target: State) -> Verdict:
    """What the present second is booked to, while the machine is to reach a state.

    On the way to a stop it is the stop, on the way back still the stop. Resetting and starting after a rest are a
    start-up.
    """
    control = unit.control
    if control.state is target or (control.state in WINDING_DOWN and target is not State.Execute):
        return control.goal, control.reason
    if unit.activity in RESTS and control.state in (State.Resetting, State.Starting):
        return Activity.StartUp, ""
    return unit.activity, unit.culprit


def mode_of(unit: Unit) -> Mode:
    """The operator's mode while the machine is the operator's, else Maintenance while it is repaired."""
    if unit.control.kept is not None:
        return unit.control.mode
    repair = unit.repair
    return Mode.Maintenance if repair is not None and repair.technician else Mode.Produce


def book(unit: Unit, now: float) -> None:
    """Book the time since the last booking to activity, state and mode; let work, repair and wear go on by it."""
    elapsed, control = now - unit.since, unit.control
    if elapsed <= 0.0:
        return
    unit.since = now
    unit.times[unit.activity] += elapsed
    control.states[control.state] += elapsed
    control.modes[control.mode] += elapsed
    if control.acting:
        control.acting = max(control.acting - elapsed, 0.0)
    if unit.culprit:
        key = int(unit.activity), unit.culprit
        unit.losses[key] = unit.losses.get(key, 0.0) + elapsed
    _go_on(unit, elapsed)


def _go_on(unit: Unit, elapsed: float) -> None:
    """Let the work, the repair and the wear of a machine go on."""
    job, repair = unit.job, unit.repair
    if job is not None and job.activity is unit.activity:
        job.remaining = max(job.remaining - elapsed * unit.pace, 0.0)
    if repair is not None and repair.activity is unit.activity:
        repair.remaining = max(repair.remaining - elapsed, 0.0)
        unit.ledger.repair_s += elapsed * (repair.activity is Activity.Breakdown)
        unit.ledger.maintenance_s += elapsed * (repair.activity is Activity.Maintenance)
    running = unit.activity is Activity.Running
    if running:
        unit.tool_age += elapsed
    for failure in unit.failures.values():
        if running or failure.calendar:
            failure.remaining -= elapsed
            failure.age += elapsed


def next_end(unit: Unit) -> tuple[float, str] | None:
    """When the present activity or state ends by itself, and by what; None when it waits for others."""
    job, repair, activity = unit.job, unit.repair, unit.activity
    ends: list[tuple[float, str]] = []
    if unit.control.acting > 0.0:
        ends.append((unit.control.acting, "state"))
    if job is not None and job.activity is activity:
        ends.append((job.remaining / unit.pace, "job"))
    if repair is None:
        running = activity is Activity.Running
        for fault, life in unit.failures.items():
            if running or life.calendar:
                ends.append((life.remaining, fault))
    elif repair.activity is activity:
        ends.append((repair.remaining, "repair"))
    return min(ends, default=None)
