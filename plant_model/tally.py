"""What a machine has counted since the epoch, as one row of numbers; differences of rows are windows."""

from __future__ import annotations

from enum import IntEnum, auto
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from plant_model.activity import Activity
from plant_model.layout import finished
from plant_model.ledgers import Turnover
from plant_model.packml import State
from plant_model.state import PlantState, Stamp, Unit

Row = NDArray[np.float64]
"""Seconds by activity, seconds by PackML state, then one number for each of `Count`."""
SECONDS = slice(0, len(Activity))
STATE_SECONDS = slice(len(Activity), len(Activity) + len(State))


class Count(IntEnum):
    """The numbers behind the times: places in a row."""

    Earned = len(Activity) + len(State)  # ideal seconds of what was processed
    Lost = auto()  # … of what was defective
    StartUpLost = auto()  # … of the part that was made first after a setup or start-up
    Taken = auto()  # kg
    Processed = auto()
    Defective = auto()
    Reworked = auto()
    Scrapped = auto()
    Wasted = auto()  # scrap included: all that left the plant here
    Breakdowns = auto()
    MinorStops = auto()
    RepairTime = auto()  # s of technicians at breakdowns
    MaintenanceTime = auto()


_PACKED = Struct(f"<{Count.Earned + len(Count)}d")


def packed(unit: Unit, now: float) -> bytes:
    """The row of a machine at a moment, the running activity and the running job included."""
    ledger, running = unit.ledger, now - unit.since
    times, states = unit.times.copy(), unit.control.states.copy()
    times[unit.activity] += running
    states[unit.control.state] += running
    return _PACKED.pack(
        *times,
        *states,
        earned(unit, now),
        ledger.lost,
        ledger.start_up_lost,
        ledger.taken,
        ledger.processed,
        ledger.defective,
        ledger.reworked,
        ledger.waste.get("Scrap", 0.0) + ledger.waste.get("Rejected", 0.0),
        sum(ledger.waste.values()),
        ledger.breakdowns,
        ledger.minor_stops,
        *care(unit, now),
    )


def tally(unit: Unit, now: float) -> Row:
    """The row of a machine at a moment, as numbers to count with."""
    return unpacked(packed(unit, now)).copy()


def progress(unit: Unit, now: float) -> float:
    """Share of the present phase that is done, 0 … 1."""
    job = unit.job
    if job is None:
        return 0.0
    elapsed = (now - unit.since) * unit.pace if unit.activity is job.activity else 0.0
    return min(1.0 - (job.remaining - elapsed) / job.duration, 1.0)


def earned(unit: Unit, now: float) -> float:
    """Ideal seconds of what was processed, and of the share of the present phase that is done."""
    return unit.ledger.earned + (unit.job.planned * progress(unit, now) if unit.job else 0.0)


def care(unit: Unit, now: float) -> tuple[float, float]:
    """Seconds of technicians at breakdowns and at planned maintenance."""
    repaired, maintained = unit.ledger.repair_s, unit.ledger.maintenance_s
    if unit.repair is not None and unit.repair.activity is unit.activity:
        repaired += (now - unit.since) * (unit.activity is Activity.Breakdown)
        maintained += (now - unit.since) * (unit.activity is Activity.Maintenance)
    return repaired, maintained


def stamp(state: PlantState, label: str = "") -> Stamp:
    """The rows of all machines, packed, and the counters of the plant, at the present moment."""
    now = state.agenda.now
    rows = {name: packed(unit, now) for name, unit in state.units.items()}
    return Stamp(now, label, rows, turnover(state), dict(state.measured))


def turnover(state: PlantState) -> Turnover:
    """The counters of the plant as a whole."""
    books, labour = state.books, state.labour.values()
    goods = [state.stores[finished(product)] for product in state.sales]
    issued = sum([store.issued for store in state.stores.values()])
    shipped = sum([store.issued for store in goods])
    return Turnover(
        earned=books.earned,
        lost=books.lost,
        good=books.good_mass,
        consumed=issued - shipped,
        wasted=sum([mass for unit in state.units.values() for mass in unit.ledger.waste.values()]),
        spoiled=books.written_off_mass,
        shipped=shipped,
        stocked=sum([store.stocked for store in goods]),
        attended=sum([people.attended for people in labour]),
        worked=sum([people.worked for people in labour]),
    )


def unpacked(row: bytes) -> Row:
    """A row of a stamp."""
    return np.frombuffer(row, np.float64)
