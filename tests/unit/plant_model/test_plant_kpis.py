"""Every second has one cause, KPIs are those of ISO 22400, the losses add up, and the bottleneck is found."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, assert_sound, plant_data, shipped, unlimited

from plant_model.accounting import counts
from plant_model.activity import Activity, Element
from plant_model.bottleneck import momentary, moved
from plant_model.indicators import Board
from plant_model.kpi import elements, kpis, losses
from plant_model.plant import Plant, PlantError
from plant_model.signals import Reader, signals
from plant_model.spec import parse
from plant_model.state import Bottleneck, Unit
from plant_model.tally import Count, Row, tally
from plant_model.windows import Window

SPEC = shipped()
WINDOWS: tuple[Window, ...] = ("rolling", "shift", "last shift", "orders", "ever")


def ran(until: float, seed: int = 1) -> Plant:
    plant = Plant(SPEC, seed)
    plant.advance(until)
    return plant


def check(row: Row, length: float) -> None:
    spent, shown, lost = elements(row), kpis(row), losses(row)
    assert sum(spent.values()) == pytest.approx(length, rel=1e-9, abs=1e-6)
    busy = length - spent["PDOT"]
    assert lost.busy == pytest.approx(busy, rel=1e-9, abs=1e-3)
    if spent["APT"] > 1.0 and row[Count.Earned] > 1.0:
        product = shown.availability * shown.effectiveness * shown.quality_rate
        assert product == pytest.approx(shown.oee, rel=1e-9)
        assert shown.oee == pytest.approx(lost.productive / busy, rel=1e-9)
        assert shown.oee_standalone >= shown.oee - 1e-12
        assert shown.nee >= shown.oee - 1e-12


@pytest.mark.parametrize("window", WINDOWS)
def test_in_every_window_the_seconds_add_up_and_oee_is_its_factors(window: Window) -> None:
    lines = ran(9 * DAY + 1234).kpis(window)
    assert {line.unit for line in lines} == set(SPEC_UNITS)
    for line in lines:
        check(line.row, line.end - line.start)


SPEC_UNITS = Plant(SPEC).state.units


STEPS = st.lists(
    st.tuples(
        st.integers(0, 8), st.sampled_from(["Stop", "Hold", "Abort", "Clear", "Reset", "Start", "Unhold", "fault"])
    ),
    max_size=25,
)


@settings(max_examples=8)
@given(STEPS, st.integers(0, 9))
def test_whatever_is_commanded_or_breaks_the_identity_holds(steps: list[tuple[int, str]], seed: int) -> None:
    plant = Plant(SPEC, seed)
    for number, what in steps:
        unit = list(plant.state.units.values())[number]
        disturb(plant, unit, what)
        plant.advance(plant.now + HOUR)
        check(tally(unit, plant.now), plant.now)
    for window in WINDOWS:
        for line in plant.kpis(window):
            check(line.row, line.end - line.start)
    assert_sound(plant)


def disturb(plant: Plant, unit: Unit, what: str) -> None:
    try:
        if what == "fault":
            plant.inject_fault(unit.name, next(iter(unit.failures)))
        else:
            plant.command(unit.name, what)
    except PlantError:
        return


def test_every_second_has_an_element_a_cause_and_where_somebody_is_to_blame_a_culprit() -> None:
    plant = ran(8 * DAY)
    for unit in plant.state.units.values():
        causes = plant.time_by_cause(unit.name)
        assert math.fsum(causes.values()) == pytest.approx(plant.now, rel=1e-12)
        counted = counts(unit, plant.now)
        for element, seconds in zip(Element, counted[:5], strict=True):
            own = math.fsum(spent for cause, spent in causes.items() if cause.element is element)
            assert own == pytest.approx(seconds, rel=1e-9, abs=1e-6)
        for cause in causes:
            if cause.activity in (Activity.Starved, Activity.Blocked, Activity.Breakdown, Activity.AwaitingRepair):
                assert cause.culprit
    moulding = plant.time_by_cause("Moulding")
    assert {c.culprit for c in moulding if c.activity is Activity.Starved} == {"Tempering"}
    assert {c.culprit for c in moulding if c.activity is Activity.MinorStop} <= {"MouldJam", "DepositorFault"}


def test_figures_are_those_of_the_standard() -> None:
    row = np_row(
        times={Activity.Running: 50, Activity.Changeover: 10, Activity.Starved: 15, Activity.Breakdown: 10}
        | {Activity.AwaitingRepair: 5, Activity.NoOrder: 10, Activity.Maintenance: 20},
        numbers={Count.Earned: 40, Count.Lost: 4, Count.StartUpLost: 1, Count.Processed: 80, Count.Defective: 8}
        | {Count.Scrapped: 2, Count.Reworked: 6, Count.Breakdowns: 2, Count.RepairTime: 9, Count.MaintenanceTime: 18},
    )
    shown, lost = kpis(row), losses(row)
    assert elements(row) == {"APT": 50, "AUST": 10, "ADET": 30, "ADOT": 10, "PDOT": 20}
    assert shown.availability == pytest.approx(0.5)
    assert shown.effectiveness == pytest.approx(0.8)
    assert shown.quality_rate == pytest.approx(0.9)
    assert shown.oee == pytest.approx(0.36)
    assert shown.oee_standalone == pytest.approx(36 / 75)
    assert shown.nee == pytest.approx(0.6 * 0.8 * 0.9)
    assert shown.technical_efficiency == pytest.approx(50 / 80)
    assert shown.utilization_efficiency == pytest.approx(50 / 90)
    assert shown.allocation_efficiency == pytest.approx(0.9)
    assert shown.setup_rate == pytest.approx(10 / 60)
    assert (shown.scrap_ratio, shown.rework_ratio, shown.first_pass_yield) == pytest.approx((0.025, 0.075, 0.9))
    assert shown.mtbf_h == pytest.approx(30 / 3600)
    assert (shown.mttr_h, shown.mean_wait_h) == pytest.approx((4.5 / 3600, 2.5 / 3600))
    assert shown.corrective_maintenance_ratio == pytest.approx(1 / 3)
    assert lost == (15, 10, 0, 10, 1, 3, 25, 0, 36)


def np_row(times: dict[Activity, float], numbers: dict[Count, float]) -> Row:
    row = tally(Unit("X", "X"), 0.0)
    for place, value in (*times.items(), *numbers.items()):
        row[place] = value
    return row


def test_without_a_failure_there_is_no_time_between_failures() -> None:
    shown = kpis(tally(Unit("X", "X"), 100.0))
    assert math.isnan(shown.mtbf_h)
    assert math.isnan(shown.mttr_h)


def test_shorter_changeovers_raise_oee_and_leave_nee() -> None:
    """S6: setup is a loss of OEE, none of NEE."""
    data = unlimited(5)
    found = []
    for minutes in (15, 90):
        data["stations"]["Moulding"]["changeover_min"] = {"low": minutes, "mode": minutes, "high": minutes}
        plant = Plant(parse(data))
        plant.advance(2 * WEEK)
        found.append(next(line.kpis for line in plant.kpis("ever") if line.unit == "Moulding"))
    short, long = found
    assert short.setup_rate < long.setup_rate
    assert short.nee / short.oee < long.nee / long.oee


def test_orders_are_told_apart_by_product() -> None:
    plant = ran(9 * DAY)
    lines = [line for line in plant.kpis("orders") if line.unit == "Mixing"]
    assert len(lines) > 2
    assert all(one.end == other.start for one, other in pairwise(lines))
    assert all(one.label != other.label for one, other in pairwise(lines))
    assert all(line.row[Count.Processed] > 0 for line in lines[1:-1])


def test_a_shift_lasts_eight_hours() -> None:
    plant = ran(2 * DAY + HOUR)
    (last,) = {(line.label, line.start, line.end) for line in plant.kpis("last shift")}
    assert last == ("Tue 22:00", 40 * HOUR, 48 * HOUR)
    (present,) = {(line.label, line.start, line.end) for line in plant.kpis("shift")}
    assert present == ("Wed 06:00", 48 * HOUR, 49 * HOUR)
    assert ran(HOUR).kpis("last shift") == []


def test_with_more_conches_the_bottleneck_moves_on() -> None:
    found = []
    for machines in (2, 6):
        plant = Plant(parse(unlimited(machines)))
        plant.advance(2 * WEEK)
        seconds = plant.state.bottleneck.seconds
        assert math.fsum(seconds.values()) <= plant.now
        found.append(sum(s for unit, s in seconds.items() if unit.startswith("Conche")) / plant.now)
    assert found[0] > 0.6
    assert found[1] < found[0] / 2


def test_the_longest_active_machine_is_the_bottleneck() -> None:
    units = [Unit("A", "A", active=5.0), Unit("B", "B", active=3.0), Unit("C", "C")]
    assert momentary(units) == "B"
    bottleneck = Bottleneck("A", 1.0)
    moved(bottleneck, units, units[1], 10.0)
    assert (bottleneck.unit, bottleneck.since, bottleneck.seconds) == ("B", 10.0, {"A": 9.0})
    assert momentary(units[2:]) == ""


def test_indicators_are_shown_and_rest_between_full_hours() -> None:
    plant, reader = ran(5 * DAY + 60), Reader(SPEC)
    names = [signal.node for signal in signals(SPEC)]

    def shown() -> dict[str, Any]:
        return dict(zip(names, reader.read(plant)[0], strict=True))

    early = shown()
    assert early["Line1.Performance.Bottleneck"] in plant.state.units
    assert 0 < early["Line1.Moulding.Performance.MTBF"] < 100
    parts = sum(
        value for node, value in early.items() if node.startswith("Line1.Energy.EnergyPerUnit") and node[-1] != "t"
    )
    whole = early["Line1.Energy.EnergyPerUnit"]
    assert 0.6 * whole < parts < whole
    plant.advance(5 * DAY + 1800)
    assert shown()["Line1.Moulding.Losses.WaitingLoss"] == early["Line1.Moulding.Losses.WaitingLoss"]
    plant.advance(6 * DAY)
    assert shown() == dict(zip(names, Reader(SPEC).read(plant)[0], strict=True))


def test_the_board_follows_another_plant_of_the_same_kind() -> None:
    board, one, other = Board(SPEC), ran(2 * DAY), ran(2 * DAY, 2)
    first = board.station(one.state, "Moulding")
    assert board.station(other.state, "Moulding") != first
    assert board.station(one.state, "Moulding") == first


def test_the_money_of_two_technicians_is_in_labour_only() -> None:
    data = plant_data()
    data["workers_per_shift"]["Technician"] = 2
    one, two = Plant(SPEC), Plant(parse(data))
    for plant in (one, two):
        plant.advance(2 * DAY)
    assert len(two.state.crews) == len(one.state.crews)
    assert two.state.crews["Technician"].here + two.state.crews["Technician"].busy >= 1
