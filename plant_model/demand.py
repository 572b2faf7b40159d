"""Customers order cases; what is in stock is shipped at once, the rest waits its turn or is lost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from plant_model import orderbook
from plant_model.business import MONTHS, OrderClass
from plant_model.floor import Floor
from plant_model.layout import DISPATCH, KNEADER, WAREHOUSE, finished
from plant_model.randomness import exponential, gamma
from plant_model.trade import Order

DAY = 86400.0


class Demand:
    """Poisson streams of orders by class, served by due date."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        shares = {name: product.share for name, product in floor.spec.products.items()}
        self._mix = {name: class_.products or shares for name, class_ in floor.spec.demand.classes.items()}
        self._peak = max(floor.spec.demand.season.get(month, 1.0) for month in MONTHS)
        floor.handlers["order"] = self._consider
        floor.watchers.update({DISPATCH + product: partial(self._dispatch, product) for product in floor.spec.products})

    def open(self) -> None:
        """Wait for the first order of each class."""
        for name in self._floor.spec.demand.classes:
            self._await_next(name)

    def redraw(self) -> None:
        """Forget the orders to come and wait for others."""
        for entry in self._floor.clock.pending("order"):
            self._floor.clock.cancel(entry.order)
        self.open()

    def _await_next(self, name: str) -> None:
        """Put the next order of a class on the agenda, at the rate of the busiest month."""
        floor = self._floor
        rate = floor.spec.demand.classes[name].per_day * self._peak
        if rate > 0.0:
            floor.clock.schedule(exponential(floor.stream(f"{name}.arrival"), DAY / rate), "order", name)

    def _consider(self, name: str) -> None:
        """Take the order as often as the month's rate is below that of the busiest one (thinning)."""
        floor = self._floor
        month = MONTHS[floor.date(floor.now).month - 1]
        if floor.stream(f"{name}.season").random() * self._peak < floor.spec.demand.season.get(month, 1.0):
            self._place(name)
        self._await_next(name)

    def _place(self, name: str) -> None:
        floor, demand = self._floor, self._floor.spec.demand
        order, address = self._order(name, demand.classes[name])
        sales = floor.state.sales[order.product]
        orderbook.enter(sales, order)
        if order.cases >= demand.bulk_cases:
            self._confirm(order, address)
        self._dispatch(order.product)
        orderbook.settle(sales, order, lost=demand.stockout == "lost")
        if floor.state.campaign.waiting:
            floor.stir(KNEADER)

    def _order(self, name: str, order_class: OrderClass) -> tuple[Order, str]:
        floor, stream = self._floor, self._floor.stream(f"{name}.order")
        customer = order_class.customers[int(stream.integers(len(order_class.customers)))]
        product = pick(self._mix[name], float(stream.random()))
        cases = order_class.minimum_cases + int(gamma(stream, order_class.mean_extra_cases, order_class.cv))
        due = floor.now + order_class.due_d * DAY
        return Order(floor.number("Order"), customer.name, product, cases, floor.now, due), customer.address

    def _confirm(self, order: Order, address: str) -> None:
        fields = {
            "Customer": order.customer,
            "Address": address,
            "Product": order.product,
            "Quantity": order.cases,
            "OrderId": order.id,
        }
        message = f"{order.customer} ordered {order.cases} cases of {order.product}"
        self._floor.tell("bulk_order", (WAREHOUSE, finished(order.product)), message, 200, **fields)

    def _dispatch(self, product: str) -> None:
        """Ship what can be shipped."""
        floor, sales = self._floor, self._floor.state.sales[product]
        if not sales.backlog:
            return
        store, rule = floor.buffer(finished(product)), floor.spec.demand.partial
        for order, cases in orderbook.servable(sales.backlog, store.cases, floor.now, rule):
            sales.shipped_mass += floor.ship(store.name, cases, order.id, order.customer)
            orderbook.ship(sales, order, cases, floor.now)


def pick(shares: Mapping[str, float], draw: float) -> str:
    """What a draw from 0 to 1 falls on, by the shares."""
    reached = 0.0
    for name, share in shares.items():
        reached += share
        if draw < reached:
            return name
    return tuple(shares)[-1]
