"""What the stations share: the loop from phase to phase, taking in, sending on, setting up."""

from __future__ import annotations

from abc import ABC, abstractmethod

from plant_model.activity import Activity
from plant_model.capacity import planned_seconds
from plant_model.costs import SCRAPPED, scrap_value
from plant_model.equipment import Triangular
from plant_model.floor import Floor
from plant_model.machine import Verdict
from plant_model.randomness import triangular
from plant_model.state import Job, Lot, Unit


class Workplace(ABC):
    """A station. `begin` and `end` change the unit and return None to go on, or the verdict that it must wait."""

    def __init__(self, floor: Floor, name: str) -> None:
        self.floor = floor
        self.spec = floor.spec
        self.name = name
        self._planned: dict[str, float] = {}
        self._values: dict[str, float] = {}

    @property
    def transport_min(self) -> float:
        """Minutes until what leaves is at the next station."""
        return self.spec.flow[self.name].transport_min

    @abstractmethod
    def begin(self, unit: Unit) -> Verdict | None:
        """Give an idle unit a job."""

    @abstractmethod
    def end(self, unit: Unit, job: Job) -> Verdict | None:
        """Leave the phase that is done: for the next one, or for no job."""

    def proceed(self, unit: Unit) -> Verdict:
        """End what is done, begin what can begin, and say what the machine does now."""
        verdict: Verdict | None = None
        while verdict is None:
            job = unit.job
            if job is None:
                verdict = self.floor.before_work(unit) or self.begin(unit)
            elif job.remaining > 0.0:
                verdict = job.activity, ""
            else:
                verdict = self.end(unit, job)
        return verdict

    def start(self, unit: Unit, phase: str, seconds: float, lot: Lot, planned: float) -> Job:
        """Give the unit a phase of work of this nominal time."""
        factor = triangular(self.floor.stream(f"{unit.name}.time"), self.spec.time_factor)
        unit.job = Job(phase, Activity.Running, lot.material, seconds * factor, seconds * factor, planned, lot)
        unit.lot = lot.id
        unit.first, unit.fresh = unit.fresh, False
        return unit.job

    def set_up(self, unit: Unit, phase: Activity, seconds: float, product: str) -> None:
        """Give the unit a setup to do, for a product."""
        unit.job = Job(phase.name, phase, product, seconds, seconds)

    def change_over(self, unit: Unit, shape: Triangular, product: str) -> None:
        """Begin a changeover to a product."""
        minutes = triangular(self.floor.stream(f"{unit.name}.changeover"), shape)
        self.set_up(unit, Activity.Changeover, minutes * 60.0, product)

    def end_setup(self, unit: Unit, job: Job) -> None:
        """After a changeover comes the cleaning when an allergen must go; then the unit is ready for the product."""
        products = self.spec.products
        strange = unit.product and products[unit.product].allergens - products[job.product].allergens
        if job.activity is Activity.Changeover and strange:
            self.set_up(unit, Activity.Cleaning, self.spec.sequence.allergen_cleaning_h * 3600.0, job.product)
        else:
            unit.product, unit.job = job.product, None

    def take_in(self, unit: Unit, inlet: str, mass: float, material: str) -> Lot | None:
        """A new lot of this mass from a buffer, or None while there is not enough."""
        if self.floor.buffer(inlet).level < mass:
            return None
        pieces = self.floor.withdraw(inlet, mass)
        lot = self.floor.join(pieces, self.name, material)
        unit.ledger.taken += lot.mass
        return lot

    def pass_on(self, unit: Unit, lot: Lot, outlet: str, waste: dict[str, float]) -> bool:
        """Send what the lot became to the outlet, book the rest as waste; False while there is no room."""
        mass = lot.mass - sum(waste.values())
        if not self.floor.buffer(outlet).fits(mass):
            return False
        self.finish(unit, lot.mass)
        for kind, lost in waste.items():
            self.discard(unit, kind, lost)
        unit.ledger.made += mass
        lot.mass, lot.made = mass, self.floor.now
        self.floor.send(lot, outlet, self.transport_min)
        return True

    def finish(self, unit: Unit, mass: float) -> None:
        """Book the job that is done: this mass was processed."""
        job = unit.job
        assert job is not None  # it is done, so it is there
        unit.ledger.processed += mass
        unit.ledger.earned += job.planned
        unit.job = None

    def discard(self, unit: Unit, kind: str, mass: float) -> None:
        """Book mass that leaves the plant, and the material that was lost where it is scrap."""
        unit.ledger.waste[kind] = unit.ledger.waste.get(kind, 0.0) + mass
        if kind in SCRAPPED:
            self.floor.state.books.money.scrapped += mass * self._value(unit.product)

    def reject(self, unit: Unit, mass: float, product: str) -> None:
        """Book mass that was processed in vain."""
        unit.ledger.defective += mass
        unit.ledger.lost += mass * self.planned(product)
        unit.ledger.start_up_lost += mass * self.planned(product) * unit.first

    def planned(self, product: str) -> float:
        """PRI: ideal seconds per kg."""
        if product not in self._planned:
            self._planned[product] = planned_seconds(self.spec, self.name, product)
        return self._planned[product]

    def _value(self, product: str) -> float:
        """EUR/kg of what is scrapped here."""
        if product not in self._values:
            self._values[product] = scrap_value(self.spec, product)
        return self._values[product]

    def idle(self, culprit: str) -> Verdict:
        """Nothing to work on: starved, or without order when the line has none."""
        without = self.floor.state.campaign.waiting == "Order"
        return (Activity.NoOrder, "") if without else (Activity.Starved, culprit)
