"""A7-A13: what must hold of the shipped plant itself, exactly or within a load."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from support_experiments import Finding
from support_plant import DAY, HOUR, WEEK, plant_data, shipped, unlimited, without_failures

from plant_model.accounting import counts, imbalance, line, line_performance, performance, plant_imbalance
from plant_model.capacity import constraint
from plant_model.layout import BARS, conche_names, tank, units
from plant_model.plant import Plant
from plant_model.spec import PlantSpec, parse
from plant_model.state import Unit

EXACT = 1e-9
"""Relative; rounding of sums of some ten thousand numbers."""


def exactly(experiment: str, theory: float, measured: float, tolerance: float = EXACT) -> Finding:
    """A law without chance in it."""
    return Finding(experiment, theory, measured, tolerance, abs(measured - theory) <= tolerance)


def next_event(plant: Plant) -> float:
    """Just behind the next thing on the agenda."""
    return math.nextafter(min(entry.time for entry in plant.state.agenda.entries.values()), math.inf)


class Stay:
    """Watches a place: how much is there, how much leaves it, and how long everything stays."""

    def __init__(self, begin: float) -> None:
        self.begin = self.last = begin
        self.here: dict[str, tuple[float, float]] = {}  # amount and moment of entry, by lot
        self.left = self.stayed = 0.0

    def see(self, now: float, amounts: dict[str, float]) -> None:
        """What is there after an event."""
        self.last = now
        for lot, (amount, since) in list(self.here.items()):
            gone = amount - amounts.get(lot, 0.0)
            if gone > 0.0:
                self.left += gone
                self.stayed += gone * (now - since)
                self.here[lot] = (amount - gone, since)
            if lot not in amounts:
                del self.here[lot]
        for lot, amount in amounts.items():
            self.here.setdefault(lot, (amount, now))

    def ratio(self, level: float) -> float:
        """L, by the level after each event, to lambda W, by what lots stayed; those that are still there included."""
        here = sum(amount * (self.last - since) for amount, since in self.here.values())
        return level / (self.stayed + here) if level else 1.0


def contents(plant: Plant, names: list[str]) -> dict[str, float]:
    """Mass by lot in some buffers."""
    amounts: dict[str, float] = defaultdict(float)
    for name in names:
        for lot in plant.state.buffers[name].lots:
            amounts[lot.id] += lot.mass
    return amounts


def places(spec: PlantSpec) -> dict[str, list[str]]:
    """Where Little's law is looked at."""
    return {
        "clean beans": ["CleanBeans"],
        "roasted beans": ["RoastedBeans"],
        "liquor tank": ["LiquorTank"],
        "conche bank": list(conche_names(spec)),
        "mass tanks": [tank(product) for product in spec.products],
        "hopper": ["Hopper"],
        "bar buffer": [BARS],
    }


def littles_law(seed: int) -> Iterator[Finding]:
    """A7: what is in a place = what goes through it x how long it stays, for every buffer and the order backlog."""
    data = plant_data()
    for order_class in data["demand"]["classes"].values():
        order_class["per_day"] *= 1.15  # so that orders must wait
    plant = Plant(parse(data), seed)
    stays, areas = watched(plant)
    for place, stay in stays.items():
        yield exactly(f"A7 Little, {place}: L / (lambda W)", 1.0, stay.ratio(areas[place]))


def watched(plant: Plant) -> tuple[dict[str, Stay], dict[str, float]]:
    """Two weeks of a plant, looked at after every event: stays of lots, and level x time."""
    watch = places(plant.spec)
    stays = {name: Stay(plant.now) for name in (*watch, "order backlog")}
    levels, areas, last = dict.fromkeys(stays, 0.0), dict.fromkeys(stays, 0.0), plant.now
    for name, buffers in watch.items():
        stays[name].see(plant.now, contents(plant, buffers))
        levels[name] = sum(plant.state.buffers[buffer].level for buffer in buffers)
    while plant.now < 14 * DAY:
        plant.advance(next_event(plant))
        areas = {name: area + levels[name] * (plant.now - last) for name, area in areas.items()}
        last = plant.now
        for name, buffers in watch.items():
            stays[name].see(plant.now, contents(plant, buffers))
            levels[name] = sum(plant.state.buffers[buffer].level for buffer in buffers)
        backlog = {order.id: 1.0 for sales in plant.state.sales.values() for order in sales.backlog}
        stays["order backlog"].see(plant.now, backlog)
        levels["order backlog"] = float(sum(len(sales.backlog) for sales in plant.state.sales.values()))
    return stays, areas


