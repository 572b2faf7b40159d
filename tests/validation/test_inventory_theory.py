"""Inventory theory: the policy, order book and stock of the plant, alone, serve as queueing theory says they must."""

from __future__ import annotations

import math

import pytest
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
BATCH_D = 800.0
WARM_UP_D = 100.0
T_95 = 2.093
"""Student's t for 19 degrees of freedom, 95 %, two sides."""


class BaseStock:
    """One item: unit demands in a Poisson stream, each ordered again at once, constant lead time, backorders."""

    def __init__(self, stock: int, stream: Generator) -> None:
        self.policy = Policy(suppliers=("Supplier",), reorder_kg=stock, up_to_kg=stock)
        self.store = Buffer("Store", math.inf, (), lots=[Lot("First", "Item", stock, 0.0, cases=stock)])
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


def measured_fill_rate(stock: int, seed: int) -> tuple[float, float]:
    """Mean and half-width of the 95 % confidence interval, by batch means."""
    plant = BaseStock(stock, default_rng(seed))
    plant.clock.run(WARM_UP_D * DAY)
    rates = []
    for _ in range(BATCHES):
        ordered, filled = plant.sales.ordered_cases, plant.sales.filled_cases
        plant.clock.run(plant.clock.now + BATCH_D * DAY)
        rates.append((plant.sales.filled_cases - filled) / (plant.sales.ordered_cases - ordered))
    mean = sum(rates) / BATCHES
    variance = sum((rate - mean) ** 2 for rate in rates) / (BATCHES - 1)
    return mean, T_95 * math.sqrt(variance / BATCHES)


def poisson_below(stock: int, mean: float) -> float:
    """P(Poisson(mean) <= stock - 1)."""
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(stock))


@pytest.mark.parametrize(("stock", "tabled"), [(10, 0.4579), (13, 0.7916), (16, 0.9513)])
def test_a_base_stock_has_the_fill_rate_of_theory(stock: int, tabled: float) -> None:
    """A6 of the reference: Poisson demand of 2 a day, lead time of 5 days, backorders."""
    theory = poisson_below(stock, PER_DAY * LEAD_D)
    assert theory == pytest.approx(tabled, abs=5e-5)
    mean, half_width = measured_fill_rate(stock, seed=20261122)
    assert half_width < 0.02
    assert abs(mean - theory) < 1.5 * half_width  # 99.7 %


def test_stock_on_order_and_backorders_always_add_up_to_the_base_stock() -> None:
    plant = BaseStock(13, default_rng(5))
    for day in range(1, 200):
        plant.clock.run(day * DAY)
        coming = sum(delivery.quantity for delivery in plant.deliveries.values())
        assert plant.store.cases + coming - plant.sales.waiting_cases == 13
