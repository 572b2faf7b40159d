"""OEE is availability x effectiveness x quality, every second counts once, and every euro has a cause."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, lived, plant_data, shipped, unlimited

from plant_model.accounting import Counts, counts, line, line_performance, performance, together
from plant_model.capacity import constraint, line_seconds, liquor_yield, mass_ratio, planned_seconds, roasting_minutes
from plant_model.costs import electricity, idle_hours
from plant_model.packml import State
from plant_model.plant import Plant
from plant_model.spec import parse

SPEC = shipped()
SECONDS = st.floats(0.0, 1e6)


@given(st.tuples(*[SECONDS] * 9))
def test_oee_is_the_product_of_its_factors(numbers: tuple[float, ...]) -> None:
    c = Counts._make(numbers)
    shown = performance(c)
    if min(c.apt, c.earned) > 1e-3:
        product = shown.availability * shown.effectiveness * shown.quality
        assert product == pytest.approx(shown.oee, rel=1e-9, abs=1e-9)


@settings(max_examples=5)
@given(st.integers(0, 99), st.floats(HOUR, 5 * DAY))
def test_oee_is_planned_time_of_good_pieces_by_busy_time(seed: int, until: float) -> None:
    plant = Plant(SPEC, seed)
    plant.advance(until)
    for unit in plant.state.units.values():
        c = counts(unit, plant.now)
        assert c.pbt + c.pdot == pytest.approx(until, rel=1e-12)
        shown = performance(c)
        if c.apt > 0 and c.earned > 0:
            assert shown.availability * shown.effectiveness * shown.quality == pytest.approx(shown.oee, rel=1e-12)
            assert shown.oee == pytest.approx((c.earned - c.lost) / c.pbt, rel=1e-12)


def test_ideal_seconds_are_planned_run_time_times_quantity() -> None:
    """PRI x PQ and PRI x GQ in kg, at a moment without a job in work."""
    plant = Plant(SPEC)
    plant.advance(3 * DAY)
    moulding = plant.state.units["Moulding"]
    pri = planned_seconds(SPEC, "Moulding", "Dark")
    assert moulding.ledger.earned == pytest.approx(pri * moulding.ledger.processed, rel=1e-9)
    assert moulding.ledger.lost == pytest.approx(pri * moulding.ledger.defective, rel=1e-9)


def test_nothing_counted_is_no_number() -> None:
    assert all(map(math.isnan, performance(Counts._make([0.0] * 9))))


def test_a_machine_that_rests_keeps_the_quality_it_had() -> None:
    resting = Counts(0, 0, 0, 100, 0, 0, 0, 0, 0)
    ever = Counts(50, 0, 0, 100, 0, 40, 10, 0, 0)
    assert performance(resting, ever) == (0.0, 0.0, 0.8, 0.75)


def test_the_line_is_measured_at_its_constraint() -> None:
    assert constraint(SPEC) == "Conching"
    plant = Plant(parse(unlimited()))
    plant.advance(2 * WEEK)
    conches = [unit for unit in plant.state.units.values() if unit.station == "Conching"]
    counted = together([counts(unit, plant.now) for unit in conches])
    shown = line_performance(line(plant.spec, plant.state, plant.now), counted, 3)
    assert shown.availability * shown.effectiveness * shown.quality == pytest.approx(shown.oee, rel=1e-12)
    mean = sum(s.share * line_seconds(plant.spec, "Conching", name) for name, s in plant.spec.products.items())
    made = plant.state.books.good_mass / plant.now
    assert shown.oee == pytest.approx(made * mean, rel=0.05)
    assert 0.7 < shown.oee < 1.0


def test_with_more_conches_another_station_is_the_constraint() -> None:
    assert constraint(parse(unlimited(6))) == "Roasting"


def test_planned_times_are_those_of_the_file() -> None:
    assert planned_seconds(SPEC, "Cleaning", "Dark") == pytest.approx(9.0)
    assert planned_seconds(SPEC, "Roasting", "Dark") == pytest.approx(45 * 60 / 150, rel=0.01)
    assert planned_seconds(SPEC, "Conching", "Dark") == pytest.approx((2.5 + 12 + 0.75) * 3600 / 2000)
    assert roasting_minutes(SPEC.stations.Roasting, 7.0) == pytest.approx(25, abs=0.2)
    assert roasting_minutes(SPEC.stations.Roasting, 2.0) == 0.0
    assert liquor_yield(SPEC) == pytest.approx(0.8705, abs=1e-4)
    assert mass_ratio(SPEC, "Cleaning", "Dark") == pytest.approx(0.489, abs=0.005)  # kg beans per kg, plant.md (a)
    assert mass_ratio(SPEC, "Cleaning", "White") == 0.0


def test_energy_is_power_by_time() -> None:
    plant = Plant(SPEC)
    plant.advance(DAY)
    for unit in plant.state.units.values():
        rated, shares = SPEC.stations[unit.section].power_kw, SPEC.power.shares
        assert shares[State.Execute] == shares[State.Starting] == 1.0
        assert shares[State.Suspending] == shares[State.Suspended] == SPEC.power.Suspended
        by_hand = sum(seconds * shares[i] for i, seconds in enumerate(unit.control.states)) * rated / HOUR
        by_hand += (plant.now - unit.since) * shares[unit.state] * rated / HOUR
        assert electricity(SPEC, unit, plant.now) == pytest.approx(by_hand)
        assert 0 < by_hand < 24 * rated + 1e-9


def test_a_case_costs_what_was_spent_for_it() -> None:
    plant = lived(4)
    spent = line(SPEC, plant.state, plant.now)
    per_case = sum(spent.costs) / spent.cases
    assert 7.0 < per_case < 11.0
    material_per_kg = spent.costs.material / spent.mass
    assert material_per_kg == pytest.approx(3.55 * 0.86, rel=0.1)  # plant.md: dark 3.31, milk 3.75, white 3.57 USD/kg
    idle = idle_hours(SPEC, plant.state, plant.now) * SPEC.costs.labour_per_h
    assert spent.costs.labour + idle == pytest.approx(9 * 24 * 4 * 168)
    assert all(cost >= 0 for cost in spent.costs)


def test_dearer_beans_make_dearer_chocolate() -> None:
    """S10: +12.6 % on beans adds what the beans in a kg cost more."""
    data = plant_data()
    data["suppliers"]["HafenKakao"]["price_usd_per_t"] *= 1.126
    cheap, dear = lived(2), Plant(parse(data))
    dear.advance(2 * WEEK)
    taken = cheap.state.units["Cleaning"].ledger.taken
    more = dear.state.books.money.material - cheap.state.books.money.material
    assert more == pytest.approx(taken * 3.848 * 0.126 * 0.86, rel=1e-3)  # beans lose and take up water
