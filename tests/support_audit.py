"""A second set of books of a plant, kept by watching it from event to event; after each one both must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import sub

from support_laws import EXACT, assert_lawful, same

from plant_model.accounting import line
from plant_model.activity import Activity
from plant_model.calendar import is_open, open_hours
from plant_model.capacity import filling_seconds, roasting_gas
from plant_model.clock import Handler
from plant_model.costs import Costs, electricity, power, scrap_value, standard_costs
from plant_model.events import PlantEvent
from plant_model.layout import finished
from plant_model.packml import ALLOWED, FINISHES, Command, Mode, State
from plant_model.plant import Plant
from plant_model.state import Job, Unit
from plant_model.tally import care, earned

HOUR = 3600.0
LEGAL = {(state, ALLOWED[command][1]) for command in Command for state in ALLOWED[command][0]} | set(FINISHES.items())
SCRAPPED = {"Scrap", "Rejected"}
DISPOSED = SCRAPPED | {"Foreign", "Sievings", "Metal"}
DOWN = (Activity.MinorStop, Activity.Breakdown, Activity.AwaitingRepair)


class Clockings:
    """What a machine did, clocked from outside."""

    def __init__(self, unit: Unit) -> None:
        """Begin with a machine that has not done anything yet."""
        self.state = unit.state
        self.times, self.states, self.modes = ([0.0] * len(kind) for kind in (Activity, State, Mode))
        self.care = {Activity.Breakdown: 0.0, Activity.Maintenance: 0.0}
        self.kwh = self.earned = self.ideal = 0.0  # ideal: PRI, seconds per kg of the present lot
        self.breakdowns = 0

    def elapse(self, unit: Unit, seconds: float, kwh: float) -> None:
        """Clock what it has done in the last seconds."""
        self.times[unit.activity] += seconds
        self.states[unit.state] += seconds
        self.modes[unit.control.mode] += seconds
        self.kwh += kwh
        if unit.job is not None and unit.job.activity is unit.activity:
            self.earned += unit.job.planned / unit.job.duration * seconds * unit.pace
        if unit.repair is not None and unit.repair.activity is unit.activity in self.care:
            self.care[unit.activity] += seconds

    def compare(self, plant: Plant, unit: Unit) -> None:
        """The machine's own books must say the same."""
        assert unit.state is self.state, f"{unit.name} is {unit.state.name}, entered {self.state.name}"
        for own, clocked in zip(running_totals(unit, plant.now), (self.times, self.states, self.modes), strict=True):
            assert max(map(abs, map(sub, own, clocked))) <= EXACT * max(plant.now, 1.0), unit.name
        assert same(electricity(plant.spec, unit, plant.now), self.kwh), unit.name
        assert all(map(same, care(unit, plant.now), self.care.values())), unit.name
        assert same(earned(unit, plant.now), self.earned, plant.now), unit.name
        assert unit.ledger.breakdowns == self.breakdowns, unit.name
        assert same(unit.ledger.lost, unit.ledger.defective * self.ideal), unit.name


