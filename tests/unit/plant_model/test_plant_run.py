"""A plant runs the same way each time, keeps every gram and every second, and stands still where it must."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, assert_sound, lived, plant_data, shipped, told, unlimited, without_failures

from plant_model.activity import Activity
from plant_model.plant import Plant, PlantError
from plant_model.spec import parse

SPEC = shipped()


def test_the_same_seed_gives_the_same_log() -> None:
    first, second = Plant(SPEC, 7), Plant(SPEC, 7)
    assert first.advance(4 * DAY) == second.advance(4 * DAY)
    assert first.state == second.state


def test_another_seed_gives_another_log() -> None:
    assert Plant(SPEC, 7).advance(3 * DAY) != Plant(SPEC, 8).advance(3 * DAY)


@settings(max_examples=12)
@given(st.lists(st.floats(0.0, 7 * DAY), max_size=6))
def test_it_does_not_matter_in_how_many_steps_it_runs(stops: list[float]) -> None:
    steps = Plant(SPEC)
    events = [event for stop in (*sorted(stops), 7 * DAY) for event in steps.advance(stop)]
    assert tuple(events) == told(1)
    assert steps.state == lived(1).state


def test_events_come_in_order_and_within_their_time() -> None:
    plant = Plant(SPEC)
    plant.advance(DAY)
    times = [event.time for event in plant.advance(3 * DAY)]
    assert times == sorted(times)
    assert times[0] >= DAY
    assert times[-1] < 3 * DAY


def test_time_does_not_go_back() -> None:
    plant = Plant(SPEC)
    plant.advance(HOUR)
    assert plant.advance(HOUR) == []
    with pytest.raises(PlantError, match="time only goes on"):
        plant.advance(HOUR - 1)


@settings(max_examples=6)
@given(st.integers(0, 1000), st.lists(st.floats(1.0, 3 * DAY), min_size=1, max_size=8))
def test_mass_and_time_balance_at_any_moment(seed: int, steps: list[float]) -> None:
    plant = Plant(SPEC, seed)
    for step in steps:
        plant.advance(plant.now + step)
        assert_sound(plant)


def test_the_books_balance_after_months() -> None:
    assert_sound(lived(8))


def test_machines_block_and_starve_and_say_by_whom() -> None:
    plant = Plant(SPEC)
    seen = set()
    for hour in range(7 * 24):
        plant.advance(hour * HOUR)
        seen |= {(unit.name, unit.activity, unit.culprit) for unit in plant.state.units.values()}
    assert ("Cleaning", Activity.Blocked, "Roasting") in seen
    assert ("Mixing", Activity.Blocked, "Conching") in seen
    assert ("Tempering", Activity.Starved, "Conching") in seen
    assert ("Moulding", Activity.Starved, "Tempering") in seen
    activities = {activity for _, activity, _ in seen}
    assert {Activity.Running, Activity.Changeover, Activity.Cleaning, Activity.Breakdown} <= activities


def test_without_beans_the_line_starves_back_to_the_warehouse() -> None:
    data = plant_data()
    data["storages"]["Beans"]["initial_kg"] = 0
    plant = Plant(parse(data))
    plant.advance(2 * DAY)
    assert (plant.state.units["Cleaning"].activity, plant.state.units["Cleaning"].culprit) == (
        Activity.Starved,
        "Warehouse.Beans",
    )
    assert plant.state.units["Roasting"].culprit == "Cleaning"


def test_without_demand_the_line_stops_when_stocks_are_full() -> None:
    data = plant_data()
    for order_class in data["demand"]["classes"].values():
        order_class["per_day"] = 0
    plant = Plant(parse(data))
    plant.advance(4 * WEEK)
    assert plant.state.units["Mixing"].activity is Activity.NoOrder
    for name, product in data["products"].items():
        cases = plant.state.buffers[f"Finished{name}"].cases
        assert cases > product["reorder_cases"] - 2000, name
        assert cases <= product["capacity_cases"]


def test_a_full_warehouse_blocks_moulding() -> None:
    data = unlimited()
    for product in data["products"].values():
        product |= {"capacity_cases": 6000, "target_cases": 6000, "reorder_cases": 5900}
    for order_class in data["demand"]["classes"].values():
        order_class["per_day"] = 0
    plant = Plant(parse(data))
    plant.advance(3 * WEEK)
    assert_sound(plant)
    assert max(plant.state.buffers[f"Finished{name}"].cases for name in data["products"]) > 5800


def test_people_go_home_and_conches_run_on() -> None:
    data = unlimited()
    data["calendar"] |= {"shifts": ["06-14"], "days": ["Mon", "Tue", "Wed", "Thu", "Fri"]}
    plant = Plant(parse(data))
    plant.advance(10 * HOUR)
    state = plant.state
    assert not state.open
    assert {state.units[name].activity for name in ("Cleaning", "Mixing", "Moulding")} == {Activity.Stopped}
    assert any(state.units[f"Conche{i}"].activity is Activity.Running for i in (1, 2, 3))
    plant.advance(WEEK + HOUR)
    assert state.units["Moulding"].times[Activity.Stopped] == pytest.approx(128 * HOUR)
    assert_sound(plant)


def test_a_line_without_chance_runs_in_a_strict_period() -> None:
    """A11: zero variance, no failures, one product: the conches set the pace, to the second."""
    data = without_failures(unlimited())
    data["products"]["Dark"]["share"], data["products"]["Milk"]["share"], data["products"]["White"]["share"] = 1, 0, 0
    data["products"]["Dark"]["campaign_loads"] = 10_000_000
    for product in ("Milk", "White"):
        data["products"][product] |= {"reorder_cases": 0, "target_cases": 1}
    data["time_factor"] = {"low": 1, "mode": 1, "high": 1}
    data["stations"]["Mixing"]["kneader"]["mix_min"] = {"low": 25, "mode": 25, "high": 25}
    plant = Plant(parse(data))
    plant.advance(WEEK)
    begin = {name: plant.state.units[name].ledger.processed for name in ("Conche1", "Conche2", "Conche3")}
    plant.advance(9 * WEEK)
    made = sum(plant.state.units[name].ledger.processed - before for name, before in begin.items())
    # two refinings, the kneading behind them, a transport at the end, conching, discharging
    cycle_h = 2 * 1.25 + 5 / 60 + 12 + 0.75
    assert made / (8 * 168) == pytest.approx(3 * 2000 / cycle_h, rel=0.01)


@pytest.mark.parametrize(("machines", "rate"), [(2, 294), (3, 421), (4, 532)])
def test_the_rate_is_plausible_and_rises_with_the_conches(machines: int, rate: float) -> None:
    """P1, P2, P4 of the reference, indicative: kg/h with material and demand without end."""
    plant = Plant(parse(unlimited(machines)))
    plant.advance(3 * WEEK)
    assert plant.state.books.good_mass / (3 * 168) == pytest.approx(rate, rel=0.15)


def test_a_fixed_share_of_the_beans_becomes_liquor() -> None:
    """A10: 0.818 kg liquor from a kg of beans of 7 % water."""
    data = plant_data()
    data["suppliers"]["HafenKakao"]["moisture_sd"] = 0
    plant = Plant(parse(data))
    plant.advance(WEEK)
    units = plant.state.units
    cleaned, roasted, ground = (units[name].ledger for name in ("Cleaning", "Roasting", "Grinding"))
    chain = 1.0
    for ledger, held in ((cleaned, units["Cleaning"]), (roasted, units["Roasting"]), (ground, units["Grinding"])):
        inside = held.job.lot.mass if held.job and held.job.lot else 0.0
        chain *= ledger.made / (ledger.taken - inside)
    assert chain == pytest.approx(0.818, abs=0.001)


def test_wet_beans_roast_longer_and_yield_less() -> None:
    made = {}
    for moisture in (6.5, 7.9):
        data = without_failures(plant_data())
        data["suppliers"]["HafenKakao"] |= {"moisture_percent": moisture, "moisture_sd": 0}
        plant = Plant(parse(data))
        plant.advance(2 * DAY)
        ledger = plant.state.units["Roasting"].ledger
        job = plant.state.units["Roasting"].job
        assert job is not None
        made[moisture] = (job.duration, ledger.made / ledger.processed)
    assert made[7.9][0] > made[6.5][0]
    assert made[7.9][1] < made[6.5][1]


def test_beans_beyond_the_limit_are_rejected_by_the_lot() -> None:
    data = plant_data()
    data["suppliers"]["HafenKakao"] |= {"moisture_percent": 9.0, "moisture_sd": 0}
    plant = Plant(parse(data))
    plant.advance(DAY)
    ledger = plant.state.units["Cleaning"].ledger
    assert ledger.defective == ledger.processed > 0
    assert_sound(plant)


def test_worn_rolls_are_exchanged_at_a_changeover() -> None:
    data = unlimited()
    data["stations"]["Mixing"]["roll_life_h"] = 50
    plant = Plant(parse(data))
    plant.advance(3 * WEEK)
    mixing = plant.state.units["Mixing"]
    assert mixing.tool_age < mixing.times[Activity.Running]
    assert mixing.tool_age < 200 * HOUR


def test_a_new_lot_knows_what_it_was_made_from() -> None:
    plant = Plant(SPEC)
    plant.advance(2 * DAY)
    made = [lot for lot in plant.state.lots.values() if lot.sources]
    assert len(made) > 100
    for lot in made:
        assert sum(mass for _, mass in lot.sources) == pytest.approx(lot.mass, rel=1e-12)


def test_milk_never_runs_into_dark_without_cleaning() -> None:
    plant = Plant(parse(unlimited()))
    moulding, cleanings, last = plant.state.units["Moulding"], 0, 0.0
    for hour in range(3 * 7 * 24):
        product = moulding.product
        plant.advance(hour * HOUR)
        if moulding.product == "Dark" and product in ("Milk", "White"):
            assert moulding.times[Activity.Cleaning] >= last + 2 * HOUR - 1e-6
            cleanings += 1
        last = moulding.times[Activity.Cleaning] if moulding.product == "Dark" else last
    assert cleanings > 0
