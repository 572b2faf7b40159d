"""KPIs of the line, its people, its stock and its qualities: by the constraint, in every window, exactly."""

from __future__ import annotations

import math
from functools import cache
from typing import get_args

import numpy as np
import pytest
from support_plant import DAY, HOUR, WEEK, plant_data, shipped

from plant_model.capacity import constraint, planned_scrap
from plant_model.kpi import Kpis
from plant_model.laboratory import QUALITIES, Limits, machine_capability, process_capability
from plant_model.layout import units
from plant_model.ledgers import Spread
from plant_model.linekpis import LineKpis
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import SpecError, parse
from plant_model.tally import Count
from plant_model.windows import Window

SPEC = shipped()
ISO_22400 = {
    **dict.fromkeys(("availability", "effectiveness", "quality_rate", "oee", "nee", "technical_efficiency"), Kpis),
    **dict.fromkeys(("scrap_ratio", "rework_ratio", "first_pass_yield", "fall_off_ratio", "throughput_rate"), Kpis),
    **dict.fromkeys(("allocation_efficiency", "utilization_efficiency", "setup_rate", "mtbf_h", "mttr_h"), Kpis),
    **dict.fromkeys(("production_process_ratio", "actual_to_planned_scrap", "corrective_maintenance_ratio"), Kpis),
    **dict.fromkeys(("finished_goods_ratio", "production_loss_ratio", "storage_loss_ratio"), LineKpis),
    **dict.fromkeys(("inventory_turns", "worker_efficiency", "oee", "allocation_ratio"), LineKpis),
}
"""The table of the reference, row by row; Cp and Cm have a table of their own."""


@cache
def ran(until: float) -> Plant:
    plant = Plant(SPEC, 3)
    plant.advance(until)
    return plant


@pytest.mark.parametrize("name", ISO_22400)
def test_every_kpi_of_the_table_is_there(name: str) -> None:
    assert name in ISO_22400[name]._fields  # type: ignore[attr-defined]


@pytest.mark.parametrize("window", get_args(Window))
def test_oee_of_the_line_is_the_product_of_its_factors_in_every_window(window: Window) -> None:
    found = ran(2 * WEEK + 1234).line_kpis(window)
    assert found
    for stretch in found:
        one = stretch.kpis
        product = one.availability * one.effectiveness * one.quality_rate
        if not math.isnan(product):  # something has left the line
            assert one.oee == pytest.approx(product, abs=1e-12)
            assert one.oee >= 0.0


def test_an_order_is_what_the_constraint_made_of_it_less_what_the_end_of_the_line_rejected() -> None:
    """However often the end of the line turned to the product in between."""
    plant = ran(2 * WEEK + 1234)
    lines = plant.kpis("orders")
    campaigns = [line for line in lines if line.unit == "Kneader"]
    orders = plant.line_kpis("orders")
    assert [(o.label, o.start) for o in orders] == [(c.label, c.start) for c in campaigns[-len(orders) :]]
    order = next(one for one in orders if one.closed)
    until = min((c.start for c in campaigns if c.label == order.label and c.start > order.start), default=math.inf)
    begun = [line for line in lines if line.label == order.label and order.start <= line.start < until]
    ended = [
        float(sum(b.row[count] for b in begun if b.unit == "Moulding")) for count in (Count.Processed, Count.Defective)
    ]
    quality = 1.0 - ended[1] / ended[0]
    assert order.kpis.quality_rate == pytest.approx(quality)
    assert order.kpis.throughput_rate == pytest.approx((ended[0] - ended[1]) / (order.end - order.start) * HOUR)
    narrow = [name for name, station in units(SPEC).items() if station == constraint(SPEC)]
    pbt = sum(line.losses.busy for line in begun if line.unit in narrow)
    made = sum(float(line.row[Count.Earned]) for line in begun if line.unit in narrow)
    assert order.kpis.oee == pytest.approx(made * quality / pbt)


def test_what_tanks_give_away_does_not_lift_the_line_above_its_constraint() -> None:
    """Hour by hour of three weeks: more may leave the line in a day than was conched in it."""
    plant, reader = Plant(SPEC, 1), Reader(SPEC)
    place = [signal.node for signal in signals(SPEC)].index("Line1.Performance.OEE")
    shown = []
    for hour in range(24, 3 * 7 * 24):
        plant.advance(hour * HOUR)
        shown.append(reader.read(plant)[0][place])
    assert 70.0 < np.mean(shown) < 90.0
    assert max(shown) <= 101.0, "a filling counts as a whole when it is begun"


def closed_orders() -> list[LineKpis]:
    return [order.kpis for order in ran(2 * WEEK + 1234).line_kpis("orders") if order.closed]


def test_what_an_order_consumed_is_good_lost_or_made_again() -> None:
    """GQ / CM + PL / CM + RQ / CM: what a tank keeps for the next order of the product evens out."""
    orders, rework = closed_orders(), SPEC.stations.Moulding.rework_share * 0.02
    assert len(orders) > 2
    for order in orders:
        assert order.production_loss_ratio == pytest.approx(0.007 + 0.004, abs=0.003), "conches and scrap"
    found = np.mean([order.finished_goods_ratio + order.production_loss_ratio for order in orders])
    assert found + rework == pytest.approx(1.0, abs=0.03)