class Auditor:
    """Keeps the books from the epoch on, and compares them with the plant's whenever something has happened."""

    def __init__(self, plant: Plant) -> None:
        books = plant.state.books
        self.events = 0
        self._now = 0.0
        self._hours = open_hours(plant.spec.calendar)
        self._machines = {name: Clockings(unit) for name, unit in plant.state.units.items()}
        self._delivered, self._purchased = books.delivered_mass, books.money.purchased  # the first stocks
        self._packed = -cases(plant)
        self._written_off = self._written_off_mass = self._scrapped = 0.0
        self._paid = self._energy = self._holding = self._backorders = 0.0
        self._ordering = books.money.ordering  # what was low from the beginning
        self.watch(plant)

    def watch(self, plant: Plant) -> None:
        """Look on whenever something happens in this plant, which lives on from where the books stand."""
        self.plant = plant
        self._told, self._heard = plant.state.events, len(plant.state.events)
        handlers = plant._floor.handlers
        handlers.update({name: partial(self._happens, name, handler) for name, handler in handlers.items()})
        plant._machines._enter = partial(self._enter, plant._machines._enter)  # type: ignore[method-assign]
        self.compare()

    def act(self, act: Callable[[], None]) -> None:
        """Somebody does something to the plant now."""
        self._elapse()
        before, stock = self._present(), values(self.plant)
        act()
        self._begin(before)
        self._hear(stock)
        self.compare()

    def compare(self) -> None:
        """The plant keeps all laws, and its books say what ours say."""
        self._elapse()
        plant, books = self.plant, self.plant.state.books
        assert_lawful(plant)
        for name, unit in plant.state.units.items():
            self._machines[name].compare(plant, unit)
        assert same(books.delivered_mass, self._delivered)
        assert same(books.written_off_mass, self._written_off_mass)
        assert same(books.money.purchased, self._purchased)
        assert books.good_cases == self._packed + cases(plant)
        own, ours = line(plant.spec, plant.state, plant.now).costs, self.costs()
        wrong = {name: pair for name, *pair in zip(Costs._fields, own, ours, strict=True) if not same(*pair)}
        assert not wrong, wrong

    def costs(self) -> Costs:
        """EUR since the epoch, by cause."""
        plant, spec, rates = self.plant, self.plant.spec, self.plant.spec.costs
        units, share, clocked = plant.state.units, spec.attendance, self._machines
        down = {name: sum(clocked[name].times[activity] for activity in DOWN) for name in units}
        beside = Counter(unit.station for unit in units.values())  # those who attend a station are shared out evenly
        stood = sum(share[unit.station] / beside[unit.station] * down[name] for name, unit in units.items())
        idle = stood / HOUR * rates.labour_per_h
        repairs, planned = (
            sum(one.care[kind] for one in clocked.values()) / HOUR * rates.maintenance_per_h
            for kind in (Activity.Breakdown, Activity.Maintenance)
        )
        return Costs(
            material=self._purchased - self._written_off - sum(values(plant).values()) - self._scrapped,
            packaging=(self._packed + cases(plant)) * rates.packaging_per_case,
            labour=self._paid - idle,
            energy=self._energy,
            maintenance=planned,
            failures=idle + repairs,
            scrap=self._scrapped + sum(thrown_away(unit, DISPOSED) for unit in units.values()) * rates.scrap_per_kg,
            ordering=self._ordering,
            holding=self._holding,
            backorders=self._backorders,
            spoilage=self._written_off + self._written_off_mass * rates.scrap_per_kg,
        )

    def _happens(self, name: str, handler: Handler, argument: str) -> None:
        """An event of the agenda."""
        self._elapse()
        if name == "mark":
            self._charge_the_hour()
        before = self._present()
        stock = values(self.plant) if name == "inspection" else {}
        handler(argument)
        self._begin(before)
        self._hear(stock)
        self.compare()
        self.events += 1

    def _enter(self, enter: Callable[[Unit, State], None], unit: Unit, state: State) -> None:
        """A machine changes its state."""
        machine = self._machines[unit.name]
        assert (unit.state, state) in LEGAL, f"{unit.name}: {unit.state.name} to {state.name}"
        assert machine.state is unit.state, f"{unit.name} was {machine.state.name}, now leaves {unit.state.name}"
        machine.state = state
        enter(unit, state)

    def _elapse(self) -> None:
        """Everything has gone on as it was until now."""
        plant, spec, rates = self.plant, self.plant.spec, self.plant.spec.costs
        seconds, middle, self._now = plant.now - self._now, (self._now + plant.now) / 2.0, plant.now
        if seconds == 0.0:
            return
        drawn = spec.power.base_load_kw * seconds / HOUR
        for name, unit in plant.state.units.items():
            kwh = power(spec, unit) * seconds / HOUR
            drawn += kwh
            self._machines[name].elapse(unit, seconds, kwh)
        self._energy += drawn * rates.electricity_per_kwh
        if is_open(self._hours, plant._floor.date(middle)):
            self._paid += seconds / HOUR * sum(spec.workers_per_shift.values()) * rates.labour_per_h

    def _charge_the_hour(self) -> None:
        """What stock and late orders cost in the hour that is over."""
        plant, rates = self.plant, self.plant.spec.costs
        stock = sum(values(plant, *plant.spec.storages).values())
        stock += sum(
            cost * plant.state.buffers[finished(name)].level for name, cost in standard_costs(plant.spec).items()
        )
        waiting = sum(order.open for sales in plant.state.sales.values() for order in sales.backlog)
        self._holding += stock * rates.holding_per_year / 8760.0
        self._backorders += waiting * rates.backorder_per_case_day / 24.0

    def _present(self) -> dict[str, tuple[Job | None, str, float]]:
        """By machine its job, its product, and the scrap that it has made so far."""
        units = self.plant.state.units.values()
        return {unit.name: (unit.job, unit.product, thrown_away(unit, SCRAPPED)) for unit in units}

    def _begin(self, before: Mapping[str, tuple[Job | None, str, float]]) -> None:
        """What machines have begun and thrown away: a full conche has earned its filling, a roaster will burn gas."""
        spec = self.plant.spec
        for name, unit in self.plant.state.units.items():
            (job, product, scrap), begun = before[name], unit.job
            scrap = thrown_away(unit, SCRAPPED) - scrap
            self._scrapped += scrap * scrap_value(spec, product) if scrap else 0.0
            if begun is job or begun is None:
                continue
            if begun.lot is not None:
                self._machines[name].ideal = begun.planned / begun.lot.mass
            if begun.phase == "Conching":
                self._machines[name].earned += filling_seconds(spec)
            if begun.phase == "Roasting" and begun.lot is not None:
                burnt = begun.lot.mass * roasting_gas(spec.stations.Roasting, begun.lot.moisture)
                self._energy += burnt * spec.costs.gas_per_kwh

    def _hear(self, stock: Mapping[str, float]) -> None:
        """Book what was told of trade and failures; `stock` is what the lots were worth before."""
        spec = self.plant.spec
        for event in self._news():
            fields = event.fields
            if event.kind == "delivery_ordered":
                self._ordering += spec.costs.purchase_order
            elif event.kind == "delivery_arrived":
                price = spec.suppliers[fields["Supplier"]].price_usd_per_t / 1000.0 * spec.costs.eur_per_usd
                self._delivered += fields["Quantity"]
                self._purchased += fields["Quantity"] * price
            elif event.kind == "stock_expired":
                self._written_off_mass += fields["Quantity"]
                self._written_off += stock[fields["LotId"]]
                self._packed += round(fields["Quantity"] / spec.case_kg) * (fields["Material"] in spec.products)
            elif event.kind == "machine_failure":
                self._machines[fields["Unit"]].breakdowns += 1

    def _news(self) -> Sequence[PlantEvent]:
        """What was told since the last time; whoever advances the plant takes the list away."""
        events = self.plant.state.events
        if events is not self._told:
            self._told, self._heard = events, 0
        news, self._heard = events[self._heard :], len(events)
        return news


