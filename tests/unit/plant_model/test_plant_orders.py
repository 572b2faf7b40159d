"""Orders are served by due date, whole or in parts by rule; what is not there waits or is lost; service is measured."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_plant import DAY, WEEK, assert_sound, plant_data, shipped

from plant_model.business import MONTHS
from plant_model.orderbook import (
    Partial,
    cycle_service,
    enter,
    fill_rate,
    on_time_rate,
    overdue,
    servable,
    settle,
    ship,
)
from plant_model.plant import Plant
from plant_model.spec import parse
from plant_model.trade import Cycles, Order, Sales

SPEC = shipped()


def order(cases: int, due: float, number: str = "1") -> Order:
    return Order(f"Order-{number}", "Customer", "Dark", cases, 0.0, due)


def book(*orders: Order) -> Sales:
    sales = Sales()
    for one in orders:
        enter(sales, one)
    return sales


def test_the_earliest_due_is_served_first_and_nobody_overtakes() -> None:
    late, soon, small = order(30, 90.0, "1"), order(50, 10.0, "2"), order(5, 50.0, "3")
    sales = book(late, soon, small)
    assert servable(sales.backlog, 60, 0.0, "never") == [(soon, 50), (small, 5)]
    assert servable(sales.backlog, 40, 0.0, "never") == []


@pytest.mark.parametrize(
    ("rule", "now", "cases"), [("never", 20.0, 0), ("due", 5.0, 0), ("due", 10.0, 40), ("always", 0.0, 40)]
)
def test_an_order_goes_out_in_parts_as_the_rule_allows(rule: Partial, now: float, cases: int) -> None:
    first = order(50, 10.0)
    assert servable([first], 40, now, rule) == ([(first, cases)] if cases else [])


@given(st.lists(st.tuples(st.integers(1, 80), st.floats(0, 100)), max_size=12), st.integers(0, 300), st.floats(0, 100))
def test_no_more_is_served_than_there_is(orders: list[tuple[int, float]], on_hand: int, now: float) -> None:
    sales = book(*(order(cases, due, str(i)) for i, (cases, due) in enumerate(orders)))
    for rule in ("never", "due", "always"):
        served = servable(sales.backlog, on_hand, now, rule)
        assert sum(cases for _, cases in served) <= on_hand
        assert all(0 < cases <= one.open for one, cases in served)
        assert [one for one, _ in served] == sales.backlog[: len(served)]


def test_an_order_is_done_when_its_last_case_is_shipped() -> None:
    sales = book(order(50, 10.0))
    first = sales.backlog[0]
    ship(sales, first, 20, now=5.0)
    assert (sales.shipped_orders, sales.waiting_cases) == (0, 30)
    ship(sales, first, 30, now=11.0)
    assert (sales.shipped_orders, sales.late_orders, sales.backlog) == (1, 1, [])
    assert on_time_rate([sales]) == 0.0


def test_what_is_shipped_at_once_is_filled_and_the_rest_waits_or_is_lost() -> None:
    waiting, lost = book(order(10, 9.0)), book(order(10, 9.0))
    for sales, is_lost in ((waiting, False), (lost, True)):
        first = sales.backlog[0]
        ship(sales, first, 4, now=0.0)
        settle(sales, first, lost=is_lost)
        assert fill_rate([sales]) == 0.4
        assert sales.cycles.short
    assert (waiting.waiting_cases, waiting.lost_cases) == (6, 0)
    assert (lost.waiting_cases, lost.lost_cases, lost.lost_orders, lost.backlog) == (0, 6, 1, [])


def test_cycle_service_counts_the_cycles_without_a_stock_out() -> None:
    cycles = Cycles()
    assert cycles.service == 1.0
    cycles.close()
    cycles.short = True
    assert cycles.service == 0.5
    cycles.close()
    cycles.close()
    assert cycles.service == 0.75


def test_cycle_service_of_several_products_is_of_all_their_cycles() -> None:
    good, bad = Sales(), Sales()
    good.cycles.close()
    good.cycles.close()
    bad.cycles.short = True
    assert cycle_service([good, bad]) == 0.75


def test_orders_beyond_their_due_date_are_counted() -> None:
    sales = book(order(1, 10.0, "1"), order(1, 20.0, "2"), order(1, 30.0, "3"))
    assert [overdue([sales, Sales()], now) for now in (5.0, 10.0, 25.0, 99.0)] == [0, 0, 2, 3]


def test_nobody_is_served_badly_before_the_first_order() -> None:
    assert fill_rate([Sales()]) == on_time_rate([]) == 1.0


def empty(**demand: Any) -> dict[str, Any]:
    """The plant without a case in stock."""
    data = plant_data()
    for product in data["products"].values():
        product["initial_cases"] = 0
    data["demand"] |= demand
    return data


def test_customers_who_do_not_wait_are_lost() -> None:
    plant = Plant(parse(empty(stockout="lost")))
    plant.advance(WEEK)
    for sales in plant.state.sales.values():
        assert not sales.backlog
        assert sales.ordered_cases == sales.shipped_cases + sales.lost_cases
    assert sum(sales.lost_orders for sales in plant.state.sales.values()) > 10
    assert plant.state.books.money.backorders == 0.0
    assert_sound(plant)


def test_partial_shipment_gives_customers_what_there_is() -> None:
    shipped_cases = {}
    for rule in ("never", "always"):
        data = empty(partial=rule)
        for order_class in data["demand"]["classes"].values():
            order_class["per_day"] *= 2  # more than can be made
        plant = Plant(parse(data))
        plant.advance(2 * DAY)
        shipped_cases[rule] = sum(sales.shipped_cases for sales in plant.state.sales.values())
        assert_sound(plant)
    assert shipped_cases["always"] > shipped_cases["never"]


def test_a_month_without_demand_ends() -> None:
    data = plant_data()
    data["start"] = "2026-07-28T06:00:00Z"
    data["demand"]["season"] = {"Jul": 0}
    plant = Plant(parse(data))
    plant.advance(3 * DAY)
    assert sum(sales.ordered_cases for sales in plant.state.sales.values()) == 0
    plant.advance(7 * DAY)
    assert sum(sales.ordered_cases for sales in plant.state.sales.values()) > 5000


def test_orders_follow_the_season() -> None:
    data = plant_data()
    data["demand"]["season"] = dict.fromkeys(MONTHS, 0.5) | {"Feb": 1.0}
    plant = Plant(parse(data))
    bulk = [event.time for event in plant.advance(40 * DAY) if event.kind == "bulk_order"]
    january, february = sum(13 * DAY < time < 26 * DAY for time in bulk), sum(time > 27 * DAY for time in bulk)
    assert february > 1.5 * january


def test_a_class_may_have_products_of_its_own() -> None:
    data = plant_data()
    data["demand"]["classes"]["Wholesale"]["products"] = {"White": 1.0}
    bulk = [event for event in Plant(parse(data)).advance(WEEK) if event.kind == "bulk_order"]
    assert sum(event.fields["Product"] == "White" for event in bulk) > 0.9 * len(bulk)


def test_production_reacts_to_orders_that_wait() -> None:
    """Make to stock: a product that everybody wants is made next, although its store was not low."""
    data = plant_data()
    for name, product in data["products"].items():
        product["initial_cases"] = product["target_cases"] if name != "Dark" else product["reorder_cases"] + 1500
    data["demand"]["classes"]["Retail"]["products"] = {"Dark": 1.0}
    data["demand"]["classes"]["Wholesale"]["products"] = {"Dark": 1.0}
    plant = Plant(parse(data))
    plant.advance(3 * DAY)
    assert plant.state.campaign.product == "Dark"
    assert plant.state.sales["Dark"].cycles.done > 0


def test_orders_served_late_cost() -> None:
    plant = Plant(parse(empty()))
    plant.advance(2 * DAY)
    assert plant.state.books.money.backorders > 0


@pytest.mark.parametrize(("cases", "told"), [(49, False), (50, True)])
def test_fifty_cases_are_a_bulk_order_whoever_orders_them(cases: int, told: bool) -> None:
    data = plant_data()
    for order_class in data["demand"]["classes"].values():
        order_class.update(minimum_cases=cases, mean_extra_cases=0)
    bulk = [event for event in Plant(parse(data)).advance(DAY) if event.kind == "bulk_order"]
    assert bool(bulk) is told
    assert all(event.fields["Customer"] and "@" in event.fields["Address"] for event in bulk)
