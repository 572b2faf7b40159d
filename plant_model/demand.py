"""Customers order cases; what is in stock is shipped at once, the rest waits its turn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from plant_model import flow
from plant_model.business import MONTHS, OrderClass
from plant_model.floor import Floor
from plant_model.layout import DISPATCH, WAREHOUSE, finished
from plant_model.randomness import exponential, gamma
from plant_model.spec import Product
from plant_model.state import Order

DAY = 86400.0


class Demand:
    """Poisson streams of orders by class; backorders are served first come, first served."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        floor.handlers["order"] = self._place
        floor.watchers.update({DISPATCH + product: partial(self._dispatch, product) for product in floor.spec.products})

    def open(self) -> None:
        """Wait for the first order of each class."""
        for name in self._floor.spec.demand.classes:
            self._await_next(name)

    def _await_next(self, name: str) -> None:
        """Put the next order of a class on the agenda, at today's rate."""
        floor, demand = self._floor, self._floor.spec.demand
        month = MONTHS[floor.date(floor.now).month - 1]
        rate = demand.classes[name].per_day * demand.season.get(month, 1.0)
        if rate > 0.0:
            floor.clock.schedule(exponential(floor.stream(f"{name}.arrival"), DAY / rate), "order", name)

    def redraw(self) -> None:
        """Forget the orders to come and wait for others."""
        for entry in self._floor.clock.pending("order"):
            self._floor.clock.cancel(entry.order)
        self.open()

    def _place(self, name: str) -> None:
        floor, order_class = self._floor, self._floor.spec.demand.classes[name]
        order, address = self._order(name, order_class)
        sales = floor.state.sales[order.product]
        sales.backlog.append(order)
        sales.ordered_cases += order.cases
        if order.cases >= floor.spec.demand.bulk_cases:
            self._confirm(order, address)
        self._dispatch(order.product)
        floor.stir("Mixing")
        self._await_next(name)

    def _order(self, name: str, order_class: OrderClass) -> tuple[Order, str]:
        floor, stream = self._floor, self._floor.stream(f"{name}.order")
        customer = order_class.customers[int(stream.integers(len(order_class.customers)))]
        product = pick(floor.spec.products, float(stream.random()))
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
        sales, store = self._floor.state.sales[product], self._floor.buffer(finished(product))
        while sales.backlog and store.cases >= sales.backlog[0].cases:
            order = sales.backlog.pop(0)
            sales.shipped_mass += flow.mass_of(flow.take_cases(store, order.cases))
            sales.shipped_cases += order.cases
            sales.shipped_orders += 1
            sales.late_orders += self._floor.now > order.due
            self._floor.touch(store)


def pick(products: Mapping[str, Product], draw: float) -> str:
    """The product that a draw from 0 to 1 falls on, by the shares."""
    reached = 0.0
    for name, product in products.items():
        reached += product.share
        if draw < reached:
            return name
    return tuple(products)[-1]
