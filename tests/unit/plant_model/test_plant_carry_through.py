"""What is wrong with a raw material reaches the bar: damp sugar and milk powder, shell in the nib, coarse liquor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from support_plant import DAY, WEEK, assert_paid, assert_sound, plant_data, shipped, unlimited, without_failures

from plant_model.capacity import shell_in_nib
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import LIQUOR, parse
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


def of_milk(**facts: Any) -> Plant:
    """Only milk chocolate is made, without chance at the machines; milk powder as these facts of its suppliers say."""
    data = without_failures(unlimited())
    for name, product in data["products"].items():
        product["share"] = float(name == "Milk")
        if name != "Milk":
            product |= {"reorder_cases": 0, "target_cases": 1}
    data["storages"]["MilkPowder"]["moisture_limit_percent"] = 100
    del data["storages"]["MilkPowder"]["sorption"]
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
    assert USUAL.thickness("Milk", batch("Milk", water=0.5)) > 1.03
    assert USUAL.thickness("Milk", batch("Milk", fat=1.0)) == pytest.approx(0.887, abs=1e-3)
    assert USUAL.thickness("Milk", batch("Milk", fineness=25.0)) < 0.9


def test_what_stays_of_more_water_is_what_the_conche_leaves_of_any() -> None:
    more = USUAL.final_moisture("Dark", batch("Dark", water=1.0)) - USUAL.final_moisture("Dark", batch("Dark"))
    assert more == pytest.approx(2.71828 ** (-12 / 9.2), rel=1e-4)


def test_bars_of_thick_mass_have_bubbles() -> None:
    usual, thick = (
        Lot("1", "Milk", 200, 0, temper=5.0, thickness=1.0),
        Lot("2", "Milk", 200, 0, temper=5.0, thickness=1.2),
    )
    before, after = reject_shares(STATIONS, 0.02, usual), reject_shares(STATIONS, 0.02, thick)
    assert after["Bubbles"] - before["Bubbles"] == pytest.approx(0.04)
    assert {cause for cause in before if after[cause] != before[cause]} == {"Bubbles"}


def test_damp_milk_powder_makes_thick_mass_and_rejected_bars() -> None:
    dry, damp = of_milk(moisture_percent=3.35, moisture_sd=0), of_milk(moisture_percent=8.0, moisture_sd=0)
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
