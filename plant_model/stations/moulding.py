"""Moulding: bars are deposited, cooled, inspected, wrapped and packed into cases."""

from __future__ import annotations

import math

from plant_model import flow
from plant_model.activity import Activity
from plant_model.capacity import constraint, line_seconds
from plant_model.equipment import Stations
from plant_model.floor import Floor
from plant_model.laboratory import QUALITIES
from plant_model.layout import finished, rework
from plant_model.ledgers import Spread
from plant_model.machine import Verdict
from plant_model.randomness import split
from plant_model.sensing import Sensor, View, counter, level, process
from plant_model.spec import PlantSpec
from plant_model.state import Job, Lot, Unit
from plant_model.stations.base import Workplace


class Moulding(Workplace):
    """Continuous; part of the rejected bars goes back to mixing, the rest is scrap."""

    def __init__(self, floor: Floor, name: str) -> None:
        super().__init__(floor, name)
        station = constraint(self.spec)
        self._ideal = {product: line_seconds(self.spec, station, product) for product in self.spec.products}

    def begin(self, unit: Unit) -> Verdict | None:
        """Take the next lot from the hopper; set up first when it is another product."""
        hopper, moulding = self.floor.buffer("Hopper"), self.spec.stations.Moulding
        if not hopper.lots:
            return self.idle("Tempering")
        if hopper.product != unit.product:
            self.change_over(unit, moulding.changeover_min, hopper.product)
            return None
        lot = self.take_in(unit, "Hopper", hopper.lots[0].mass, unit.product)
        assert lot is not None  # the hopper has it
        seconds = lot.mass / moulding.rate_kg_h * 3600.0
        self.start(unit, "Moulding", seconds, lot, lot.mass * self.planned(unit.product))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Inspect and pack a lot; open cases are emptied before another product comes."""
        if job.activity is not Activity.Running:
            if job.activity is Activity.Changeover and unit.loose > 0.0:
                pieces, unit.open_cases = unit.open_cases, {}
                self._return(unit, pieces)
            self.end_setup(unit, job)
            return None
        assert job.lot is not None  # a lot was taken
        if not self.floor.buffer(finished(job.product)).fits(job.lot.mass + unit.loose):
            return Activity.Blocked, "Warehouse"
        self.finish(unit, job.lot.mass)
        self._measure(job.lot)
        bad = self._inspect(unit, job.lot)
        self._pack(unit, job.lot, job.lot.mass - bad)
        return None

    def _inspect(self, unit: Unit, lot: Lot) -> float:
        """Sort the rejects out; returns their mass."""
        moulding, stream = self.spec.stations.Moulding, self.floor.stream("Moulding.quality")
        usual = float(1.0 - stream.beta(moulding.good_alpha, moulding.good_beta))
        causes = reject_shares(self.spec.stations, usual, lot)
        share = sum(causes.values())
        bad = lot.mass * share
        pieces = round(bad * 1000.0 / moulding.fill_g)
        shares = tuple(part / share if share else 0.0 for part in causes.values())
        for cause, count in zip(causes, split(stream, pieces, shares), strict=True):
            unit.ledger.rejects[cause] = unit.ledger.rejects.get(cause, 0) + count
        books, ideal = self.floor.state.books, self._ideal[lot.material]
        books.earned += lot.mass * ideal
        books.lost += bad * ideal
        self.reject(unit, bad, lot.material)
        self._return(unit, {lot.id: bad})
        return bad

    def _measure(self, lot: Lot) -> None:
        """Take a sample of the lot to the laboratory."""
        stream, state = self.floor.stream("Moulding.laboratory"), self.floor.state
        means = (self.spec.stations.Moulding.fill_g, lot.temper, lot.fineness, lot.moisture)
        for name, mean, off in zip(QUALITIES, means, stream.standard_normal(len(means)).tolist(), strict=True):
            value = mean + self.spec.quality[name].sd * off
            state.measured[name] = state.measured.get(name, Spread()).add(value)

    def _return(self, unit: Unit, pieces: dict[str, float]) -> None:
        """Send bars back to mixing as far as allowed, scrap the others."""
        store, mass = self.floor.buffer(rework(unit.product)), sum(pieces.values())
        again = min(mass * self.spec.stations.Moulding.rework_share, store.room)
        unit.ledger.made += again
        unit.ledger.reworked += again
        self.discard(unit, "Scrap", mass - again)
        if again > 0.0:
            sources = tuple((name, part * again / mass) for name, part in pieces.items())
            lot = Lot(self.floor.number("Rework"), unit.product, again, self.floor.now, sources=sources)
            self.floor.put(lot, store.name)

    def _pack(self, unit: Unit, lot: Lot, good: float) -> None:
        """Fill cases; what is left over waits loose for the next lot."""
        moulding, books = self.spec.stations.Moulding, self.floor.state.books
        unit.open_cases[lot.id] = good
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
        minutes = moulding.tunnel_min + self.spec.flow[self.name].transport_min
        self.floor.send(packed, finished(lot.material), minutes)


def reject_shares(stations: Stations, usual: float, lot: Lot) -> dict[str, float]:
    """Rejected share of a lot by cause: what is usual, grit of coarse mass, bloom and softness of bad temper."""
    moulding, (low, high) = stations.Moulding, stations.Tempering.temper_index
    off = max(low - lot.temper, lot.temper - high, 0.0) * moulding.temper_share / 2.0
    more = {"Bloom": off, "Soft": off, "Grit": moulding.grit_share * felt(lot.fineness - moulding.grit_um)}
    shares = {cause: usual * share + more.get(cause, 0.0) for cause, share in moulding.causes.items()}
    whole = max(sum(shares.values()), 1.0)
    return {cause: share / whole for cause, share in shares.items()}


def felt(excess_um: float) -> float:
    """Share of the tasters that feel grit in mass of this D90 above the middle one (normal distribution)."""
    return 0.5 + 0.5 * math.erf(excess_um / GRIT_SD_UM / math.sqrt(2.0))


GRIT_SD_UM = 1.5
"""By how much tasters differ, um D90, EST: above 25-30 um everybody calls it gritty [16]."""
TUNNEL_OFFSETS = (3.0, 0.0, 2.0)
"""°C that the three parts of the tunnel are above its temperature, EST."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of moulding and packing; plant.md (a), sensors."""
    moulding = spec.stations.Moulding
    bars_per_min = moulding.rate_kg_h * 1000.0 / moulding.fill_g / 60.0
    return (
        *(_tunnel(number, moulding.tunnel_celsius + c) for number, c in enumerate(TUNNEL_OFFSETS, 1)),
        process(
            "TunnelHumidity",
            "P1",
            20,
            90,
            lambda v: 62.0 - 14.0 * v.warmth,
            "Humidity in the tunnel",
            period_s=10,
            noise=0.5,
        ),
        process(
            "MouldsPerMinute",
            "C94",
            0,
            25,
            lambda v: bars_per_min / moulding.mould_bars * v.on,
            "Moulds filled per minute",
            noise=0.05,
        ),
        process(
            "BarWeight",
            "GRM",
            90,
            115,
            lambda _: moulding.fill_g,
            "Weight of a bar, a sample each time",
            period_s=10,
            noise=moulding.fill_sd_g,
        ),
        *(_wrapper(i + 1, bars_per_min / moulding.wrappers) for i in range(moulding.wrappers)),
        level("HopperLevel", "Hopper", spec.buffers.Hopper.capacity_kg, "Tempered mass before the depositor", 1.0),
        Sensor(
            group="Process",
            name="TunnelLoad",
            value=lambda v: sum(v.state.buffers[finished(product)].moving for product in spec.products),
            description="Bars in the cooling tunnel and on the way to the warehouse",
            unit="KGM",
            low=0.0,
            high=4000.0,
            period_s=5.0,
            still=True,
        ),
        counter("CasesOut", lambda v: v.state.books.good_cases, "Cases packed"),
        counter("MinorStops", lambda v: v.unit.ledger.minor_stops, "Stops shorter than the limit for minor ones"),
        *map(_rejects, moulding.causes),
    )


def _tunnel(number: int, celsius: float) -> Sensor[View]:
    name, words = f"TunnelTemperature{number}", f"Air in part {number} of the cooling tunnel"
    return process(name, "CEL", 0, 25, lambda v: v.warmed(celsius), words, period_s=2, noise=0.15)


def _wrapper(number: int, bars_per_min: float) -> Sensor[View]:
    words = f"Bars per minute of wrapper {number}"
    return process(f"Wrapper{number}Speed", "C94", 0, 120, lambda v: bars_per_min * v.on, words, noise=0.5)


def _rejects(cause: str) -> Sensor[View]:
    words = f"Bars rejected by the camera: {cause.lower()}"
    return counter(f"Rejects{cause}", lambda v: v.unit.ledger.rejects.get(cause, 0), words)
