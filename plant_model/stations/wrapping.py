"""Wrapping: wrappers draw bars from their buffer, first in, first out, and pack them into cases."""

from __future__ import annotations

from plant_model import flow
from plant_model.activity import Activity
from plant_model.capacity import constraint_seconds
from plant_model.floor import Floor
from plant_model.layout import BARS, finished
from plant_model.machine import Verdict
from plant_model.state import Buffer, Job, Lot, Unit
from plant_model.stations.base import Workplace


class Wrapping(Workplace):
    """Continuous, several machines. They follow the moulding line."""

    def __init__(self, floor: Floor, name: str) -> None:
        super().__init__(floor, name)
        self._ideal = constraint_seconds(self.spec)

    @property
    def transport_min(self) -> float:
        """From the station to the warehouse."""
        return self.spec.flow["Moulding"].transport_min

    def begin(self, unit: Unit) -> Verdict | None:
        """Take the oldest bars; put another film in first when it is another product."""
        bars = self.floor.buffer(BARS)
        product = self._coming(bars)
        if product and product != unit.product:
            self.change_over(unit, self.spec.stations.Moulding.wrapper.changeover_min, product)
            return None
        if not bars.lots:
            return self.idle("Moulding")
        self._wrap(unit, bars)
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Pack what is wrapped; open cases are emptied before another product comes."""
        if job.activity is not Activity.Running:
            if job.activity is Activity.Changeover:
                self._scrap_open_cases(unit)
            self.end_setup(unit, job)
            return None
        lot = job.lot
        assert lot is not None  # bars were taken
        if not self.floor.buffer(finished(job.product)).fits(lot.mass + unit.loose):
            return Activity.Blocked, "Warehouse"
        self.finish(unit, lot.mass)
        self.floor.state.books.earned += lot.mass * self._ideal[lot.material]
        self._pack(unit, lot)
        return None

    def _coming(self, bars: Buffer) -> str:
        """The product that waits or is in the tunnel, else the one that the moulding line has turned to."""
        line = self.floor.state.units["Moulding"]
        return bars.product or (line.job.product if line.job else line.product)

    def _wrap(self, unit: Unit, bars: Buffer) -> None:
        """Begin with the oldest lot."""
        lot = self.floor.withdraw(BARS, bars.lots[0].mass)[0]
        unit.ledger.taken += lot.mass
        seconds = lot.mass * self.planned(lot.material)
        self.start(unit, "Wrapping", seconds, lot, seconds)

    def _pack(self, unit: Unit, lot: Lot) -> None:
        """Fill cases; what is left over waits loose for the next bars."""
        books = self.floor.state.books
        unit.open_cases[lot.id] = lot.mass
        cases = int(unit.loose / self.spec.case_kg)
        if cases == 0:
            return
        mass = cases * self.spec.case_kg
        sources = tuple(flow.take_pieces(unit.open_cases, mass).items())
        unit.ledger.made += mass
        books.good_cases += cases
        books.good_mass += mass
        number = self.floor.number("Packed")
        packed = self.floor.trace(Lot(number, lot.material, mass, self.floor.now, cases=cases, sources=sources))
        self.floor.send(packed, finished(lot.material), self.transport_min)

    def _scrap_open_cases(self, unit: Unit) -> None:
        """Bars that fill no case are in their film: they are no rework."""
        mass, unit.open_cases = unit.loose, {}
        if mass > 0.0:
            self.reject(unit, mass, unit.product)
            self.discard(unit, "Scrap", mass)
            self.floor.state.books.lost += mass * self._ideal[unit.product]
