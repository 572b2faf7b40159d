"""Moulding: bars are deposited, cooled and inspected."""

from __future__ import annotations

import math

from plant_model.activity import Activity
from plant_model.capacity import constraint_seconds
from plant_model.equipment import Stations
from plant_model.floor import Floor
from plant_model.laboratory import QUALITIES
from plant_model.layout import BARS, rework, tunnel_kg, wrapper_names
from plant_model.ledgers import UNMEASURED
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
        self._ideal = constraint_seconds(self.spec)

    def begin(self, unit: Unit) -> Verdict | None:
        """Take the next lot from the hopper; set up first when it is another product."""
        hopper, moulding = self.floor.buffer("Hopper"), self.spec.stations.Moulding
        if not hopper.lots:
            return self.idle("Tempering")
        if hopper.product != unit.product:
            self.change_over(unit, moulding.changeover_min, hopper.product)
            self.floor.stir(*wrapper_names(self.spec))  # they may set up as well
            return None
        lot = self.take_in(unit, "Hopper", hopper.lots[0].mass, unit.product)
        assert lot is not None  # the hopper has it
        seconds = lot.mass / moulding.rate_kg_h * 3600.0
        self.start(unit, "Moulding", seconds, lot, lot.mass * self.planned(unit.product))
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Cool and inspect a lot; the good bars go to the wrappers."""
        if job.activity is not Activity.Running:
            self.end_setup(unit, job)
            return None
        lot = job.lot
        assert lot is not None  # a lot was taken
        if not self.floor.buffer(BARS).fits(lot.mass):
            return Activity.Blocked, "Wrapping"
        self.finish(unit, lot.mass)
        self._measure(lot)
        lot.mass -= self._inspect(unit, lot)
        lot.made = self.floor.now
        unit.ledger.made += lot.mass
        self.floor.send(lot, BARS, self.spec.stations.Moulding.tunnel_min)
        return None

    def _inspect(self, unit: Unit, lot: Lot) -> float:
        """Sort the rejects out; returns their mass."""
        moulding, stream = self.spec.stations.Moulding, self.floor.stream("Moulding.quality")
        usual = float(1.0 - stream.beta(moulding.good_alpha, moulding.good_beta))
        causes = reject_shares(self.spec.stations, usual, lot)
        share = sum(causes.values())
        bad = lot.mass * share
        pieces = round(bad * 1000.0 / moulding.fill_g)
        shares = tuple([part / share if share else 0.0 for part in causes.values()])
        for cause, count in zip(causes, split(stream, pieces, shares), strict=True):
            unit.ledger.rejects[cause] = unit.ledger.rejects.get(cause, 0) + count
        books, ideal = self.floor.state.books, self._ideal[lot.material]
        books.earned += bad * ideal
        books.lost += bad * ideal
        self.reject(unit, bad, lot.material)
        self._return(unit, lot, bad)
        return bad

    def _measure(self, lot: Lot) -> None:
        """Take a sample of the lot to the laboratory."""
        stream, state = self.floor.stream("Moulding.laboratory"), self.floor.state
        means = (self.spec.stations.Moulding.fill_g, lot.temper, lot.fineness, lot.moisture)
        for name, mean, off in zip(QUALITIES, means, stream.standard_normal(len(means)).tolist(), strict=True):
            value = mean + self.spec.quality[name].sd * off
            state.measured[name] = state.measured.get(name, UNMEASURED).add(value)

    def _return(self, unit: Unit, lot: Lot, bad: float) -> None:
        """Send bars back to mixing as far as allowed, scrap the others."""
        store = self.floor.buffer(rework(unit.product))
        again = min(bad * self.spec.stations.Moulding.rework_share, store.room)
        unit.ledger.made += again
        unit.ledger.reworked += again
        self.discard(unit, "Scrap", bad - again)
        if again > 0.0:
            number = self.floor.number("Rework")
            back = Lot(number, unit.product, again, self.floor.now, lot.moisture, sources=((lot.id, again),))
            self.floor.put(back, store.name)


def reject_shares(stations: Stations, usual: float, lot: Lot) -> dict[str, float]:
    """Rejected share of a lot by cause: usual ones, grit, bubbles of thick mass, bloom and softness of bad temper."""
    moulding, (low, high) = stations.Moulding, stations.Tempering.temper_index
    off = max(low - lot.temper, lot.temper - high, 0.0) * moulding.temper_share / 2.0
    more = {
        "Bloom": off,
        "Soft": off,
        "Grit": moulding.grit_share * felt(lot.fineness - moulding.grit_um),
        "Bubbles": moulding.thick_share * max(lot.thickness - 1.0, 0.0),
    }
    shares = {cause: usual * share + more.get(cause, 0.0) for cause, share in moulding.causes.items()}
    whole = sum(shares.values())
    return {cause: share / whole for cause, share in shares.items()} if whole > 1.0 else shares


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
            still=True,
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
            still=True,
        ),
        *(_wrapper(name, moulding.wrapper.bars_per_min) for name in wrapper_names(spec)),
        level("HopperLevel", "Hopper", spec.buffers.Hopper.capacity_kg, "Tempered mass before the depositor", 1.0),
        Sensor(
            group="Process",
            name="TunnelLoad",
            value=lambda v: v.state.buffers[BARS].moving,
            description="Bars in the cooling tunnel, those included that stand at its end",
            unit="KGM",
            low=0.0,
            high=spec.buffers.BarBuffer.capacity_kg + tunnel_kg(spec),
            period_s=5.0,
            still=True,
        ),
        level("BarBufferLevel", BARS, spec.buffers.BarBuffer.capacity_kg, "Bars before the wrappers", 1.0),
        process("BarBufferTime", "SEC", 0, 1e6, waited, "How long the oldest bars have waited there", period_s=5),
        counter("CasesOut", lambda v: v.state.books.good_cases, "Cases packed"),
        counter("MinorStops", minor_stops, "Stops of the line and its wrappers shorter than the limit for minor ones"),
        *map(_rejects, moulding.causes),
    )


def _tunnel(number: int, celsius: float) -> Sensor[View]:
    name, words = f"TunnelTemperature{number}", f"Air in part {number} of the cooling tunnel"
    return process(name, "CEL", 0, 25, lambda v: v.warmed(celsius), words, period_s=2, noise=0.15)


def _wrapper(name: str, bars_per_min: float) -> Sensor[View]:
    words = f"Bars per minute of {name}"
    return process(
        f"{name}Speed",
        "C94",
        0,
        120,
        lambda v: bars_per_min * speed(v.state.units[name]),
        words,
        noise=0.5,
        still=True,
    )


def speed(unit: Unit) -> float:
    """Share of the design speed at which a machine runs now."""
    return unit.control.share if unit.activity is Activity.Running else 0.0


def waited(view: View) -> float:
    """Seconds that the oldest bars have waited since they came out of the tunnel."""
    bars = view.state.buffers[BARS].lots
    return max(view.now - bars[0].made - 60.0 * view.spec.stations.Moulding.tunnel_min, 0.0) if bars else 0.0


def minor_stops(view: View) -> int:
    """Of all machines of the station."""
    return sum(unit.ledger.minor_stops for unit in view.state.units.values() if unit.station == view.unit.station)


def _rejects(cause: str) -> Sensor[View]:
    words = f"Bars rejected by the camera: {cause.lower()}"
    return counter(f"Rejects{cause}", lambda v: v.unit.ledger.rejects.get(cause, 0), words)
