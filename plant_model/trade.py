"""What changes in trade: deliveries, purchases, orders, stores and weather. Part of the plant's state."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Delivery:
    """Material on its way, or waiting at the gate for room."""

    id: str
    material: str
    supplier: str
    quantity: float
    ordered: float
    due: float
    arrived: bool = False


@dataclass(slots=True)
class Cycles:
    """Replenishment cycles, and in how many of them stock ran out."""

    done: int = 0
    failed: int = 0
    short: bool = False  # whether stock ran out in the present one

    def close(self) -> None:
        """A new cycle begins."""
        self.done += 1
        self.failed += self.short
        self.short = False

    @property
    def service(self) -> float:
        """Cycle service (alpha): share of the cycles, the present one included, in which stock did not run out."""
        return 1.0 - (self.failed + self.short) / (self.done + 1)


@dataclass(slots=True)
class Purchases:
    """What became of the orders of one material."""

    supplier: str = ""  # of the last order
    deliveries: int = 0  # unloaded
    late: int = 0
    short: int = 0
    rejected: int = 0
    cycles: Cycles = field(default_factory=Cycles)  # from one unloading to the next
    refused: str = ""  # whose delivery was sent back and is not ordered again yet


@dataclass(slots=True)
class Store:
    """The life of a warehouse store. It ages by a second in a second while its air is good, and faster in bad air."""

    aged: float = 0.0  # up to the last inspection
    expired: float = 0.0  # kg written off
    issued: float = 0.0  # kg used or shipped
    stocked: float = 0.0  # kg h, by what lay there at each full hour


@dataclass(frozen=True, slots=True)
class Weather:
    """How far the weather is from the season's: (K, % relative humidity) at `since`, and a day later. Never changed."""

    since: float = 0.0
    before: tuple[float, float] = (0.0, 0.0)
    after: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True)
class Order:
    """Cases that a customer waits for."""

    id: str
    customer: str
    product: str
    cases: int
    placed: float
    due: float
    shipped: int = 0

    @property
    def open(self) -> int:
        """Cases that are not shipped yet."""
        return self.cases - self.shipped


@dataclass(slots=True)
class Sales:
    """Orders of one product. `backlog` is in the order of the due dates."""

    backlog: list[Order] = field(default_factory=list)
    ordered_cases: int = 0
    filled_cases: int = 0  # shipped at once
    shipped_cases: int = 0
    lost_cases: int = 0
    shipped_mass: float = 0.0
    shipped_orders: int = 0
    late_orders: int = 0
    lost_orders: int = 0
    cycles: Cycles = field(default_factory=Cycles)  # from one campaign to the next

    @property
    def waiting_cases(self) -> int:
        """Cases in the backlog."""
        return self.ordered_cases - self.shipped_cases - self.lost_cases
