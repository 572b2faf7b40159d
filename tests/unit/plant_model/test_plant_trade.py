"""Stocks fall, are ordered in time and delivered; customers order, are served in turn, and are told."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest
from support_plant import DAY, HOUR, WEEK, assert_sound, lived, plant_data, shipped, told

from plant_model.business import MONTHS
from plant_model.demand import pick
from plant_model.events import PlantEvent
from plant_model.plant import Plant
from plant_model.spec import parse

SPEC = shipped()


def events(plant: Plant, until: float, kind: str) -> list[PlantEvent]:
    return [event for event in plant.advance(until) if event.kind == kind]


def test_within_two_days_a_stock_falls_below_its_reorder_point_and_is_ordered() -> None:
    plant = Plant(SPEC)
    ordered = events(plant, 2 * DAY, "delivery_ordered")
    assert ordered
    first = ordered[0]
    assert first.source == ("Warehouse", first.fields["Material"])
    policy = SPEC.policies[first.fields["Material"]]
    assert first.fields["Supplier"] in policy.suppliers
    assert first.fields["Quantity"] >= policy.quantity_kg / len(policy.suppliers)
    assert isinstance(first.fields["DueTime"], datetime)
    assert first.fields["DueTime"].tzinfo is UTC
    assert plant.state.buffers[first.fields["Material"]].level < policy.reorder_kg


def test_what_was_ordered_arrives_once() -> None:
    plant, happened = lived(10), told(10)
    ordered = [event.fields["DeliveryId"] for event in happened if event.kind == "delivery_ordered"]
    arrived = [event.fields["DeliveryId"] for event in happened if event.kind == "delivery_arrived"]
    assert len(arrived) > 10
    assert len(set(arrived)) == len(arrived)
    sent_back = {event.fields["DeliveryId"] for event in happened if event.kind == "delivery_rejected"}
    here_or_coming = {number.partition("/")[0] for number in {*arrived, *sent_back, *plant.state.deliveries}}
    assert here_or_coming == set(ordered)
    assert not sent_back & set(arrived)


def test_lead_times_are_those_of_the_supplier() -> None:
    data = plant_data()
    for supplier in data["suppliers"].values():
        supplier |= {"lead_cv": 0, "late_share": 0, "short_share": 0}
    happened = Plant(parse(data)).advance(6 * WEEK)
    begun = {event.fields["DeliveryId"]: event.time for event in happened if event.kind == "delivery_ordered"}
    for event in happened:
        if event.kind == "delivery_arrived":
            lead = data["suppliers"][event.fields["Supplier"]]["lead_d"]
            assert event.time - begun[event.fields["DeliveryId"]] == pytest.approx(lead * DAY)


def test_a_delivery_without_room_waits_at_the_gate() -> None:
    data = plant_data()
    data["storages"]["Sugar"] |= {"capacity_kg": 33000, "initial_kg": 32900}
    data["policies"]["Sugar"] |= {"reorder_kg": 32000, "quantity_kg": 32000}
    plant = Plant(parse(data))
    waited = False
    for hour in range(0, 12 * 24, 3):
        plant.advance(hour * HOUR)
        waited |= any(delivery.arrived for delivery in plant.state.deliveries.values())
        assert plant.state.buffers["Sugar"].level <= 33000
    assert waited
    assert_sound(plant)


def test_bulk_orders_come_several_times_a_day_with_customer_and_address() -> None:
    orders = events(Plant(SPEC), WEEK, "bulk_order")
    assert 60 < len(orders) < 170
    known = {customer.name: customer.address for c in SPEC.demand.classes.values() for customer in c.customers}
    for order in orders:
        assert order.fields["Quantity"] >= SPEC.demand.bulk_cases
        assert known[order.fields["Customer"]] == order.fields["Address"]
        assert order.fields["Product"] in SPEC.products
        assert order.source == ("Warehouse", f"Finished{order.fields['Product']}")
    assert len({order.fields["OrderId"] for order in orders}) == len(orders)


def test_demand_follows_the_shares() -> None:
    plant = lived(6)
    ordered = {product: sales.ordered_cases for product, sales in plant.state.sales.items()}
    total = sum(ordered.values())
    for product, spec in SPEC.products.items():
        assert ordered[product] / total == pytest.approx(spec.share, abs=0.05)
    assert total / 42 == pytest.approx(4440, rel=0.1)


def test_a_season_without_demand_brings_no_orders() -> None:
    data = plant_data()
    data["demand"]["season"] = dict.fromkeys(MONTHS, 0)
    plant = Plant(parse(data))
    plant.advance(DAY)
    assert sum(sales.ordered_cases for sales in plant.state.sales.values()) == 0


def test_orders_wait_for_goods_and_are_served_in_turn() -> None:
    data = plant_data()
    del data["demand"]["classes"]["Retail"]  # all of the same term, so that they are due in the order they came
    for product in data["products"].values():
        product["initial_cases"] = 0
    plant = Plant(parse(data))
    plant.advance(6 * HOUR)
    waiting = {product: list(sales.backlog) for product, sales in plant.state.sales.items()}
    assert any(waiting.values())
    for hour in range(6, 3 * 7 * 24, 4):
        plant.advance(hour * HOUR)
        for product, orders in waiting.items():
            left = [order for order in plant.state.sales[product].backlog if order in orders]
            assert left == orders[len(orders) - len(left) :], "the longest waiting are served first"
    assert not any(
        sales.backlog[:1] == waiting[product][:1] for product, sales in plant.state.sales.items() if sales.backlog
    )
    assert_sound(plant)


def test_what_is_ordered_is_shipped_or_waits() -> None:
    plant = lived(5)
    for sales in plant.state.sales.values():
        assert sales.waiting_cases == sum(order.open for order in sales.backlog)
        assert sales.ordered_cases == sales.shipped_cases + sales.waiting_cases
        assert sales.filled_cases <= sales.shipped_cases
        assert sales.shipped_mass == pytest.approx(sales.shipped_cases * SPEC.case_kg)
        assert 0 <= sales.late_orders <= sales.shipped_orders


def test_a_draw_falls_on_products_by_their_shares() -> None:
    shares = {"White": 0.15, "Milk": 0.45, "Dark": 0.4}
    drawn = Counter(pick(shares, i / 1000) for i in range(1000))
    assert drawn == {"White": 150, "Milk": 450, "Dark": 400}
    assert pick(shares, 1.0) == "Dark"
