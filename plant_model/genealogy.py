"""From delivery to case and back: what a lot was made from, and where it went. Old lots are folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from plant_model.floor import Floor
from plant_model.state import PlantState, Record

DAY = 86400.0


class UnknownLotError(LookupError):
    """Nobody knows this lot, or not any more."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Where the mass of a lot went, kg each: the sum is the mass of the lot when it was made."""

    cases: Mapping[str, float] = field(default_factory=dict)  # by packed lot, in stock or shipped
    inside: Mapping[str, float] = field(default_factory=dict)  # by lot, from store to open case
    lost: float = 0.0  # waste, and the water that went off less what came
    folded: float = 0.0  # in lots that are too old to be followed

    @property
    def mass(self) -> float:
        """All of it together."""
        return sum(self.cases.values()) + sum(self.inside.values()) + self.lost + self.folded


class Shipment(NamedTuple):
    """Cases of a packed lot that went to a customer."""

    lot: str
    order: str
    customer: str
    cases: int


class Packed(NamedTuple):
    """Cases of a packed lot, and how many of them are still here."""

    lot: str
    cases: int
    in_stock: int


class Recall(NamedTuple):
    """What a recall of a lot is about: where it went, and what it was made from."""

    packed: tuple[Packed, ...]
    shipments: tuple[Shipment, ...]
    deliveries: Mapping[str, float]  # kg by delivery, first stock or folded lot


class Genealogy:
    """Folds the lots that left the plant long ago, once a day."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        floor.handlers["fold"] = self._fold

    def open(self) -> None:
        """Begin at the epoch."""
        self._floor.clock.schedule(DAY, "fold")

    def _fold(self, _: str) -> None:
        state, oldest = self._floor.state, self._floor.now - self._floor.spec.trace_d * DAY
        present = masses(state)
        aged = takewhile(lambda item: item[1].made < oldest, state.lots.items())
        for name in [name for name, _ in aged if name not in present]:
            del state.lots[name]
        self._floor.clock.schedule(DAY, "fold")


def contents(state: PlantState, lot: str) -> dict[str, float]:
    """Mass in kg by lot of all that went into a lot, itself first. What went round as rework counts in each round."""
    shares = {lot: _known(state, lot).mass}
    for name in reversed(_line_of(state, lot)):
        record, mass = state.lots[name], shares[name]
        for source, taken in record.sources:
            shares[source] = shares.get(source, 0.0) + mass * taken / record.mass
    return shares


def origins(state: PlantState, lot: str) -> dict[str, float]:
    """Mass in kg by delivery (or first stock, or folded lot) in a lot; the sum is the lot's mass."""
    found = contents(state, lot)
    return {name: mass for name, mass in found.items() if name not in state.lots or not state.lots[name].sources}


def fate(state: PlantState, lot: str) -> Fate:
    """Where the mass of a lot is now."""
    share, left = {lot: 1.0}, masses(state)
    cases, inside, lost, folded = dict[str, float](), dict[str, float](), 0.0, 0.0
    _known(state, lot)
    followed = _given(state)
    for name in _lots_with(state, share):
        record, part = state.lots[name], share[name]
        here = left.get(name, 0.0)
        if record.cases:
            cases[name] = part * record.mass
            continue
        if here:
            inside[name] = part * here
        lost += part * (record.mass - record.given - here)
        folded += part * (record.given - followed.get(name, 0.0))
    return Fate(cases, inside, lost, folded)


def shipments(state: PlantState, lot: str) -> list[Shipment]:
    """Who got cases that hold some of a lot."""
    held = fate(state, lot).cases
    return [Shipment(name, *shipped) for name in held for shipped in state.lots[name].shipped]


def recall(state: PlantState, lot: str) -> Recall:
    """All cases and customers that hold some of a lot, from a delivery to a packed lot, and the deliveries in it."""
    lots = {name: state.lots[name] for name in fate(state, lot).cases}
    packed = tuple(
        Packed(name, record.cases, record.cases - sum(cases for _, _, cases in record.shipped))
        for name, record in lots.items()
    )
    return Recall(packed, tuple(shipments(state, lot)), origins(state, lot))


def masses(state: PlantState) -> dict[str, float]:
    """Mass in kg of each lot that is in the plant now."""
    found: dict[str, float] = {}
    for name, mass in _present(state):
        found[name] = found.get(name, 0.0) + mass
    return found


def _present(state: PlantState) -> Iterator[tuple[str, float]]:
    for buffer in state.buffers.values():
        yield from ((lot.id, lot.mass) for lots in (buffer.lots, buffer.transit) for lot in lots)
    for unit in state.units.values():
        yield from unit.open_cases.items()
        if unit.job and unit.job.lot:
            yield unit.job.lot.id, unit.job.lot.mass


def _lots_with(state: PlantState, share: dict[str, float]) -> Iterator[str]:
    """The lots that hold some of those in `share`, oldest first; their shares are put in on the way."""
    for name, record in state.lots.items():  # in the order in which they were made
        if name not in share:
            mass = sum(taken * share[source] for source, taken in record.sources if source in share)
            if not mass:
                continue
            share[name] = mass / record.mass
        yield name


def _line_of(state: PlantState, lot: str) -> list[str]:
    """A lot and its known ancestors, oldest first."""
    family = {lot}
    for name in reversed(state.lots):
        if name in family:
            family.update(source for source, _ in state.lots[name].sources)
    return [name for name in state.lots if name in family]


def _given(state: PlantState) -> dict[str, float]:
    """Mass in kg by lot that went into lots which can still be followed."""
    given: dict[str, float] = {}
    for record in state.lots.values():
        for source, taken in record.sources:
            given[source] = given.get(source, 0.0) + taken
    return given


def _known(state: PlantState, lot: str) -> Record:
    if lot not in state.lots:
        raise UnknownLotError(f"nobody knows the lot {lot!r}: it never was, or left the plant long ago")
    return state.lots[lot]
