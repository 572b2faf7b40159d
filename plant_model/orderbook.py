"""The order book of a product: who is served next, with how much, and how well customers are served. Pure decisions."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import Literal

from plant_model.trade import Order, Sales

Partial = Literal["never", "due", "always"]


def enter(sales: Sales, order: Order) -> None:
    """Take an order; the earlier due stands before it."""
    insort(sales.backlog, order, key=lambda other: other.due)
    sales.ordered_cases += order.cases


def servable(backlog: Iterable[Order], on_hand: int, now: float, partial: Partial) -> list[tuple[Order, int]]:
    """Which orders get how many cases of `on_hand`: by due date, nobody overtakes, in parts only as the rule allows."""
    served: list[tuple[Order, int]] = []
    for order in backlog:
        in_parts = partial == "always" or (partial == "due" and now >= order.due)
        cases = order.open if order.open <= on_hand else on_hand * in_parts
        if cases:
            served.append((order, cases))
            on_hand -= cases
        if cases < order.open:
            break
    return served


def ship(sales: Sales, order: Order, cases: int, now: float) -> None:
    """Book cases that go to the first order of the backlog; it leaves the book when it is complete."""
    order.shipped += cases
    sales.shipped_cases += cases
    if order.open == 0:
        sales.backlog.remove(order)
        sales.shipped_orders += 1
        sales.late_orders += now > order.due


def settle(sales: Sales, order: Order, *, lost: bool) -> None:
    """Count what a new order got at once; the rest waits, or is lost."""
    sales.filled_cases += order.shipped
    sales.cycles.short |= order.open > 0
    if lost and order.open > 0:
        sales.backlog.remove(order)
        sales.lost_orders += 1
        sales.lost_cases += order.open


def fill_rate(ledgers: Iterable[Sales]) -> float:
    """Fill rate (beta): share of the ordered cases that were shipped at once; 1 before the first order."""
    ledgers = list(ledgers)
    ordered = sum(sales.ordered_cases for sales in ledgers)
    return sum(sales.filled_cases for sales in ledgers) / ordered if ordered else 1.0


def on_time_rate(ledgers: Iterable[Sales]) -> float:
    """Share of the completed orders that were not late; 1 before the first one."""
    ledgers = list(ledgers)
    shipped = sum(sales.shipped_orders for sales in ledgers)
    return 1.0 - sum(sales.late_orders for sales in ledgers) / shipped if shipped else 1.0