def test_machines_that_work_at_an_order_at_once_are_allocated_together() -> None:
    """AUBT / AOET: the busy time of all machines by the time of the order; of a lone machine it is 1."""
    machines = [name for name, station in units(SPEC).items() if station not in ("Cleaning", "Roasting", "Grinding")]
    for order in closed_orders():
        assert 1.0 < order.production_process_ratio < order.allocation_ratio < len(machines)


def test_what_is_of_no_order_is_not_told_of_one() -> None:
    """Nobody attends an order, no stock is its own, and what expires was nobody's; only an order has an AOET."""
    for order in closed_orders():
        assert all(map(math.isnan, (order.worker_efficiency, order.inventory_turns, order.storage_loss_ratio)))
    (shift,) = ran(2 * WEEK + 1234).line_kpis("last shift")
    assert math.isnan(shift.kpis.allocation_ratio)


def test_the_last_order_is_shown() -> None:
    plant = ran(2 * WEEK + 1234)
    shown = dict(zip([signal.node for signal in signals(SPEC)], Reader(SPEC).read(plant)[0], strict=True))
    last = closed_orders()[-1]
    place = "Line1.Performance."
    assert shown[f"{place}AllocationRatioLastOrder"] == pytest.approx(100 * last.allocation_ratio, abs=0.01)
    assert shown[f"{place}FinishedGoodsRatioLastOrder"] == pytest.approx(100 * last.finished_goods_ratio, abs=0.01)
    assert shown[f"{place}ProductionLossRatioLastOrder"] == pytest.approx(100 * last.production_loss_ratio, abs=0.01)


def test_orders_and_weeks_have_the_same_oee_on_average() -> None:
    plant = Plant(SPEC, 3)
    done: list[float] = []
    for week in range(2, 7):
        plant.advance(week * WEEK)
        done += [order.kpis.oee for order in plant.line_kpis("orders") if order.closed]
    (ever,) = plant.line_kpis("ever")
    assert np.mean(done) == pytest.approx(ever.kpis.oee, abs=0.2)


def test_the_last_shift_is_eight_hours_of_its_own() -> None:
    plant = Plant(SPEC, 3)
    plant.advance(DAY)
    before = plant.state.books.good_mass
    plant.advance(DAY + 8 * HOUR + 1.0)
    (shift,) = plant.line_kpis("last shift")
    assert (shift.start, shift.end) == (DAY, DAY + 8 * HOUR)
    assert shift.kpis.throughput_rate == pytest.approx((plant.state.books.good_mass - before) / 8.0)


def test_nobody_works_longer_than_he_is_there() -> None:
    plant = ran(2 * WEEK)
    for role, labour in plant.state.labour.items():
        assert 0.0 < labour.worked < labour.attended <= SPEC.workers_per_shift[role] * plant.now
    (ever,) = plant.line_kpis("ever")
    assert 0.2 < ever.kpis.worker_efficiency < 0.9


def test_who_waits_for_material_does_not_work() -> None:
    data = plant_data()
    data["workforce"] |= {"absence": 0.0, "break_min": 0}
    data["storages"]["Beans"] |= {"initial_kg": 0}
    for tank in data["buffers"].values():
        tank["initial_kg"] = 0
    plant = Plant(parse(data), 3)
    plant.advance(2 * DAY)
    handler = plant.state.labour["Handler"]
    assert handler.worked < 0.05 * plant.now


def test_material_is_good_lost_or_still_there() -> None:
    """GQ / CM + PL / CM + STL / CM is 1, but for what is in process and what air took or gave."""
    (ever,) = ran(4 * WEEK).line_kpis("ever")
    one = ever.kpis
    assert one.finished_goods_ratio + one.production_loss_ratio + one.storage_loss_ratio == pytest.approx(1.0, abs=0.03)


def test_stock_turns_by_what_leaves_and_what_lies_there() -> None:
    plant = Plant(SPEC, 3)
    levels: list[float] = []
    for hour in range(1, 49):
        plant.advance(hour * HOUR)
        levels.append(plant.state.buffers["Sugar"].level)
    store = plant.state.stores["Sugar"]
    assert store.stocked == pytest.approx(sum(levels), rel=0.02)  # at a full hour others act too
    nodes = [signal.node for signal in signals(SPEC)]
    shown = dict(zip(nodes, Reader(SPEC).read(plant)[0], strict=True))
    assert shown["Warehouse.Sugar.InventoryTurns"] == pytest.approx(store.issued * 8760 / store.stocked, rel=1e-3)


def spread(values: list[float]) -> Spread:
    found = Spread()
    for value in values:
        found = found.add(value)
    return found


def test_process_capability_is_the_limits_by_six_standard_deviations() -> None:
    values = np.random.default_rng(1).normal(100.6, 0.8, 200).tolist()
    expected = (105.7 - 95.5) / (6 * np.std(values, ddof=1))
    assert process_capability(Limits(low=95.5, high=105.7), spread(values), Spread()) == pytest.approx(expected)


