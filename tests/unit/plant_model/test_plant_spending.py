"""Every euro has a cause, and the causes add up to all that was spent, to the cent."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import DAY, HOUR, WEEK, shipped

from plant_model.accounting import line
from plant_model.activity import Activity
from plant_model.costs import DISPOSED, Costs, base_load, electricity
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spending import CAUSES
from plant_model.tally import care

SPEC = shipped()
CENT = 0.005


def tags(plant: Plant) -> dict[str, Any]:
    """What the line shows of cost, by name of the tag."""
    values, _ = Reader(SPEC).read(plant)
    nodes = [signal.node for signal in signals(SPEC)]
    shown = dict(zip(nodes, values, strict=True))
    return {node.rpartition(".")[2]: value for node, value in shown.items() if node.startswith("Line1.Cost.")}


def paid(plant: Plant) -> float:
    """All that was spent, not asking for what."""
    rates, books, now = SPEC.costs, plant.state.books, plant.now
    units = list(plant.state.units.values())
    power = sum(electricity(SPEC, unit, now) for unit in units) + base_load(SPEC, now)
    waste = sum(mass for unit in units for kind, mass in unit.ledger.waste.items() if kind in DISPOSED)
    return (
        books.money.material
        + books.money.written_off
        + books.money.ordering
        + books.money.holding
        + books.money.backorders
        + books.good_cases * rates.packaging_per_case
        + now / HOUR * sum(SPEC.workers_per_shift.values()) * rates.labour_per_h  # it is always open
        + power * rates.electricity_per_kwh
        + books.money.gas_kwh * rates.gas_per_kwh
        + sum(sum(care(unit, now)) for unit in units) / HOUR * rates.maintenance_per_h
        + (waste + books.written_off_mass) * rates.scrap_per_kg
    )


@pytest.mark.parametrize("until", [HOUR, DAY + 1234.5, 3 * WEEK])
def test_the_causes_add_up_to_all_that_was_spent(until: float) -> None:
    plant = Plant(SPEC, 5)
    plant.advance(until)
    assert sum(line(SPEC, plant.state, plant.now).costs) == pytest.approx(paid(plant), abs=CENT)


def test_what_the_tags_show_adds_up_to_the_cent() -> None:
    plant = Plant(SPEC, 5)
    plant.advance(2 * DAY)
    for _ in range(20):
        plant.advance(plant.now + 3000.0)
        shown = tags(plant)
        assert sum(shown[f"{cause}CostPerUnit"] for cause in CAUSES) == pytest.approx(shown["CostPerUnit"], abs=CENT)
        assert sum(shown[f"{cause}Cost"] for cause in CAUSES) == pytest.approx(shown["TotalCost"], abs=CENT)
        assert shown["OrderingCostPerUnit"] + shown["HoldingCostPerUnit"] == pytest.approx(
            shown["StockCostPerUnit"], abs=CENT
        )


def test_every_cause_has_its_tags() -> None:
    assert sorted(cause for cause, _ in CAUSES.values()) == sorted(Costs._fields)


def test_nobody_is_paid_twice_for_an_hour() -> None:
    """The people of all stations are those of a shift less who runs no station."""
    runs = {role for role, skills in SPEC.workforce.skills.items() if set(skills) & set(SPEC.attendance)}
    assert sum(SPEC.attendance.values()) == pytest.approx(sum(SPEC.workers_per_shift[role] for role in runs))


def test_a_breakdown_costs_its_repair_and_the_people_who_stand_beside_it() -> None:
    plant = Plant(SPEC, 5)
    plant.advance(2 * DAY)
    before = line(SPEC, plant.state, plant.now).costs
    plant.inject_fault("Tempering", "PumpFault")
    unit, begun = plant.state.units["Tempering"], plant.now
    while unit.activity in (Activity.Breakdown, Activity.AwaitingRepair):
        plant.advance(plant.now + 60.0)
    after = line(SPEC, plant.state, plant.now).costs
    people = SPEC.attendance["Tempering"] * SPEC.costs.labour_per_h
    assert after.failures - before.failures >= people * (plant.now - begun - 180.0) / HOUR


def test_scrap_costs_the_material_that_was_in_it() -> None:
    plant = Plant(SPEC, 5)
    plant.advance(3 * WEEK)
    scrapped = sum(
        u.ledger.waste.get("Scrap", 0.0) + u.ledger.waste.get("Rejected", 0.0) for u in plant.state.units.values()
    )
    spent = plant.state.books.money.scrapped
    assert 2.0 * scrapped < spent < 4.5 * scrapped  # EUR/kg, between beans and milk chocolate
