"""Lots in buffers: the first to expire, then the first in, leave first and are joined. Mass is never made nor lost."""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import fields
from operator import attrgetter

from plant_model.state import Buffer, Lot, mass_of

_EXPIRES = attrgetter("expires")
_FACTS = attrgetter(*(one.name for one in fields(Lot)))


def put(buffer: Buffer, lot: Lot) -> None:
    """Put a lot in: behind those that expire no later, so that the first to expire leaves first."""
    insort(buffer.lots, lot, key=_EXPIRES)


def take(buffer: Buffer, mass: float) -> list[Lot]:
    """Take the oldest `mass` kg out, or what there is."""
    pieces: list[Lot] = []
    left = mass
    while left > 0.0 and buffer.lots:
        oldest = buffer.lots[0]
        if oldest.mass <= left:
            pieces.append(buffer.lots.pop(0))
            left -= oldest.mass
        else:
            pieces.append(split(oldest, left))
            left = 0.0
    return pieces


def take_cases(buffer: Buffer, cases: int) -> list[Lot]:
    """Take the oldest packed cases out, or what there are."""
    pieces: list[Lot] = []
    left = cases
    while left > 0 and buffer.lots:
        oldest = buffer.lots[0]
        if oldest.cases <= left:
            pieces.append(buffer.lots.pop(0))
            left -= oldest.cases
        else:
            pieces.append(split(oldest, oldest.mass * left / oldest.cases, left))
            left = 0
    return pieces


def split(lot: Lot, mass: float, cases: int = 0) -> Lot:
    """A piece of a lot, which keeps the rest; half a dozen times as quick as `dataclasses.replace`."""
    piece = Lot(*_FACTS(lot))
    piece.mass, piece.cases = mass, cases
    lot.mass -= mass
    lot.cases -= cases
    return piece


def take_all(buffer: Buffer) -> list[Lot]:
    """Empty a buffer."""
    pieces, buffer.lots = buffer.lots, []
    return pieces


def value_of(pieces: Sequence[Lot]) -> float:
    """What they cost, in EUR."""
    return sum([piece.mass * piece.price for piece in pieces])


def join(pieces: Sequence[Lot], lot_id: str, material: str, now: float) -> Lot:
    """One new lot from pieces, with their mean qualities, and their ids as its sources."""
    mass = mass_of(pieces)
    parts: dict[str, float] = {}
    for piece in pieces:
        parts[piece.id] = parts.get(piece.id, 0.0) + piece.mass
    lot = Lot(lot_id, material, mass, now, sources=tuple(parts.items()))
    for piece in pieces:
        share = piece.mass / mass
        lot.moisture += share * piece.moisture
        lot.foreign += share * piece.foreign
        lot.fineness += share * piece.fineness
        lot.temper += share * piece.temper
        lot.shell += share * piece.shell
        lot.thickness += share * piece.thickness
    return lot


def take_pieces(pieces: dict[str, float], mass: float) -> dict[str, float]:
    """Take the oldest `mass` kg out of pieces by lot, or what there is."""
    taken: dict[str, float] = {}
    left = mass
    for name, part in list(pieces.items()):
        if part <= left:
            taken[name] = pieces.pop(name)
            left -= part
        elif left > 0.0:
            taken[name], pieces[name] = left, part - left
            left = 0.0
    return taken
