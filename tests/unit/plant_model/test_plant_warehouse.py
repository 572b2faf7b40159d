"""Stores keep goods as long as they last: first expired first out, sooner in bad air, and what is left is lost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, assert_paid, assert_sound, plant_data, shipped

from plant_model import flow
from plant_model.climate import Air, Climate, ageing, another_day, dampened, departure, equilibrium, inside
from plant_model.plant import Plant
from plant_model.randomness import Streams
from plant_model.spec import Sorption, parse
from plant_model.state import Buffer, Lot
from plant_model.trade import Weather

SPEC = shipped()
BEANS = SPEC.storages["Beans"]
FINE = Weather()
SORPTION = Sorption(percent=7.0, per_humidity=0.08, days=30)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_the_first_to_expire_leaves_first(dates: list[float]) -> None:
    buffer = Buffer("Store", 1e9)
    for i, date in enumerate(dates):
        flow.put(buffer, Lot(str(i), "Sugar", 1.0, float(i), expires=date))
    left = [(lot.expires, lot.made) for lot in flow.take(buffer, 1e9)]
    assert left == sorted(left), "and of equal ones the first that came"


def test_summer_is_warm_and_the_afternoon_dry() -> None:
    climate = Climate(datetime(2026, 1, 1, tzinfo=UTC))
    winter, summer = climate.swing(20 * DAY, FINE), climate.swing(200 * DAY, FINE)
    assert summer.celsius > winter.celsius + 10
    assert summer.humidity < winter.humidity - 8
    noon, night = climate.swing(200 * DAY + 15 * HOUR, FINE), climate.swing(200 * DAY + 3 * HOUR, FINE)
    assert noon.celsius == pytest.approx(night.celsius + 7, abs=0.1)
    assert noon.humidity < night.humidity - 20


def test_the_weather_goes_on_without_a_jump_and_stays_in_bounds() -> None:
    stream, weather, now = Streams(3)["weather"], Weather(), 0.0
    warmth = []
    for _ in range(2000):
        later = another_day(weather, now + DAY, stream)
        assert departure(later, now + DAY) == departure(weather, now + DAY)
        weather, now = later, now + DAY
        warmth.append(weather.after[0])
    assert 2.4 < (sum(x * x for x in warmth) / len(warmth)) ** 0.5 < 3.6
    assert abs(sum(warmth) / len(warmth)) < 0.6


def test_stores_keep_the_weather_out_as_far_as_they_are_insulated() -> None:
    assert inside(BEANS, Air(0.0, 0.0)) == Air(18.5, 60.0)
    assert inside(BEANS, Air(10.0, -10.0)) == pytest.approx(Air(20.5, 58.0))


def test_goods_age_faster_in_bad_air() -> None:
    assert ageing(BEANS, Air(18.0, 60.0)) == 1.0
    assert ageing(BEANS, Air(27.0, 60.0)) == pytest.approx(2.0)
    assert ageing(BEANS, Air(18.0, 75.0)) == pytest.approx(2.0)
    assert ageing(BEANS, Air(10.0, 30.0)) == 1.0, "cold and dry do no harm"


def test_beans_go_to_the_water_of_the_air_and_keep_their_dry_matter() -> None:
    lot = Lot("Delivery-1", "Beans", 1000.0, 0.0, moisture=7.0)
    assert BEANS.sorption == SORPTION
    moisture, mass = dampened(lot, SORPTION, 80.0, 30 * DAY)
    assert 7.0 < moisture < equilibrium(SORPTION, 80.0)
    assert moisture == pytest.approx(8.6 - 1.6 / 2.71828, abs=1e-3)
    assert mass * (100 - moisture) == pytest.approx(1000 * 93)
    assert dampened(lot, SORPTION, 40.0, 30 * DAY)[0] < 7.0


def test_a_damp_store_makes_beans_wet_and_heavy() -> None:
    data = plant_data()
    data["storages"]["Beans"]["humidity"] = [78, 88]
    plant = Plant(parse(data))
    before = plant.state.buffers["Beans"].lots[0].moisture
    plant.advance(5 * DAY)
    assert plant.state.buffers["Beans"].lots[0].moisture > before + 0.2
    assert plant.state.books.absorbed_mass > 50
    assert_sound(plant)
    assert_paid(plant)


def test_what_has_expired_is_written_off_and_told() -> None:
    data = plant_data()
    data["storages"]["MilkPowder"]["shelf_life_d"] = 3
    plant = Plant(parse(data))
    price = plant.state.buffers["MilkPowder"].lots[0].price
    told = [event for event in plant.advance(4 * DAY) if event.kind == "stock_expired"]
    assert told
    assert told[0].fields["Material"] == "MilkPowder"
    assert told[0].source == ("Warehouse", "MilkPowder")
    assert 3 * DAY <= told[0].time <= 3 * DAY + 3 * HOUR
    assert plant.state.stores["MilkPowder"].expired == pytest.approx(sum(e.fields["Quantity"] for e in told))
    assert plant.state.books.money.written_off == pytest.approx(
        told[0].fields["Quantity"] * price, rel=1e-3
    )  # its water changes
    assert_sound(plant)
    assert_paid(plant)


def test_expired_chocolate_is_not_sold() -> None:
    data = plant_data()
    for product in data["products"].values():
        product["shelf_life_d"] = 0.5
    plant = Plant(parse(data))
    told = [event for event in plant.advance(2 * WEEK) if event.kind == "stock_expired"]
    assert {event.source[1] for event in told} == {"FinishedDark", "FinishedMilk", "FinishedWhite"}
    for name in data["products"]:
        for lot in plant.state.buffers[f"Finished{name}"].lots:
            assert plant.now - lot.made < 0.5 * DAY + 4 * HOUR
    assert_sound(plant)
    assert_paid(plant)


def test_bad_air_spoils_stock_before_its_time() -> None:
    lives = {}
    for insulation in (1.0, 0.0):  # the second: a store as warm and damp as a summer's day
        data = plant_data()
        data["storages"]["MilkPowder"] |= {"shelf_life_d": 6, "insulation": insulation}
        plant = Plant(parse(data | {"start": "2026-07-06T06:00:00Z"}))
        told = [event for event in plant.advance(8 * DAY) if event.kind == "stock_expired"]
        lives[insulation] = told[0].time
    assert lives[0.0] < 0.8 * lives[1.0] == pytest.approx(0.8 * 6 * DAY, abs=3 * HOUR)


@settings(max_examples=5)
@given(st.integers(0, 999), st.floats(1, 20), st.floats(1, 20), st.floats(0, 1))
def test_mass_and_money_balance_however_short_things_keep(seed: int, raw: float, goods: float, leak: float) -> None:
    data = plant_data()
    for storage in data["storages"].values():
        storage |= {"shelf_life_d": raw, "insulation": leak}
    for product in data["products"].values():
        product["shelf_life_d"] = goods
    plant = Plant(parse(data), seed)
    for day in range(0, 21, 3):
        plant.advance(day * DAY)
        assert_sound(plant)
        assert_paid(plant)
    assert plant.state.books.written_off_mass > 0 or raw > 5  # the shipped stocks last for more than five days
