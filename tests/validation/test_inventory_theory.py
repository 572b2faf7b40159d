"""Inventory theory: the policy, order book and stock of the plant, alone, serve as queueing theory says they must."""

from __future__ import annotations

import pytest
from numpy.random import default_rng
from support_base_stock import DAY, LEAD_D, PER_DAY, BaseStock, poisson_below


@pytest.mark.parametrize(("stock", "tabled"), [(10, 0.4579), (13, 0.7916), (16, 0.9513)])
def test_theory_is_that_of_the_reference(stock: int, tabled: float) -> None:
    assert poisson_below(stock, PER_DAY * LEAD_D) == pytest.approx(tabled, abs=5e-5)


def test_stock_on_order_and_backorders_always_add_up_to_the_base_stock() -> None:
    plant = BaseStock(13, default_rng(5))
    for day in range(1, 200):
        plant.clock.run(day * DAY)
        coming = sum(delivery.quantity for delivery in plant.deliveries.values())
        assert plant.store.cases + coming - plant.sales.waiting_cases == 13