def identities(seed: int) -> Iterator[Finding]:
    """A8, A9: OEE, time and mass, hour by hour for four weeks, as the largest deviation that was seen."""
    plant = Plant(shipped(), seed)
    oee = time = mass = machine_mass = 0.0
    for hour in range(1, 4 * 7 * 24 + 1):
        plant.advance(hour * HOUR)
        oee = max(oee, *(oee_gap(unit, plant.now) for unit in plant.state.units.values()), line_gap(plant))
        time = max(time, *(time_gap(unit, plant.now) for unit in plant.state.units.values()))
        mass = max(mass, abs(plant_imbalance(plant.state)) / plant.state.books.delivered_mass)
        machine_mass = max(machine_mass, *map(mass_gap, plant.state.units.values()))
    yield exactly("A8 OEE - PRI x GQ / PBT, machines and line", 0.0, oee)
    yield exactly("A8 sum of all state times - calendar time", 0.0, time)
    yield exactly("A9 mass balance of the plant", 0.0, mass)
    yield exactly("A9 mass balance of each machine", 0.0, machine_mass)
    yield exactly("A9 sources of each lot add up", 0.0, genealogy_gap(plant))


def oee_gap(unit: Unit, now: float) -> float:
    """Availability x effectiveness x quality less PRI x GQ / PBT."""
    c = counts(unit, now)
    p = performance(c)
    product = p.availability * p.effectiveness * p.quality
    return 0.0 if math.isnan(product) else abs(product - (c.earned - c.lost) / c.pbt)


def line_gap(plant: Plant) -> float:
    """The same of the line, at its constraint."""
    narrow = constraint(plant.spec)
    machines = [name for name, station in units(plant.spec).items() if station == narrow]
    rows = [counts(plant.state.units[name], plant.now) for name in machines]
    together = type(rows[0])(*map(sum, zip(*rows, strict=True)))
    whole = line(plant.spec, plant.state, plant.now)
    p = line_performance(whole, together, len(machines))
    product = p.availability * p.effectiveness * p.quality
    if math.isnan(product):
        return 0.0
    return abs(product - together.earned * (1.0 - whole.lost / whole.earned) / together.pbt)


def time_gap(unit: Unit, now: float) -> float:
    """Relative: seconds that no activity, no PackML state or no mode has."""
    unbooked = now - unit.since
    booked = (sum(unit.times), sum(unit.control.states), sum(unit.control.modes))
    return max(abs(seconds + unbooked - now) for seconds in booked) / now


def mass_gap(unit: Unit) -> float:
    """Relative: kg that a machine took and that are nowhere."""
    return abs(imbalance(unit)) / max(unit.ledger.taken, 1.0)


def genealogy_gap(plant: Plant) -> float:
    """Relative: mass of lots when they were made less that of what they were made from."""
    lots = [lot for lot in plant.state.lots.values() if lot.sources]
    return max(abs(sum(mass for _, mass in lot.sources) - lot.mass) / lot.mass for lot in lots)


def winnowing(seed: int) -> Iterator[Finding]:
    """A10: a kilogram of beans of 7 % water becomes 0.818 kg of liquor."""
    data = plant_data()
    for supplier in data["suppliers"].values():
        if supplier["material"] == "Beans":
            supplier |= {"moisture_percent": 7.0, "moisture_sd": 0}
    plant = Plant(parse(data), seed)
    plant.advance(2 * WEEK)
    chain = math.prod(yield_of(plant.state.units[name]) for name in ("Cleaning", "Roasting", "Grinding"))
    yield exactly("A10 kg liquor of a kg of beans (industry 0.82)", 0.818, chain, 0.002)


