"""What is shown of stock, purchases and service is what the books say, whatever they say."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import DAY, HOUR, lived, shipped

from plant_model.plant import Plant
from plant_model.signals import Quality, Reader, signals
from plant_model.trade import Cycles, Delivery, Order, Purchases, Sales

SPEC = shipped()
NODES = [signal.node for signal in signals(SPEC)]


@pytest.fixture
def plant() -> Plant:
    return lived(1)


def below(plant: Plant, folder: str) -> dict[str, Any]:
    """The good values of a folder by tag; None where nobody knows."""
    values, qualities = Reader(plant.spec).read(plant)
    return {
        node.removeprefix(f"{folder}."): value if quality is Quality.GOOD else None
        for node, value, quality in zip(NODES, values, qualities, strict=True)
        if node.startswith(f"{folder}.")
    }


def test_the_lot_that_leaves_next_is_shown_with_its_age(plant: Plant) -> None:
    lots = {name: plant.state.buffers[name].lots for name in ("Beans", "Sugar", "FinishedDark")}
    for place, (first, *_) in lots.items():
        shown = below(plant, f"Warehouse.{place}")
        assert shown["LotId"] == first.id
        assert shown["OldestLotAge"] == pytest.approx((plant.now - first.made) / DAY, abs=0.01)


def test_its_life_goes_on_between_two_inspections_and_ends_at_zero(plant: Plant) -> None:
    first, store = plant.state.buffers["Beans"].lots[0], plant.state.stores["Beans"]
    plant.state.checked = plant.now - 2 * HOUR
    first.expires = store.aged + 5 * DAY
    assert below(plant, "Warehouse.Beans")["RemainingLife"] == pytest.approx(5 - 2 / 24, abs=0.01)
    first.expires = store.aged - DAY
    assert below(plant, "Warehouse.Beans")["RemainingLife"] == 0.0


def test_an_empty_place_shows_no_lot_no_age_and_the_life_of_a_new_one(plant: Plant) -> None:
    for place, life in (("Beans", SPEC.storages["Beans"]), ("FinishedWhite", SPEC.products["White"])):
        plant.state.buffers[place].lots.clear()
        shown = below(plant, f"Warehouse.{place}")
        assert (shown["LotId"], shown["OldestLotAge"], shown["RemainingLife"]) == ("", None, life.shelf_life_d)


def test_on_order_is_what_was_ordered_and_is_not_unloaded(plant: Plant) -> None:
    coming = [("Beans", 1000.0, False), ("Beans", 500.0, True), ("Sugar", 700.0, False)]
    plant.state.deliveries = {
        str(i): Delivery(str(i), material, "Traders", mass, plant.now, plant.now + DAY, arrived)
        for i, (material, mass, arrived) in enumerate(coming)
    }
    assert below(plant, "Warehouse.Beans")["OnOrder"] == 1500.0
    assert below(plant, "Warehouse.Sugar")["OnOrder"] == 700.0
    assert below(plant, "Warehouse.CocoaButter")["OnOrder"] == 0.0


def test_every_count_of_purchasing_stands_in_its_tag(plant: Plant) -> None:
    plant.state.purchases["Beans"] = Purchases("Traders", 9, 4, 3, 2, cycles=Cycles(done=9, failed=1, short=True))
    shown = below(plant, "Warehouse.Beans")
    assert shown["Supplier"] == "Traders"
    counts = ("Deliveries", "LateDeliveries", "ShortDeliveries", "RejectedDeliveries")
    assert [shown[f"{name}"] for name in counts] == [9, 4, 3, 2]
    assert shown["CycleServiceLevel"] == pytest.approx(80.0), "two of ten, the present one included"


def test_every_figure_of_service_stands_in_its_tag(plant: Plant) -> None:
    plant.state.sales["Dark"] = Sales(
        ordered_cases=100,
        filled_cases=75,
        shipped_cases=80,
        lost_cases=5,
        shipped_orders=20,
        late_orders=3,
        cycles=Cycles(done=3, short=True),
    )
    shown = below(plant, "Warehouse.FinishedDark")
    assert (shown["Backorders"], shown["LostCases"]) == (15, 5)
    rates = (shown["FillRate"], shown["OnTimeRate"], shown["CycleServiceLevel"])
    assert rates == pytest.approx((75.0, 85.0, 75.0))


def test_before_the_first_order_service_is_whole(plant: Plant) -> None:
    plant.state.sales["Dark"] = Sales()
    shown = below(plant, "Warehouse.FinishedDark")
    assert (shown["FillRate"], shown["OnTimeRate"], shown["CycleServiceLevel"]) == (100.0, 100.0, 100.0)


def test_what_was_written_off_and_how_often_stock_turns(plant: Plant) -> None:
    store = plant.state.stores["Sugar"]
    store.expired, store.issued, store.stocked = 12.5, 100.0, 87_600.0
    shown = below(plant, "Warehouse.Sugar")
    assert (shown["Expired"], shown["InventoryTurns"]) == (12.5, pytest.approx(10.0))
    store.stocked = 0.0
    assert below(plant, "Warehouse.Sugar")["InventoryTurns"] is None


def test_the_line_shows_the_orders_of_all_products_together(plant: Plant) -> None:
    for rank, name in enumerate(SPEC.products, 1):
        waiting = [Order(f"{name}{i}", "Ann", name, 10, plant.now, plant.now + DAY) for i in range(rank)]
        plant.state.sales[name] = Sales(
            waiting, ordered_cases=100, shipped_cases=100 - 10 * rank, shipped_orders=10, late_orders=rank
        )
    shown = below(plant, "Line1.Orders")
    assert len(SPEC.products) == 3
    assert (shown["OpenOrders"], shown["BackorderedCases"], shown["ShippedCases"]) == (6, 60, 240)
    assert shown["OnTimeRate"] == pytest.approx(80.0)


def test_the_line_shows_the_service_of_all_products_together(plant: Plant) -> None:
    for rank, name in enumerate(SPEC.products, 1):
        due = plant.now + (DAY if rank == 3 else -DAY)
        plant.state.sales[name] = Sales(
            [Order(name, "Ann", name, 10, plant.now - 2 * DAY, due)],
            ordered_cases=100,
            filled_cases=100 - 10 * rank,
            lost_cases=rank,
            late_orders=rank,
            cycles=Cycles(done=1, short=rank == 1),
        )
    shown = below(plant, "Line1.Orders")
    assert (shown["LateOrders"], shown["OverdueOrders"], shown["LostCases"]) == (6, 2, 6)
    assert (shown["FillRate"], shown["CycleServiceLevel"]) == pytest.approx((80.0, 100.0 * 5 / 6), abs=0.01)