def test_with_one_limit_capability_is_the_room_to_it() -> None:
    values = np.random.default_rng(2).normal(0.8, 0.03, 200).tolist()
    expected = (1.0 - np.mean(values)) / (3 * np.std(values, ddof=1))
    assert process_capability(Limits(high=1.0), spread(values), Spread()) == pytest.approx(expected)


def test_a_drift_lowers_the_process_not_the_machine() -> None:
    noise = np.random.default_rng(3).normal(0.0, 0.1, 300)
    drifting = (5.0 + np.linspace(-0.6, 0.6, 300) + noise).tolist()
    limits, found = Limits(low=4.0, high=6.0), spread(drifting)
    assert machine_capability(limits, found, Spread()) == pytest.approx(2.0 / 0.6, rel=0.1)
    assert process_capability(limits, found, Spread()) < 0.5 * machine_capability(limits, found, Spread())


def test_a_window_forgets_what_was_before_it() -> None:
    wild, calm = [4.0, 6.0] * 50, np.random.default_rng(4).normal(5.0, 0.1, 100).tolist()
    limits, before = Limits(low=4.0, high=6.0), spread(wild)
    after = before
    for value in calm:
        after = after.add(value)
    alone = process_capability(limits, spread(calm), Spread())
    assert process_capability(limits, after, before) == pytest.approx(alone, rel=1e-6)


def test_few_values_say_nothing() -> None:
    assert math.isnan(process_capability(Limits(high=1.0), spread([0.5] * 9), Spread()))


def test_the_plant_keeps_its_limits() -> None:
    found = ran(2 * WEEK).capability()
    assert list(found) == list(QUALITIES)
    assert all(one.process > 1.0 and one.machine > 1.0 for one in found.values())


def test_worn_rolls_show_in_the_capability_of_fineness() -> None:
    plant = Plant(SPEC, 3)
    plant.advance(WEEK)
    fresh = plant.capability()["FinenessD90"].process
    plant.state.units["Mixing"].tool_age = 1300.0 * HOUR
    plant.advance(WEEK + 3 * DAY)
    assert plant.capability()["FinenessD90"].process < 0.5 * fresh


def test_scrap_is_compared_with_the_plan_and_with_the_first_operation() -> None:
    lines = {line.unit: line for line in ran(4 * WEEK).kpis("ever")}
    last, first = lines["Moulding"], lines["Mixing"]
    scrapped = float(last.row[Count.Scrapped])
    expected = scrapped / (planned_scrap(SPEC, "Moulding") * float(last.row[Count.Processed]))
    assert last.kpis.actual_to_planned_scrap == pytest.approx(expected)
    assert 0.5 < expected < 3.0
    assert last.kpis.fall_off_ratio == pytest.approx(scrapped / float(first.row[Count.Processed]))


def test_wrappers_plan_half_a_case_of_scrap_for_each_film() -> None:
    """And throw away more where the line turns to a product more often than once a campaign."""
    one_case = SPEC.case_kg
    loads = sum(product.campaign_loads for product in SPEC.products.values())
    assert planned_scrap(SPEC, "Wrapping") == pytest.approx(3 * 2 * one_case / 2 / (loads * 2000 * 0.993 * 0.98))
    for line in ran(4 * WEEK).kpis("ever"):
        if line.unit.startswith("Wrapper"):
            assert 0.7 < line.kpis.actual_to_planned_scrap < 2.5


def test_who_makes_no_scrap_as_planned_has_no_such_ratio() -> None:
    ratios = {line.unit: line.kpis.actual_to_planned_scrap for line in ran(4 * WEEK).kpis("ever")}
    assert [unit for unit, ratio in ratios.items() if not math.isnan(ratio)] == ["Moulding", "Wrapper1", "Wrapper2"]


@pytest.mark.parametrize(
    ("quality", "words"),
    [
        ({"BarWeight": {"low": 105, "high": 95}}, "must be above low, 105"),
        ({"Moisture": {"sd": 0.1}}, "must have low or high, or both"),
        ({"Taste": {"low": 1}}, "is not measured; measured are BarWeight"),
    ],
)
def test_limits_that_cannot_be_are_refused(quality: dict[str, dict[str, float]], words: str) -> None:
    data = plant_data()
    data["quality"] |= quality
    with pytest.raises(SpecError, match=words):
        parse(data)


def test_the_time_elements_that_are_shown_add_up_to_the_window() -> None:
    plant = Plant(SPEC, 3)
    plant.advance(3 * DAY)
    nodes = [signal.node for signal in signals(SPEC)]
    shown = dict(zip(nodes, Reader(SPEC).read(plant)[0], strict=True))
    hours = (plant.state.marks[-1].time - plant.state.marks[0].time) / HOUR
    for station in ("Cleaning", "Moulding"):
        total = sum(shown[f"Line1.{station}.Times.{name}"] for name in ("APT", "AUST", "ADET", "ADOT", "PDOT"))
        assert total == pytest.approx(hours, abs=0.05)
    assert shown["Line1.Performance.OEELastShift"] > 0
    assert shown["Line1.Performance.WorkerEfficiency"] > 0