def yield_of(unit: Unit) -> float:
    """Mass made per mass taken, less what is in work."""
    inside = unit.job.lot.mass if unit.job and unit.job.lot else 0.0
    return unit.ledger.made / (unit.ledger.taken - inside)


def calm() -> dict[str, Any]:
    """One product, no failures, no variation, demand and material without end."""
    data = without_failures(unlimited())
    for name, product in data["products"].items():
        product["share"] = float(name == "Dark")
        if name != "Dark":
            product |= {"reorder_cases": 0, "target_cases": 1}
    data["products"]["Dark"]["campaign_loads"] = 10_000_000
    data["acting_s"] = dict.fromkeys(data["acting_s"], 0)
    data["workforce"] |= {"break_min": 0, "absence": 0}
    for station in data["stations"].values():
        station.pop("maintenance", None)
    data["time_factor"] = {"low": 1, "mode": 1, "high": 1}
    kneader = data["stations"]["Mixing"]["kneader"]
    kneader["mix_min"] = dict.fromkeys(("low", "mode", "high"), kneader["mix_min"]["mode"])
    return data


def clockwork(seed: int) -> Iterator[Finding]:
    """A11: without chance the output is the rate of the bottleneck, the same in each of its cycles."""
    plant = Plant(parse(calm()), seed)
    conches = [plant.state.units[name] for name in conche_names(plant.spec)]
    plant.advance(WEEK)
    loads = [unit.ledger.processed for unit in conches]
    plant.advance(9 * WEEK)
    gained = [unit.ledger.processed - before for unit, before in zip(conches, loads, strict=True)]
    load, hours = plant.spec.stations.Conching.load_kg, 8 * WEEK / HOUR
    theory, edge = len(conches) * load / cycle_hours(plant.spec), len(conches) * load / hours
    yield exactly("A11 kg/h of the conches, within a load each", theory, sum(gained) / hours, edge)
    yield exactly("A11 kg that conches differ by, within a load", 0.0, max(gained) - min(gained), load)


def cycle_hours(spec: PlantSpec) -> float:
    """From one load to the next: it is refined while the next batches are kneaded, conched, discharged."""
    conching = spec.stations.Conching
    filling = conching.load_kg / spec.stations.Mixing.refiner_kg_h
    return filling + spec.flow["Mixing"].transport_min / 60.0 + conching.hours["Dark"] + conching.discharge_min / 60.0


def repetitions(seed: int) -> Iterator[Finding]:
    """A12, A13: the same run again, cut in two, or in small steps, is the same run to the last bit."""
    spec = shipped()
    whole = Plant(spec, seed)
    log = whole.advance(2 * WEEK)
    again = Plant(spec, seed)
    yield differing("A13 the same seed twice: events that differ", log, again.advance(2 * WEEK))
    for day in (0.37, 3.0, 9.99):
        cut = Plant(spec, seed)
        before = cut.advance(day * DAY)
        cut = Plant.restore(spec, cut.snapshot())
        same = before + cut.advance(2 * WEEK) == log and cut.state == whole.state
        yield Finding(
            f"A12 saved after {day:g} days, restored, continued", "same", "same" if same else "other", 0, same
        )
    paced, steps = Plant(spec, seed), []
    for minute in range(1, 14 * 24 * 6 + 1):
        steps += paced.advance(minute * 600.0)
    yield differing("A13 paced and fast-forward: events that differ", log, steps)


def differing(experiment: str, one: list[Any], other: list[Any]) -> Finding:
    """How many events two logs do not share."""
    differences = abs(len(one) - len(other)) + sum(a != b for a, b in zip(one, other, strict=False))
    return exactly(experiment, 0, differences, 0)
