"""What must hold in a plant at every moment, whatever has happened to it."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

from plant_model.accounting import (
    Counts,
    Performance,
    counted,
    counts,
    imbalance,
    line,
    line_performance,
    performance,
    plant_imbalance,
    together,
)
from plant_model.activity import Activity
from plant_model.capacity import constraint
from plant_model.clock import Agenda
from plant_model.machine import next_end
from plant_model.packml import State
from plant_model.plant import Plant
from plant_model.state import Buffer, PlantState, Unit
from plant_model.trade import Sales

EXACT = 1e-9
"""Rounding, as a share."""
ROUNDING = 1e-5
"""kg or s that may be missing by rounding."""
ALWAYS = ("mark", "shift", "inspection", "fold")
"""What stands on the agenda all the time."""


def assert_lawful(plant: Plant) -> None:
    """All laws."""
    state = plant.state
    assert_mass(state)
    assert_paid(state)
    for buffer in state.buffers.values():
        assert_within(buffer)
    for unit in state.units.values():
        assert_booked(unit, plant.now)
    for sales in state.sales.values():
        assert_served(sales)
    assert_armed(state)
    assert_effective(plant)


def same(one: float, other: float, scale: float = 0.0) -> bool:
    """Whether two figures differ by rounding only, on the scale of what they come from."""
    return abs(one - other) <= EXACT * max(abs(one), abs(other), scale, 1.0)


def assert_mass(state: PlantState) -> None:
    """No gram is made or lost, in no machine and in the plant."""
    assert same(plant_imbalance(state), 0.0, state.books.delivered_mass)
    for unit in state.units.values():
        assert same(imbalance(unit), 0.0, unit.ledger.taken), unit.name
        assert all(mass >= 0.0 for mass in (*unit.ledger.waste.values(), *unit.open_cases.values())), unit.name


def assert_paid(state: PlantState) -> None:
    """What was paid for material is used, written off, or still there."""
    money = state.books.money
    stored = sum(lot.mass * lot.price for buffer in state.buffers.values() for lot in buffer.lots)
    assert same(money.purchased, money.material + money.written_off + stored)


def assert_within(buffer: Buffer) -> None:
    """Nothing overflows, nothing is below zero, what expires first leaves first."""
    assert buffer.level <= buffer.capacity + ROUNDING, buffer.name
    assert buffer.room >= -ROUNDING, buffer.name
    assert 0 <= buffer.arrived <= len(buffer.transit), buffer.name
    assert all(lot.mass >= 0.0 and lot.cases >= 0 for lot in (*buffer.lots, *buffer.transit)), buffer.name
    assert all(mass >= 0.0 for mass in buffer.reserved.values()), buffer.name
    assert all(first.expires <= then.expires for first, then in pairwise(buffer.lots)), buffer.name


def assert_booked(unit: Unit, now: float) -> None:
    """Every second of a machine belongs to one activity, one state and one mode; running is Execute."""
    for seconds in (unit.times, unit.control.states, unit.control.modes):
        assert same(sum(seconds) + now - unit.since, now), unit.name
    assert (unit.activity is Activity.Running) == (unit.state is State.Execute), unit.name


def assert_served(sales: Sales) -> None:
    """Every case ordered is shipped, lost, or waits in the order of the due dates."""
    waiting = [order.open for order in sales.backlog]
    assert sales.ordered_cases == sales.shipped_cases + sales.lost_cases + sum(waiting)
    assert all(cases > 0 for cases in waiting)
    assert all(first.due <= then.due for first, then in pairwise(sales.backlog))


def assert_armed(state: PlantState) -> None:
    """What must happen is on the agenda, once, and nothing was left behind."""
    agenda = state.agenda
    coming = Counter((entry.handler, entry.argument) for entry in agenda.entries.values())
    assert all(entry.time >= agenda.now for entry in agenda.entries.values())
    assert all(coming[handler, ""] == 1 for handler in ALWAYS)
    for buffer in state.buffers.values():
        assert coming["arrive", buffer.name] == len(buffer.transit) - buffer.arrived, buffer.name
    for delivery in state.deliveries.values():
        assert coming["delivery", delivery.id] == (not delivery.arrived), delivery.id
    for unit in state.units.values():
        assert coming["wake", unit.name] == (unit.wake is not None), unit.name
        assert_wakes(unit, agenda)


def assert_wakes(unit: Unit, agenda: Agenda) -> None:
    """A machine decides again when what it does will end."""
    end = next_end(unit)
    assert (end is None) == (unit.wake is None), unit.name
    if end is not None and unit.wake is not None:
        assert same(agenda.entries[unit.wake.entry].time, unit.since + max(end[0], 0.0)), unit.name


def assert_effective(plant: Plant) -> None:
    """OEE = A x E x Q = PRI x GQ / PBT, of every machine and of the line, ever and in the rolling window."""
    spec, state, first = plant.spec, plant.state, plant.state.marks[0]
    ever = {name: counts(unit, plant.now) for name, unit in state.units.items()}
    window = {name: total.since(counted(first.tallies[name])) for name, total in ever.items()}
    for name, total in ever.items():
        for c in (total, window[name]):
            assert_product(performance(c), c.earned - c.lost, c.pbt, c)
    station = constraint(spec)
    narrow = [window[name] for name, unit in state.units.items() if unit.section == station]
    made, all_of_them = line(spec, state, plant.now).since(first.line), together(narrow)
    shares = line_performance(made, all_of_them, len(narrow))
    kept = 1.0 - made.lost / made.earned if made.earned > 0.0 else 1.0
    assert_product(shares, all_of_them.earned / len(narrow) * kept, all_of_them.pbt / len(narrow), all_of_them)


def assert_product(shares: Performance, good: float, busy: float, c: Counts) -> None:
    """OEE both ways, where there is something to divide by."""
    if busy > 0.0:
        assert math.isclose(shares.oee, good / busy, rel_tol=EXACT, abs_tol=EXACT)
    factors = shares.availability * shares.effectiveness * shares.quality
    if not math.isnan(factors) and c.apt > ROUNDING:
        assert math.isclose(shares.oee, factors, rel_tol=EXACT, abs_tol=EXACT)
