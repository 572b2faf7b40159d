"""The stores are inspected every few hours: goods age by the air, beans dry or dampen, what expired is written off."""

from __future__ import annotations

from plant_model.climate import DAY, HOUR, Air, Climate, Room, Sorption, ageing, another_day, dampened, inside
from plant_model.floor import Floor
from plant_model.layout import KNEADER, WAREHOUSE, finished
from plant_model.spec import PlantSpec
from plant_model.state import Buffer, Lot

ROUND_S = 3 * HOUR
"""Time from one inspection to the next."""


def rooms(spec: PlantSpec) -> dict[str, Room]:
    """The stores by name, raw materials first."""
    return {**spec.storages, **{finished(product): spec.finished_goods for product in spec.products}}


class Warehouse:
    """Inspects the stores."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._rooms = rooms(floor.spec)
        self._damp = {name: storage.sorption for name, storage in floor.spec.storages.items() if storage.sorption}
        self._climate = Climate(floor.spec.start)
        floor.handlers["inspection"] = self._inspect

    def open(self) -> None:
        """Begin at the epoch."""
        self._next_day()
        self._floor.clock.schedule(ROUND_S, "inspection")

    def redraw(self) -> None:
        """Nobody knows the weather of tomorrow; it goes on from where it is."""
        self._next_day()

    def _inspect(self, _: str) -> None:
        floor, state = self._floor, self._floor.state
        seconds = floor.now - state.checked
        swing = self._climate.swing(floor.now - seconds / 2.0, state.weather)
        for name, room in self._rooms.items():
            store, air = state.stores[name], inside(room, swing)
            store.aged += seconds * ageing(room, air)
            if name in self._damp:
                self._dampen(floor.buffer(name), self._damp[name], air, seconds)
            self._clear(floor.buffer(name))
        state.checked = floor.now
        if floor.now >= state.weather.since + DAY:
            self._next_day()
        floor.clock.schedule(ROUND_S, "inspection")

    def _next_day(self) -> None:
        state = self._floor.state
        state.weather = another_day(state.weather, self._floor.now, self._floor.stream("weather"))

    def _dampen(self, buffer: Buffer, sorption: Sorption, air: Air, seconds: float) -> None:
        """Let the lots take or give water. A full store is closed: nothing can be taken up."""
        for lot in buffer.lots:
            moisture, mass = dampened(lot, sorption, air.humidity, seconds)
            if mass - lot.mass <= buffer.room:
                self._floor.state.books.absorbed_mass += mass - lot.mass
                lot.price *= lot.mass / mass
                lot.moisture, lot.mass = moisture, mass

    def _clear(self, buffer: Buffer) -> None:
        """Write off what has expired."""
        aged = self._floor.state.stores[buffer.name].aged
        while buffer.lots and buffer.lots[0].expires <= aged:
            self._write_off(buffer, buffer.lots.pop(0))
            self._floor.make_room(buffer)
            self._floor.stir(KNEADER)  # it may have to make it again

    def _write_off(self, buffer: Buffer, lot: Lot) -> None:
        floor, books = self._floor, self._floor.state.books
        books.written_off_mass += lot.mass
        books.money.written_off += lot.mass * lot.price
        floor.state.stores[buffer.name].expired += lot.mass
        message = f"{lot.mass:.0f} kg {lot.material}, lot {lot.id}, have expired and are written off"
        fields = {"Material": lot.material, "LotId": lot.id, "Quantity": lot.mass}
        floor.tell("stock_expired", (WAREHOUSE, buffer.name), message, 400, **fields)
