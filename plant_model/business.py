"""Who the plant deals with and what it pays: suppliers, order policies, customers, rates, power."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from plant_model.packml import State
from plant_model.schema import Count, NotNegative, Percent, Positive, Problem, Share

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """Who delivers a material: price, gamma lead time."""

    material: str
    price_usd_per_t: Positive
    lead_d: Positive
    lead_cv: NotNegative
    moisture_percent: Percent = 0.0
    moisture_sd: NotNegative = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """(s, Q): below `reorder_kg` in stock and on order, `quantity_kg` more is ordered."""

    supplier: str
    reorder_kg: NotNegative
    quantity_kg: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """Who orders, and where the confirmation goes."""

    name: str
    address: str

    def problems(self) -> Iterator[Problem]:
        """Say whether the address is one."""
        if self.address and "@" not in self.address:
            yield Problem(("address",), f"must be an e-mail address, is {self.address!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderClass:
    """A Poisson stream of orders; cases = minimum + gamma(mean_extra, cv), rounded down."""

    per_day: NotNegative
    minimum_cases: Count
    mean_extra_cases: NotNegative
    cv: NotNegative
    due_d: Positive
    customers: tuple[Customer, ...]

    def problems(self) -> Iterator[Problem]:
        """Say whether somebody is there to order."""
        if not self.customers:
            yield Problem(("customers",), "must name at least one customer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Orders by class, the bulk threshold in cases, factors by month (1 where none is given)."""

    bulk_cases: Count
    classes: Mapping[str, OrderClass]
    season: Mapping[str, NotNegative] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Say which months do not exist."""
        for month in self.season:
            if month not in MONTHS:
                yield Problem(("season", month), f"is no month; months are {', '.join(MONTHS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Rates in EUR; materials are bought in USD at a fixed rate."""

    eur_per_usd: Positive
    labour_per_h: NotNegative
    electricity_per_kwh: NotNegative
    gas_per_kwh: NotNegative
    scrap_per_kg: NotNegative
    holding_per_year: Share
    packaging_per_case: NotNegative
    purchase_order: NotNegative
    backorder_per_case_day: NotNegative
    maintenance_per_h: NotNegative


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Share of the rated power that a machine draws by PackML state, and the base load of the hall."""

    Execute: Share
    Held: Share
    Suspended: Share
    Idle: Share
    Aborted: Share
    Stopped: Share
    base_load_kw: NotNegative

    @property
    def shares(self) -> tuple[float, ...]:
        """The share by number of the PackML state; an acting state draws like the waiting state that it belongs to."""
        return _shares(self)


@cache
def _shares(power: Power) -> tuple[float, ...]:
    return tuple(getattr(power, _DRAWS_LIKE.get(state, state).name, 0.0) for state in State)


_DRAWS_LIKE = {
    State.Starting: State.Execute,
    State.Completing: State.Execute,
    State.Holding: State.Held,
    State.Unholding: State.Held,
    State.Suspending: State.Suspended,
    State.Unsuspending: State.Suspended,
    State.Resetting: State.Idle,
    State.Complete: State.Idle,
    State.Stopping: State.Stopped,
    State.Clearing: State.Stopped,
    State.Aborting: State.Aborted,
}
