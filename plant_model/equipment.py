"""What the seven stations are: rates, sizes, times, failure modes. Units stand in the names, figures in the YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from plant_model.control_chart import ChartSpec
from plant_model.handling import MaintenancePlan
from plant_model.schema import Bounds, Count, NotNegative, Percent, Positive, Problem, Share

ROUNDING = 1e-6
"""By which shares that must add up to 1 may miss it."""
Celsius = Annotated[float, Bounds(low=-30.0, high=400.0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Triangular:
    """A triangular distribution; all three equal means no variation."""

    low: NotNegative
    mode: Positive
    high: Positive

    def problems(self) -> Iterator[Problem]:
        """Say whether the corners are out of order."""
        if self.low > self.mode or self.mode > self.high:
            yield Problem((), f"must rise: low {self.low:g}, mode {self.mode:g}, high {self.high:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMode:
    """Weibull time to failure on the operating clock or the calendar, lognormal time to repair."""

    mtbf_h: Positive
    shape: Positive  # Weibull k: 1 = no ageing
    mttr_h: Positive
    cv: NotNegative  # of the repair time
    clock: Literal["operating", "calendar"] = "operating"
    skill: str = "Mechanics"  # that a breakdown needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What every machine has."""

    power_kw: NotNegative
    failures: Mapping[str, FailureMode]
    maintenance: MaintenancePlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningSpec(Equipment):
    """Sieve, destoner and magnet: continuous."""

    lot_kg: Positive
    rate_kg_h: Positive
    keep: Share  # of the beans that come in
    foreign_percent: Percent  # mean foreign matter of a delivery
    foreign_sd: NotNegative
    foreign_limit_percent: Percent  # a lot above it is rejected
    moisture_limit_percent: Percent
    metal_share: Share  # of the lots in which the detector finds metal
    metal_kg: NotNegative  # beans that are diverted with it

    def problems(self) -> Iterator[Problem]:
        """Say whether more foreign matter comes in than may go."""
        if self.keep > 1.0 - self.foreign_percent / 100.0:
            yield Problem(("keep",), "leaves foreign matter in: it must not be above 1 - foreign_percent / 100")
        if self.metal_kg >= self.lot_kg * self.keep:
            yield Problem(("metal_kg",), "must be less than a lot")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoastingSpec(Equipment):
    """Batch drum roaster with cooling sieve. Moisture falls as (M0 - equilibrium) exp(-rate t) + equilibrium."""

    load_kg: Positive
    air_celsius: Celsius
    handling_min: Positive  # charge, cool, discharge
    drying_per_min: Positive  # at 120 °C …
    drying_per_kelvin: NotNegative  # … and by how much faster, exponentially, for each kelvin more
    equilibrium_percent: Percent
    target_percent: Percent
    gas_kwh_per_kg: NotNegative

    def problems(self) -> Iterator[Problem]:
        """Say whether the beans can reach the target."""
        if self.target_percent <= self.equilibrium_percent:
            yield Problem(("target_percent",), "must be above equilibrium_percent, or roasting never ends")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrindingSpec(Equipment):
    """Breaker, winnower and mill: continuous, roasted beans to liquor."""

    lot_kg: Positive
    rate_kg_h: Positive
    shell_share: Share  # of the beans
    shell_in_nib: Share  # what the winnower leaves in the nib when the beaters are new …
    shell_in_nib_per_h: NotNegative  # … and what each hour of wear adds
    nib_loss: Share  # nib that goes with the shell when the beaters are new …
    nib_loss_per_h: NotNegative  # … and what each hour of wear adds
    fineness_um: Positive  # D90 of the liquor with new beaters …
    shell_um: NotNegative  # … and what each percentage point more of shell in the nib adds: it is hard to mill
    beater_life_h: Positive
    beater_exchange_h: Positive

    def problems(self) -> Iterator[Problem]:
        """Say whether worn beaters leave any nib."""
        if self.nib_loss + self.nib_loss_per_h * self.beater_life_h >= 1.0:
            yield Problem(("nib_loss_per_h",), "loses all nib before beater_life_h")


@dataclass(frozen=True, slots=True, kw_only=True)
class KneaderSpec(Equipment):
    """The kneader, which doses and mixes the next batch while the refiner grinds the last one."""

    mix_min: Triangular
    dosing_sd: Share  # standard deviation of a dose, as a share of it
    changeover_min: Triangular


