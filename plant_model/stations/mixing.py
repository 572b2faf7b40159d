"""Refining: the five-roll refiner grinds the kneaded batch fine and fills a conche."""

from __future__ import annotations

from plant_model.activity import Activity
from plant_model.capacity import refining_seconds
from plant_model.equipment import MixingSpec
from plant_model.floor import Floor
from plant_model.layout import FEED, KNEADER, conche_names
from plant_model.machine import Verdict
from plant_model.sensing import Sensor, View, level, process
from plant_model.spec import PlantSpec
from plant_model.state import Buffer, Job, Lot, Unit
from plant_model.stations.base import Workplace
from plant_model.stations.dosing import usual_batch


class Mixing(Workplace):
    """Batch; it follows the kneader."""

    def __init__(self, floor: Floor, name: str) -> None:
        super().__init__(floor, name)
        self._usual = {product: usual_batch(self.spec, product) for product in self.spec.products}

    def begin(self, unit: Unit) -> Verdict | None:
        """Set up for what comes, or refine a batch into a conche."""
        product = self._coming()
        if product and product != unit.product:
            self.change_over(unit, self.spec.stations.Mixing.changeover_min, product)
            return None
        feed = self.floor.buffer(FEED)
        if not feed.lots:
            return self.idle(KNEADER)
        vessel = self._vessel(feed.lots[0])
        if vessel is None:
            return Activity.Blocked, "Conching"
        self._refine(unit, vessel)
        return None

    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Changeover, (cleaning,) or a batch that goes into its conche."""
        if job.activity is not Activity.Running:
            self._renew_rolls(unit, job)
            return None
        assert job.lot is not None  # a batch is one
        mixing, usual = self.spec.stations.Mixing, self._usual[job.product]
        unit.ledger.made += job.lot.mass
        unit.tool_age += job.duration * mixing.shell_wear * (job.lot.shell - usual.shell)
        coarse = job.lot.fineness - usual.fineness
        job.lot.fineness = refined_um(mixing, unit.tool_age / 3600.0, coarse)
        self.finish(unit, job.lot.mass)
        self.floor.send(job.lot, job.target, self.transport_min)
        return None

    def _coming(self) -> str:
        """The product that waits, else the one that the kneader has turned to."""
        kneader = self.floor.state.units[KNEADER]
        return self.floor.buffer(FEED).product or (kneader.job.product if kneader.job else kneader.product)

    def _refine(self, unit: Unit, vessel: Buffer) -> None:
        lot = self.floor.withdraw(FEED, self.floor.buffer(FEED).lots[0].mass)[0]
        unit.ledger.taken += lot.mass
        vessel.reserved[lot.id] = lot.mass
        seconds = refining_seconds(self.spec)
        self.start(unit, "Refining", seconds, lot, seconds).target = vessel.name
        self.floor.stir(vessel.name)  # the conche turns while it is filled

    def _vessel(self, lot: Lot) -> Buffer | None:
        """A conche that is being filled with this product, else an empty one; one that stands still only if it must."""
        vessels = [self.floor.buffer(name) for name in conche_names(self.spec)]
        begun = [vessel for vessel in vessels if vessel.product == lot.material]
        empty = [vessel for vessel in vessels if not vessel.product and not vessel.reserved]
        fitting = (vessel for vessel in begun + empty if vessel.fits(lot.mass))
        return min(fitting, key=lambda vessel: stands_still(self.floor.state.units[vessel.name]), default=None)

    def _renew_rolls(self, unit: Unit, job: Job) -> None:
        """Exchange worn rolls within a changeover; then end the setup."""
        mixing = self.spec.stations.Mixing
        if unit.tool_age > mixing.roll_life_h * 3600.0:
            unit.tool_age = 0.0
            self.set_up(unit, Activity.Changeover, mixing.roll_exchange_h * 3600.0, job.product)
        else:
            self.end_setup(unit, job)


def stands_still(unit: Unit) -> bool:
    """Whether a machine is broken, under maintenance, or kept from working by the operator."""
    return unit.repair is not None or unit.control.kept is not None


ROLLS_CELSIUS = (30.0, 35.0, 40.0, 45.0, 40.0)
"""[15]."""


def sensors(spec: PlantSpec) -> tuple[Sensor[View], ...]:
    """The process values of refining; plant.md (a), sensors."""
    mixing = spec.stations.Mixing
    usual = {product: usual_batch(spec, product).fineness for product in spec.products}
    rolls = (_roll(number, celsius) for number, celsius in enumerate(ROLLS_CELSIUS, 1))
    return (
        *rolls,
        process(
            "RollPressure",
            "BAR",
            0,
            80,
            lambda v: 45.0 * v.on * (v.phase == "Refining"),
            "Pressure of the rolls",
            noise=0.5,
            still=True,
        ),
        process(
            "FinenessD90",
            "4H",
            10,
            60,
            lambda v: refined_um(mixing, v.tool_hours, v.lot.fineness - usual[v.lot.material] if v.lot else 0.0),
            "D90 behind the refiner; rises as the rolls wear, and with coarse liquor",
            period_s=60,
            noise=0.25,
        ),
        process(
            "RollHours",
            "HUR",
            0,
            5000,
            lambda v: v.tool_hours,
            "Hours of wear since the rolls were exchanged: of operation, more when there is much shell",
            period_s=60,
        ),
        level("FeedLevel", FEED, 1.05 * mixing.batch_kg, "Kneaded mass before the refiner"),
    )


def _roll(number: int, celsius: float) -> Sensor[View]:
    words = f"Surface of roll {number}"
    return process(f"RollTemperature{number}", "CEL", 15, 60, lambda v: v.warmed(celsius), words, period_s=2, noise=0.3)


def refined_um(mixing: MixingSpec, hours: float, coarse_um: float = 0.0) -> float:
    """D90 behind rolls of so many hours of wear, of a batch that came coarser than usual by so much."""
    return mixing.d90_fresh_um + mixing.d90_wear_um_per_h * hours + mixing.d90_feed * coarse_um
