"""What is wrong with a raw material reaches the bar: damp sugar and milk powder, shell in the nib, coarse liquor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from support_plant import DAY, HOUR, WEEK, assert_paid, assert_sound, plant_data, shipped, unlimited, without_failures

from plant_model.capacity import shell_in_nib
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import LIQUOR, SpecError, parse
from plant_model.state import Lot
from plant_model.stations.dosing import usual_batch
from plant_model.stations.grinding import liquor_um
from plant_model.stations.mixing import refined_um
from plant_model.stations.moulding import reject_shares
from plant_model.stations.rheology import Usual

SPEC = shipped()
STATIONS = SPEC.stations
USUAL = Usual(SPEC)


def batch(product: str, *, water: float = 0.0, fat: float = 0.0, fineness: float = 20.5) -> list[Lot]:
    """A batch by recipe, but for % of water and of butter more than usual."""
    mix = dict(SPEC.products[product].recipe)
    mix["CocoaButter"] += fat / 100.0
    lot = usual_batch(SPEC, product)
    lot.mix, lot.fineness = mix, fineness
    lot.moisture += water
    return [lot]


def of_milk(target: float = 0.85, **facts: Any) -> Plant:
    """Only milk chocolate is made, without chance at the machines; milk powder as these facts of its suppliers say.

    `target`: % of water at which a conche is emptied.
    """
    data = without_failures(unlimited())
    data["stations"]["Conching"]["moisture_target_percent"] = target
    for name, product in data["products"].items():
        product["share"] = float(name == "Milk")
        if name != "Milk":
            product |= {"reorder_cases": 0, "target_cases": 1}
    data["storages"]["MilkPowder"]["moisture_limit_percent"] = 100
    data["storages"]["MilkPowder"]["sorption"]["days"] = 1e6  # its water stays as it came
    for supplier in data["suppliers"].values():
        if supplier["material"] == "MilkPowder":
            supplier.update(facts)
    return Plant(parse(data))


def shown(plant: Plant) -> dict[str, Any]:
    values, _ = Reader(plant.spec).read(plant)
    return dict(zip((signal.node for signal in signals(plant.spec)), values, strict=True))


def mean(lots: Sequence[Lot], fact: str) -> float:
    return sum(getattr(lot, fact) for lot in lots) / len(lots)


def test_a_usual_load_dries_and_flows_as_the_recipe_says() -> None:
    for product in SPEC.products:
        assert USUAL.thickness(product, batch(product)) == pytest.approx(1.0)
        assert 0.7 < USUAL.final_moisture(product, batch(product)) < 0.9, "below 1 %"
        assert USUAL.moisture(product, batch(product), 0.0) == pytest.approx(1.6)


def test_wet_lean_and_fine_mass_is_thick() -> None:
    assert USUAL.thickness("Milk", batch("Milk", water=0.1)) == pytest.approx(1.011, abs=1e-3)
    assert USUAL.thickness("Milk", batch("Milk", water=0.5)) == pytest.approx(1.019, abs=1e-3), "it conches longer"
    assert USUAL.thickness("Milk", batch("Milk", fat=1.0)) == pytest.approx(0.887, abs=1e-3)
    assert USUAL.thickness("Milk", batch("Milk", fineness=25.0)) < 0.9


def test_what_stays_of_a_little_more_water_is_what_the_conche_leaves_of_any() -> None:
    more = USUAL.final_moisture("Dark", batch("Dark", water=0.1)) - USUAL.final_moisture("Dark", batch("Dark"))
    assert more == pytest.approx(0.1 * math.exp(-12 / 9.2))


@pytest.mark.parametrize("product", SPEC.products)
def test_a_load_conches_the_hours_of_its_recipe_and_a_damp_one_until_it_is_dry(product: str) -> None:
    """By the drying curve: tau ln(water beyond equilibrium / target beyond equilibrium)."""
    conching, damp = STATIONS.Conching, batch(product, water=1.0)
    assert USUAL.hours(product, batch(product)) == conching.hours[product]
    assert USUAL.hours(product, batch(product, water=-0.3)) == conching.hours[product], "aroma takes its time"
    expected = conching.moisture_tau_h[product] * math.log((1.6 + 1.0 - 0.5) / (0.85 - 0.5))
    assert USUAL.hours(product, damp) == pytest.approx(expected)
    assert expected > 1.3 * conching.hours[product]
    assert USUAL.final_moisture(product, damp) == pytest.approx(conching.moisture_target_percent)


def test_a_target_that_no_load_can_reach_is_refused() -> None:
    data = plant_data()
    data["stations"]["Conching"]["moisture_target_percent"] = 0.5
    with pytest.raises(SpecError, match="must be above moisture_equilibrium_percent"):
        parse(data)


def test_bars_of_thick_mass_have_bubbles() -> None:
    usual, thick = (
        Lot("1", "Milk", 200, 0, temper=5.0, thickness=1.0),
        Lot("2", "Milk", 200, 0, temper=5.0, thickness=1.2),
    )
    before, after = reject_shares(STATIONS, 0.02, usual), reject_shares(STATIONS, 0.02, thick)
    assert after["Bubbles"] - before["Bubbles"] == pytest.approx(0.04)
    assert {cause for cause in before if after[cause] != before[cause]} == {"Bubbles"}


def test_loads_of_damp_milk_powder_conche_longer_and_the_line_makes_less() -> None:
    """As beans that are wet roast longer; the planned time stays, so it is lost as speed."""
    dry, damp = of_milk(moisture_percent=3.35, moisture_sd=0), of_milk(moisture_percent=8.0, moisture_sd=0)
    made, hours = [], []
    for plant in (dry, damp):
        plant.advance(WEEK)
        made.append(plant.state.books.good_mass)
        conche = next(unit for unit in plant.state.units.values() if unit.job and unit.job.phase == "Conching")
        assert conche.job is not None  # it was found by its job
        assert conche.job.planned == 8.0 * HOUR
        hours.append(conche.job.duration / HOUR)
        assert_sound(plant)
    assert hours[1] > 1.2 * hours[0]
    assert made[1] < 0.9 * made[0]
    lots = [[*plant.state.buffers["MilkTank"].lots, *plant.state.buffers["MilkTank"].transit] for plant in (dry, damp)]
    assert mean(lots[0], "moisture") < mean(lots[1], "moisture") < 0.86, "it is as dry as the target"


def test_mass_that_is_let_go_damp_is_thick_and_makes_rejected_bars() -> None:
    dry = of_milk(moisture_percent=3.35, moisture_sd=0)
    damp = of_milk(target=1.2, moisture_percent=8.0, moisture_sd=0)
    rejected = []
    for plant in (dry, damp):
        plant.advance(2 * WEEK)
        ledger = plant.state.units["Moulding"].ledger
        rejected.append(ledger.rejects["Bubbles"] / ledger.processed)
        assert_sound(plant)
    lots = [[*plant.state.buffers["MilkTank"].lots, *plant.state.buffers["MilkTank"].transit] for plant in (dry, damp)]
    assert mean(lots[1], "moisture") > mean(lots[0], "moisture") + 0.1
    assert mean(lots[1], "thickness") > mean(lots[0], "thickness") + 0.05
    assert rejected[1] > 1.5 * rejected[0]


def test_sugar_and_milk_powder_follow_the_air_of_their_store() -> None:
    data = plant_data()
    data["storages"]["MilkPowder"]["humidity"] = [70, 80]
    plant, ours = Plant(parse(data)), Plant(SPEC)
    for one in (plant, ours):
        one.advance(3 * WEEK)
        assert_sound(one)
        assert_paid(one)
    node = "Warehouse.MilkPowder.Moisture"
    assert shown(plant)[node] > shown(ours)[node] + 0.5
    assert 0.0 < shown(ours)["Warehouse.Sugar.Moisture"] < 0.1


def test_a_delivery_that_is_too_damp_is_sent_back() -> None:
    data = plant_data()
    data["suppliers"]["Norddeutsche Zucker"] |= {"moisture_percent": 0.2, "reject_share": 0}
    plant = Plant(parse(data))
    told = [event for event in plant.advance(3 * WEEK) if event.kind == "delivery_rejected"]
    assert any("0.10 %" in event.message or "0.1 % allowed" in event.message for event in told)


def test_worn_beaters_leave_shell_and_shell_makes_coarse_liquor() -> None:
    grinding = STATIONS.Grinding
    assert 100 * shell_in_nib(grinding, 0.0) == pytest.approx(1.2)
    assert 1.70 < 100 * shell_in_nib(grinding, grinding.beater_life_h) < 1.77, "the limit is 1.75 %"
    assert liquor_um(grinding, 0.0) == grinding.fineness_um
    assert liquor_um(grinding, 700.0) == pytest.approx(75 + 8 * 0.56)


def test_coarse_liquor_makes_coarse_mass() -> None:
    data = plant_data()
    data["stations"]["Grinding"]["shell_in_nib_per_h"] = 0.00008
    coarse, ours = Plant(parse(data)), Plant(SPEC)
    seen = []
    for plant in (coarse, ours):
        plant.advance(3 * WEEK)
        liquor = plant.state.buffers["LiquorTank"].lots
        tank = [lot for name in ("DarkTank", "MilkTank") for lot in plant.state.buffers[name].lots]
        seen.append((mean(liquor, "fineness"), mean(liquor, "shell"), mean(tank, "fineness")))
        assert_sound(plant)
    assert seen[0][0] > seen[1][0] + 5
    assert seen[0][1] > seen[1][1] + 1
    assert seen[0][2] > seen[1][2] + 0.2
    assert refined_um(STATIONS.Mixing, 100.0, 10.0) - refined_um(STATIONS.Mixing, 100.0) == pytest.approx(1.5)


def test_shell_wears_the_rolls() -> None:
    data = plant_data()
    data["stations"]["Grinding"]["shell_in_nib_per_h"] = 0.0004
    hard, ours = Plant(parse(data), 3), Plant(SPEC, 3)
    for plant in (hard, ours):
        plant.advance(2 * WEEK)
    wear = [
        plant.state.units["Mixing"].tool_age / plant.state.units["Mixing"].ledger.processed for plant in (hard, ours)
    ]
    assert wear[0] > 1.2 * wear[1]
    assert shown(hard)["Line1.Mixing.Process.RollHours"] > shown(ours)["Line1.Mixing.Process.RollHours"]
    assert shown(hard)["Line1.Grinding.Process.ShellInNib"] > 3


def test_a_batch_knows_the_shell_of_its_liquor_only() -> None:
    dark, white = usual_batch(SPEC, "Dark"), usual_batch(SPEC, "White")
    assert dark.shell == pytest.approx(SPEC.products["Dark"].recipe[LIQUOR] * 1.2)
    assert white.shell == white.fineness == 0.0


def test_water_in_the_liquor_is_what_the_roast_left() -> None:
    plant = Plant(SPEC)
    plant.advance(5 * DAY)
    target = STATIONS.Roasting.target_percent
    assert all(lot.moisture == pytest.approx(target) for lot in plant.state.buffers["LiquorTank"].lots)