def running_totals(unit: Unit, now: float) -> tuple[list[float], list[float], list[float]]:
    """Seconds by activity, state and mode up to now."""
    running, control = now - unit.since, unit.control
    times, states, modes = unit.times.copy(), control.states.copy(), control.modes.copy()
    times[unit.activity] += running
    states[control.state] += running
    modes[control.mode] += running
    return times, states, modes


def values(plant: Plant, *names: str) -> dict[str, float]:
    """EUR paid for the lots in some buffers, or in all."""
    buffers = plant.state.buffers
    found: dict[str, float] = {}
    for name in names or buffers:
        for lot in buffers[name].lots:
            found[lot.id] = found.get(lot.id, 0.0) + lot.mass * lot.price
    return found


def cases(plant: Plant) -> int:
    """Cases in the stores, on their way there, and shipped."""
    stores = [plant.state.buffers[finished(product)] for product in plant.spec.products]
    inside = sum(lot.cases for store in stores for lot in (*store.lots, *store.transit))
    return inside + sum(sales.shipped_cases for sales in plant.state.sales.values())


def thrown_away(unit: Unit, kinds: set[str]) -> float:
    """Mass in kg of some kinds of waste of a machine."""
    return sum(mass for kind, mass in unit.ledger.waste.items() if kind in kinds)