@dataclass(frozen=True, slots=True, kw_only=True)
class MixingSpec(Equipment):
    """Five-roll refiner that feeds a conche, and the kneader before it."""

    kneader: KneaderSpec
    batch_kg: Positive
    refiner_kg_h: Positive
    changeover_min: Triangular
    rework_share_max: Share
    d90_fresh_um: Positive
    d90_wear_um_per_h: NotNegative
    d90_feed: Share  # by how much the mass is coarser, for each um by which the batch is coarser than usual
    shell_wear: NotNegative  # more wear of the rolls for each percentage point more shell in the batch than usual
    roll_life_h: Positive  # rolls are exchanged at the first changeover beyond it
    roll_exchange_h: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class ConchingSpec(Equipment):
    """The conches, all alike."""

    machines: Count
    load_kg: Positive
    hours: Mapping[str, Positive]  # by product, conching proper: the least, which the aroma takes
    celsius: Mapping[str, Celsius]
    moisture_tau_h: Mapping[str, Positive]
    moisture_start_percent: Percent
    moisture_equilibrium_percent: Percent
    moisture_target_percent: Percent  # a load that is not so dry after its hours goes on until it is
    discharge_min: Positive
    keep: Share  # mass that is left when moisture and dust are gone

    def problems(self) -> Iterator[Problem]:
        """Say whether a load can get dry."""
        if self.moisture_target_percent <= self.moisture_equilibrium_percent:
            message = "must be above moisture_equilibrium_percent, or conching never ends"
            yield Problem(("moisture_target_percent",), message)


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperingSpec(Equipment):
    """Continuous tempering machine with three zones: melt, cool, reheat."""

    lot_kg: Positive
    rate_kg_h: Positive
    zones_celsius: Mapping[str, tuple[Celsius, Celsius, Celsius]]
    run_min_kg: Positive  # in a tank before the line changes over to it
    temper_index: tuple[Positive, Positive]
    chart: ChartSpec  # of the temper index, around the middle of its window

    @property
    def temper_target(self) -> float:
        """The middle of the window of the temper index."""
        low, high = self.temper_index
        return (low + high) / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapperSpec(Equipment):
    """The wrappers, all alike; each packs its bars into cases."""

    machines: Count
    bars_per_min: Positive  # each
    changeover_min: Triangular  # to another film


@dataclass(frozen=True, slots=True, kw_only=True)
class MouldingSpec(Equipment):
    """Depositor, cooling tunnel and camera, and the wrappers behind them."""

    wrapper: WrapperSpec
    rate_kg_h: Positive
    bar_g: Positive  # nominal
    fill_g: Positive  # mean of what is deposited
    fill_sd_g: NotNegative
    mould_bars: Count
    case_bars: Count
    tunnel_min: NotNegative
    tunnel_celsius: Celsius
    changeover_min: Triangular
    good_alpha: Positive  # the good share of a lot is beta distributed
    good_beta: Positive
    rework_share: Share  # of the rejects; the rest is scrap
    causes: Mapping[str, Share]  # of these rejects
    grit_um: Positive  # D90 at which half of the tasters feel grit
    grit_share: Share  # rejects for grit when everybody does
    thick_share: Share  # rejects for bubbles, for each 100 % that the mass is thicker than usual
    temper_share: Share  # rejects for bloom and softness for each unit that the temper index is off its window

    def problems(self) -> Iterator[Problem]:
        """Say whether causes add up and a bar is not under weight on average."""
        if abs(sum(self.causes.values()) - 1.0) > ROUNDING:
            yield Problem(("causes",), f"must add up to 1, add up to {sum(self.causes.values()):g}")
        if missing := {"Bloom", "Bubbles", "Soft", "Grit"} - self.causes.keys():
            yield Problem(("causes",), f"must name {', '.join(sorted(missing))}; a share may be 0")
        if self.fill_g < self.bar_g:
            yield Problem(("fill_g",), "is below bar_g: the mean bar would be under weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stations:
    """The line, in the order of the flow."""

    Cleaning: CleaningSpec
    Roasting: RoastingSpec
    Grinding: GrindingSpec
    Mixing: MixingSpec
    Conching: ConchingSpec
    Tempering: TemperingSpec
    Moulding: MouldingSpec

    def __getitem__(self, name: str) -> Equipment:
        """The equipment of a station or section by its name."""
        station, key = SECTIONS.get(name, (name, ""))
        own: Equipment = getattr(self, station)
        return getattr(own, key) if key else own

    def problems(self) -> Iterator[Problem]:
        """Say whether batches fit each other."""
        loads = self.Conching.load_kg / self.Mixing.batch_kg
        if loads < 1 or loads != int(loads):
            yield Problem(("Conching", "load_kg"), "must be a whole multiple of Mixing.batch_kg")


STATIONS = ("Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding")
"""Names of the stations in the order of the flow; browse names in OPC UA."""
SECTIONS = {"Kneading": ("Mixing", "kneader"), "Wrapping": ("Moulding", "wrapper")}
"""Machines that a station has beside its own, with equipment of their own: its station, and its key in the spec."""
FLOW = ("Cleaning", "Roasting", "Grinding", "Kneading", "Mixing", "Conching", "Tempering", "Moulding", "Wrapping")
"""Stations' own machines and those beside them, in the order of the flow."""


def spec_path(section: str) -> tuple[str, ...]:
    """Where the equipment of a section, or of a station's own machines, stands below `stations`."""
    return SECTIONS.get(section, (section,))
