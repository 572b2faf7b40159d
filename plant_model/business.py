"""Who the plant deals with and what it pays: suppliers, order policies, customers, rates, power."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from plant_model.equipment import ROUNDING
from plant_model.packml import State
from plant_model.schema import Count, NotNegative, Percent, Positive, Problem, Share

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplier:
    """Who delivers a material: price, gamma lead time, and how far one can rely on it."""

    material: str
    price_usd_per_t: Positive
    lead_d: Positive
    lead_cv: NotNegative
    minimum_kg: NotNegative = 0.0  # a smaller order is raised to it
    late_share: Share = 0.0  # of the deliveries; these come `late_d` later on average (exponential)
    late_d: NotNegative = 0.0
    short_share: Share = 0.0  # of the deliveries; these come in two parts
    reject_share: Share = 0.0  # of the deliveries: sent back for what is not modelled (packing, papers, smell)
    moisture_percent: Percent = 0.0
    moisture_sd: NotNegative = 0.0
    foreign_factor: NotNegative = 1.0  # foreign matter of its beans, by that of the usual ones

    @property
    def expected_lead_d(self) -> float:
        """Mean days from order to arrival, lateness included."""
        return self.lead_d + self.late_share * self.late_d

    @property
    def reliability(self) -> float:
        """Share of the deliveries that come whole, in time and are taken."""
        return (1.0 - self.late_share) * (1.0 - self.short_share) * (1.0 - self.reject_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What counts in the score of a supplier."""

    price: NotNegative = 0.5
    lead: NotNegative = 0.3
    reliability: NotNegative = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When, how much and from whom. Below `reorder_kg` in stock and on order more is ordered.

    With `quantity_kg` that much at a time (s, Q), with `up_to_kg` what is missing up to it (s, S).
    """

    suppliers: tuple[str, ...]  # in order of preference
    reorder_kg: NotNegative
    quantity_kg: NotNegative = 0.0
    up_to_kg: NotNegative = 0.0
    choice: Literal["first", "cheapest", "fastest", "score", "split"] = "first"
    weights: Weights = field(default_factory=Weights)
    second_source_after_d: NotNegative | None = None  # a delivery that late is ordered again elsewhere

    def problems(self) -> Iterator[Problem]:
        """Say whether it is clear how much to order, and from whom."""
        if (self.quantity_kg > 0.0) == (self.up_to_kg > 0.0):
            yield Problem((), "must have either quantity_kg, for (s, Q), or up_to_kg, for (s, S)")
        if 0.0 < self.up_to_kg < self.reorder_kg:
            yield Problem(("up_to_kg",), f"is below reorder_kg, {self.reorder_kg:g}: an order would not fill it up")
        if not self.suppliers:
            yield Problem(("suppliers",), "must name at least one supplier")
        if len(set(self.suppliers)) < len(self.suppliers):
            yield Problem(("suppliers",), "names a supplier twice")
        if self.second_source_after_d is not None and len(self.suppliers) == 1:
            yield Problem(("second_source_after_d",), "needs a second supplier")
        if self.weights.price + self.weights.lead + self.weights.reliability == 0.0:
            yield Problem(("weights",), "must not all be 0")


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
    products: Mapping[str, Share] = field(default_factory=dict)  # what they order; the products' shares if not given

    def problems(self) -> Iterator[Problem]:
        """Say whether somebody is there to order."""
        if not self.customers:
            yield Problem(("customers",), "must name at least one customer")
        total = sum(self.products.values())
        if self.products and abs(total - 1.0) > ROUNDING:
            yield Problem(("products",), f"must add up to 1, add up to {total:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Orders by class, the bulk threshold in cases, factors by month (1 where none is given)."""

    bulk_cases: Count
    classes: Mapping[str, OrderClass]
    season: Mapping[str, NotNegative] = field(default_factory=dict)
    stockout: Literal["backorder", "lost"] = "backorder"  # what becomes of cases that are not there
    partial: Literal["never", "due", "always"] = "due"  # when an order goes out in parts; "due": from its due date

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


@dataclass(frozen=True, kw_only=True)
class Power:
    """Share of the rated power that a machine draws by PackML state, and the base load of the hall."""

    Execute: Share
    Held: Share
    Suspended: Share
    Idle: Share
    Aborted: Share
    Stopped: Share
    base_load_kw: NotNegative

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """The share by number of the PackML state; an acting state draws like the waiting state that it belongs to."""
        return tuple(getattr(self, _DRAWS_LIKE.get(state, state).name, 0.0) for state in State)


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
