"""The shop floor, through which every part of the plant acts: spec, state, clock, lots on the move, who looks again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from numpy.random import Generator

from plant_model import flow
from plant_model.activity import Activity
from plant_model.clock import Clock, Handler
from plant_model.events import PlantEvent
from plant_model.layout import shelf_lives, unit_path
from plant_model.spec import PlantSpec
from plant_model.state import ROUNDING_KG, Buffer, Lot, PlantState, Record, Unit, mass_of


class Floor:
    """Acts on the state. Who waits for what comes into a buffer, or for room in it, looks again before time goes on."""

    def __init__(self, spec: PlantSpec, state: PlantState) -> None:
        self.spec = spec
        self.state = state
        self.handlers: dict[str, Handler] = {"arrive": self._arrive}
        self.watchers: dict[str, Callable[[], None]] = {}
        self._lives = shelf_lives(spec)
        self.before_work: Callable[[Unit], tuple[Activity, str] | None] = lambda _: None
        self._stirred: dict[str, None] = {}
        self.clock = Clock(state.agenda, self.handlers)

    @property
    def now(self) -> float:
        """Plant seconds since the epoch."""
        return self.state.agenda.now

    def date(self, time: float) -> datetime:
        """The plant's calendar at a plant time."""
        return self.spec.start + timedelta(seconds=time)

    def stream(self, name: str) -> Generator:
        """The random numbers of one purpose."""
        return self.state.streams[name]

    def number(self, prefix: str) -> str:
        """A new id."""
        self.state.serial += 1
        return f"{prefix}-{self.state.serial:06d}"

    def tell(self, kind: str, source: tuple[str, ...], message: str, severity: int, **fields: object) -> None:
        """Note an event for whoever advances the plant."""
        self.state.events.append(PlantEvent(self.now, kind, source, message, severity, fields))

    def path(self, unit: Unit) -> tuple[str, ...]:
        """Browse path of a machine."""
        return unit_path(self.spec, unit.name, unit.station)

    def buffer(self, name: str) -> Buffer:
        """A buffer by name."""
        return self.state.buffers[name]

    def stir(self, *watchers: str) -> None:
        """Let these look again."""
        for watcher in watchers:
            self._stirred[watcher] = None

    def make_room(self, buffer: Buffer) -> None:
        """Something has left: let in what stands before and now fits, and let those look again who fill this buffer."""
        self.stir(*buffer.upstream)
        self._let_in(buffer)

    def settle(self) -> None:
        """Let everybody who was stirred look, until nobody is left."""
        while self._stirred:
            name = next(iter(self._stirred))
            del self._stirred[name]
            self.watchers[name]()

    def join(self, pieces: Sequence[Lot], prefix: str, material: str) -> Lot:
        """A new lot of pieces."""
        return self.trace(flow.join(pieces, self.number(prefix), material, self.now))

    def trace(self, lot: Lot) -> Lot:
        """Remember a lot that has just been made, and give it back."""
        lots = self.state.lots
        lots[lot.id] = Record(lot.material, lot.made, lot.mass, lot.sources, lot.cases)
        for source, mass in lot.sources:
            if source in lots:
                lots[source].given += mass
        return lot

    def withdraw(self, name: str, mass: float) -> list[Lot]:
        """Take mass out of a buffer; purchased material is booked as used."""
        buffer = self.buffer(name)
        pieces = flow.take(buffer, mass)
        self.state.books.money.material += flow.value_of(pieces)
        self._issue(name, pieces)
        self.make_room(buffer)
        return pieces

    def ship(self, name: str, cases: int, order: str, customer: str) -> float:
        """Take the oldest cases out of a store for an order, and remember who got them; returns their mass."""
        store = self.buffer(name)
        pieces = flow.take_cases(store, cases)
        for piece in pieces:
            self.state.lots[piece.id].shipped += ((order, customer, piece.cases),)
        self._issue(name, pieces)
        self.make_room(store)
        return mass_of(pieces)

    def _issue(self, name: str, pieces: Sequence[Lot]) -> None:
        store = self.state.stores.get(name)
        if store is not None:
            store.issued += mass_of(pieces)

    def send(self, lot: Lot, name: str, minutes: float) -> None:
        """Put a lot on its way; the room that was reserved for it becomes its own."""
        buffer = self.buffer(name)
        buffer.reserved.pop(lot.id, None)
        buffer.transit.append(lot)
        self.clock.schedule(minutes * 60.0, "arrive", name)

    def put(self, lot: Lot, name: str) -> None:
        """Put a lot in at once, for those who draw from there.

        One from outside is remembered, and what comes into a store gets its date of expiry.
        """
        buffer, life = self.buffer(name), self._lives.get(name)
        if lot.id not in self.state.lots:
            self.trace(lot)
        if life is not None:
            lot.expires = self.state.stores[name].aged + self.now - self.state.checked + life
        flow.put(buffer, lot)
        self.stir(*buffer.downstream)

    def receive(self, lot: Lot) -> None:
        """Put purchased material in, and book it."""
        books = self.state.books
        books.delivered_mass += lot.mass
        books.money.purchased += lot.mass * lot.price
        self.put(lot, lot.material)

    def _arrive(self, name: str) -> None:
        buffer = self.buffer(name)
        buffer.arrived += 1
        self._let_in(buffer)

    def _let_in(self, buffer: Buffer) -> None:
        """Take the lots that have arrived off the conveyor, as long as they fit."""
        while buffer.arrived and (
            not buffer.conveyor or buffer.level + buffer.transit[0].mass <= buffer.capacity + ROUNDING_KG
        ):
            buffer.arrived -= 1
            self.put(buffer.transit.pop(0), buffer.name)
