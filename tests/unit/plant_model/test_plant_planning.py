"""What is made next, and when people are there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from plant_model.calendar import boundaries, is_open, open_hours, shift_starts, until_next
from plant_model.planning import Outlook, begun, choose, paused
from plant_model.spec import Calendar
from plant_model.state import Campaign

ORDER = ("White", "Milk", "Dark")
FULL = Outlook(position=900, reorder=100, target=800, loads_max=3, possible=True)
LOW = FULL._replace(position=50)
BETWEEN = FULL._replace(position=500)
MONDAY = datetime(2026, 1, 5, 6, tzinfo=UTC)


def test_a_campaign_goes_on_until_the_store_is_full() -> None:
    others = {"White": LOW, "Milk": LOW}
    assert choose(Campaign("Dark", 1), {**others, "Dark": BETWEEN}, ORDER) == "Dark"
    assert choose(Campaign("Dark", 1), {**others, "Dark": FULL}, ORDER) == "White"


def test_a_campaign_ends_after_its_loads() -> None:
    assert choose(Campaign("White", 3), {"White": LOW, "Milk": LOW, "Dark": LOW}, ORDER) == "Milk"


def test_what_runs_low_comes_in_the_order_light_to_dark() -> None:
    assert choose(Campaign("White", 3), {"White": LOW, "Milk": BETWEEN, "Dark": LOW}, ORDER) == "Dark"
    assert choose(Campaign("Dark", 3), {"White": BETWEEN, "Milk": LOW, "Dark": LOW}, ORDER) == "Milk"
    assert choose(Campaign(), {"White": BETWEEN, "Milk": LOW, "Dark": LOW}, ORDER) == "Milk"


def test_without_material_another_product_is_made() -> None:
    starved = LOW._replace(possible=False)
    assert choose(Campaign("Milk", 1), {"White": LOW, "Milk": starved, "Dark": LOW}, ORDER) == "Dark"
    nothing = dict.fromkeys(ORDER, starved)
    assert choose(Campaign("Milk", 1), nothing, ORDER) == ""
    assert paused(Campaign("Milk", 1), nothing).waiting == "Material"


def test_a_line_without_orders_waits_and_begins_anew_with_what_runs_low() -> None:
    enough = dict.fromkeys(ORDER, BETWEEN)
    resting = paused(Campaign("Milk", 2), enough)
    assert resting.waiting == "Order"
    assert choose(resting, enough, ORDER) == ""
    assert choose(resting, {**enough, "Milk": LOW}, ORDER) == "Milk"


def test_loads_are_counted_within_a_campaign() -> None:
    assert begun(Campaign("Milk", 2), "Milk", 2) == Campaign("Milk", 3, 2)
    assert begun(Campaign("Milk", 2), "Dark", 2) == Campaign("Dark", 1, 2)
    assert begun(Campaign("Milk", 2, waiting="Order"), "Milk", 2) == Campaign("Milk", 1, 2)


def test_shifts_may_go_past_midnight() -> None:
    hours = open_hours(Calendar(shifts=("22-06",), days=("Sun",)))
    assert hours == {166, 167, 0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("after_h", "open_", "change_h"),
    [(0, True, 8), (8, True, 8), (15.5, True, 0.5), (16, False, 8), (4 * 24 + 16, False, 56)],
)
def test_two_shifts_on_working_days(after_h: float, open_: bool, change_h: float) -> None:
    calendar = Calendar(shifts=("06-14", "14-22"), days=("Mon", "Tue", "Wed", "Thu", "Fri"))
    hours = open_hours(calendar)
    date = MONDAY + timedelta(hours=after_h)
    assert is_open(hours, date) is open_
    assert until_next(boundaries(hours, shift_starts(calendar)), date) == change_h * 3600


def test_a_plant_that_never_closes_only_changes_crews() -> None:
    week = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    calendar = Calendar(shifts=("00-24",), days=week)
    edges = boundaries(open_hours(calendar), shift_starts(calendar))
    assert edges == set(range(0, 168, 24))
