"""The order book of a product: who is served next, with how much, and how well customers are served. Pure decisions."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable
from operator import attrgetter
from typing import Literal

from plant_model.trade import Order, Sales

Partial = Literal["never", "due", "always"]
_DUE = attrgetter("due")


def enter(sales: Sales, order: Order) -> None:
    """Take an order; the earlier due stands before it."""
    insort(sales.backlog, order, key=_DUE)
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


def fill_rate(ledgers: Collection[Sales]) -> float:
    """Fill rate (beta): share of the ordered cases that were shipped at once; 1 before the first order."""
    ordered = filled = 0
    for sales in ledgers:
        ordered += sales.ordered_cases
        filled += sales.filled_cases
    return filled / ordered if ordered else 1.0


def on_time_rate(ledgers: Collection[Sales]) -> float:
    """Share of the completed orders that were not late; 1 before the first one."""
    shipped = late = 0
    for sales in ledgers:
        shipped += sales.shipped_orders
        late += sales.late_orders
    return 1.0 - late / shipped if shipped else 1.0


def cycle_service(ledgers: Collection[Sales]) -> float:
    """Cycle service (alpha): share of all campaigns, the present ones included, before which no product ran out."""
    failed = begun = 0
    for sales in ledgers:
        failed += sales.cycles.failed + sales.cycles.short
        begun += sales.cycles.done + 1
    return 1.0 - failed / begun if begun else 1.0


def overdue(ledgers: Collection[Sales], now: float) -> int:
    """Orders that wait beyond their due date; a backlog is in the order of the due dates."""
    return sum(bisect_left(sales.backlog, now, key=_DUE) for sales in ledgers)
