"""A base stock made of the plant's own policy, order book and stock, and the fill rate that theory gives it."""

from __future__ import annotations

import math

from numpy.random import Generator, default_rng

from plant_model import flow, inventory, orderbook
from plant_model.business import Policy
from plant_model.clock import Agenda, Clock
from plant_model.randomness import exponential
from plant_model.state import Buffer, Lot
from plant_model.trade import Delivery, Order, Sales

DAY = 86400.0
PER_DAY = 2.0
LEAD_D = 5.0
BATCHES = 20
BATCH_D = 3200.0
WARM_UP_D = 100.0


class BaseStock:
    """One item: unit demands in a Poisson stream, each ordered again at once, constant lead time, backorders."""

    def __init__(self, stock: int, stream: Generator) -> None:
        self.policy = Policy(suppliers=("Supplier",), reorder_kg=stock, up_to_kg=stock)
        self.store = Buffer("Store", math.inf, lots=[Lot("First", "Item", stock, 0.0, cases=stock)])
        self.sales, self.deliveries, self.stream = Sales(), dict[str, Delivery](), stream
        self.agenda = Agenda()
        self.clock = Clock(self.agenda, {"demand": self._demand, "delivery": self._receive})
        self._demand_later()

    def _demand_later(self) -> None:
        self.clock.schedule(exponential(self.stream, DAY / PER_DAY), "demand")

    def _demand(self, _: str) -> None:
        order = Order(f"{self.agenda.order}", "Customer", "Item", 1, self.clock.now, self.clock.now)
        orderbook.enter(self.sales, order)
        self._dispatch()
        orderbook.settle(self.sales, order, lost=False)
        self._review()
        self._demand_later()

    def _dispatch(self) -> None:
        for order, cases in orderbook.servable(self.sales.backlog, self.store.cases, self.clock.now, "due"):
            flow.take_cases(self.store, cases)
            orderbook.ship(self.sales, order, cases, self.clock.now)

    def _review(self) -> None:
        coming = inventory.coming(self.policy, self.deliveries.values(), self.clock.now)
        missing = inventory.quantity(self.policy, self.store.cases - self.sales.waiting_cases + coming)
        if missing > 0.0:
            due = self.clock.now + LEAD_D * DAY
            number = str(self.clock.schedule(LEAD_D * DAY, "delivery", str(self.agenda.order + 1)))
            self.deliveries[number] = Delivery(number, "Item", "Supplier", missing, self.clock.now, due)

    def _receive(self, number: str) -> None:
        units = self.deliveries.pop(number).quantity
        flow.put(self.store, Lot(number, "Item", units, self.clock.now, cases=round(units)))
        self._dispatch()


def fill_rates(stock: int, seed: int) -> list[float]:
    """The fill rate in each of some long, hence nearly independent, stretches of time."""
    plant = BaseStock(stock, default_rng(seed))
    plant.clock.run(WARM_UP_D * DAY)
    rates = []
    for _ in range(BATCHES):
        ordered, filled = plant.sales.ordered_cases, plant.sales.filled_cases
        plant.clock.run(plant.clock.now + BATCH_D * DAY)
        rates.append((plant.sales.filled_cases - filled) / (plant.sales.ordered_cases - ordered))
    return rates


def poisson_below(stock: int, mean: float) -> float:
    """P(Poisson(mean) <= stock - 1)."""
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(stock))
