"""Plants for tests: the shipped one, and it with other figures."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from plant_model.accounting import imbalance, plant_imbalance
from plant_model.activity import Activity
from plant_model.events import PlantEvent
from plant_model.packml import State
from plant_model.plant import Plant
from plant_model.spec import PlantSpec, parse

FILE = Path(__file__).parents[1] / "config" / "plant" / "choco.yaml"
HOUR = 3600.0
DAY = 24 * HOUR
WEEK = 7 * DAY
LOTS_OF = 1e9


@cache
def _loaded() -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return data


def plant_data() -> dict[str, Any]:
    """The shipped plant file as plain data, to be changed at will."""
    return copy.deepcopy(_loaded())


@cache
def shipped() -> PlantSpec:
    return parse(plant_data())


@cache
def _lived(weeks: int) -> tuple[Plant, tuple[PlantEvent, ...]]:
    if weeks == 0:
        return Plant(shipped()), ()
    before, told = _lived(weeks - 1)
    plant = before.fork()
    return plant, (*told, *plant.advance(weeks * WEEK))


def lived(weeks: int) -> Plant:
    """The shipped plant after some weeks: run once for all tests, which get copies."""
    return _lived(weeks)[0].fork()


def told(weeks: int) -> tuple[PlantEvent, ...]:
    """All that the shipped plant told in its first weeks."""
    return _lived(weeks)[1]


def unlimited(machines: int = 3) -> dict[str, Any]:
    """The plant with material and demand without end, as in the experiments P1-P4 of the reference."""
    data = plant_data()
    data["stations"]["Conching"]["machines"] = machines
    for product in data["products"].values():
        product |= {"reorder_cases": LOTS_OF, "target_cases": 2 * LOTS_OF, "capacity_cases": 2 * LOTS_OF}
    for storage in data["storages"].values():
        storage |= {"capacity_kg": 3 * LOTS_OF, "initial_kg": LOTS_OF}
    return data


def without_failures(data: dict[str, Any]) -> dict[str, Any]:
    for station in data["stations"].values():
        for equipment in (station, station.get("kneader", {}), station.get("wrapper", {})):
            equipment["failures"] = {}
    return data


def assert_sound(plant: Plant) -> None:
    """Mass is where it should be, no buffer beyond its ends, every second booked once."""
    moved = plant.state.books.delivered_mass
    assert abs(plant_imbalance(plant.state)) <= 1e-9 * moved
    for unit in plant.state.units.values():
        assert abs(imbalance(unit)) <= 1e-9 * max(unit.ledger.taken, 1.0), unit.name
        booked = sum(unit.times) + plant.now - unit.since
        assert abs(booked - plant.now) <= 1e-9 * max(plant.now, 1.0), unit.name
        for seconds in (unit.control.states, unit.control.modes):
            assert abs(sum(seconds) - sum(unit.times)) <= 1e-9 * max(plant.now, 1.0), unit.name
        assert (unit.activity is Activity.Running) == (unit.state is State.Execute), unit.name
    for buffer in plant.state.buffers.values():
        assert all(lot.mass >= 0.0 for lot in buffer.lots), buffer.name
        assert buffer.room >= -1e-5, buffer.name


def assert_paid(plant: Plant) -> None:
    """What was paid for material is used, written off, or still there."""
    money = plant.state.books.money
    stored = sum(lot.mass * lot.price for buffer in plant.state.buffers.values() for lot in buffer.lots)
    assert abs(money.purchased - money.material - money.written_off - stored) <= 1e-9 * money.purchased
