"""A plant file that cannot work is refused with everything that is wrong in it."""

from __future__ import annotations

from typing import Any

import pytest
from support_plant import plant_data, shipped

from plant_model.spec import SpecError, parse


def problems(data: Any) -> dict[str, str]:
    with pytest.raises(SpecError) as refused:
        parse(data)
    found: dict[str, str] = {}
    for problem in refused.value.problems:
        where = ".".join(map(str, problem.path))
        found[where] = f"{found[where]}; {problem.message}" if where in found else problem.message
    return found


def test_the_shipped_plant_is_sound() -> None:
    spec = shipped()
    assert spec.name == "ChocolateLine1"
    assert (spec.start.weekday(), spec.start.hour) == (0, 6)
    assert spec.stations.Conching.machines == 3
    assert spec.case_kg == pytest.approx(2.012)


def test_every_problem_is_told_at_once_with_its_path() -> None:
    data = plant_data()
    data["colour"] = "brown"
    data["start"] = "yesterday"
    data["stations"]["Cleaning"]["rate_kg_h"] = -400
    data["stations"]["Roasting"]["load_kg"] = "much"
    data["stations"]["Mixing"]["batchkg"] = 5
    del data["stations"]["Moulding"]["bar_g"]
    data["products"]["Dark"]["recipe"]["Sugar"] = 0.4
    data["policies"]["Sugar"]["suppliers"] = ["Zucker Export", "LeciPro"]
    data["calendar"]["shifts"][1] = "late"
    data["calendar"]["days"][0] = "Moonday"
    found = problems(data)
    assert "did you mean batch_kg?" in found["stations.Mixing.batchkg"]
    assert "above 0" in found["stations.Cleaning.rate_kg_h"]
    assert "a number" in found["stations.Roasting.load_kg"]
    assert "Norddeutsche Zucker" in found["policies.Sugar.suppliers.1"]
    assert "add up to 1, adds up to 0.94" in found["products.Dark.recipe"]
    assert found["stations.Moulding.bar_g"] == "is missing"
    assert {"colour", "start", "calendar.shifts.1", "calendar.days.0"} <= found.keys()
    assert len(found) == 10


@pytest.mark.parametrize(
    ("product", "recipe", "lacking"),
    [
        ("Dark", {"Liquor": 0.30, "CocoaButter": 0.02, "Sugar": 0.68}, "cocoa solids"),
        ("Dark", {"Liquor": 0.20, "CocoaButter": 0.20, "Sugar": 0.60}, "fat-free cocoa solids"),
        ("Milk", {"Liquor": 0.30, "CocoaButter": 0.10, "MilkPowder": 0.12, "Sugar": 0.48}, "milk solids"),
        ("Milk", {"Liquor": 0.30, "CocoaButter": 0.00, "MilkPowder": 0.20, "Sugar": 0.50}, "fat"),
        ("White", {"CocoaButter": 0.15, "MilkPowder": 0.25, "Sugar": 0.60}, "cocoa butter"),
    ],
)
def test_a_recipe_below_the_legal_limits_is_refused(product: str, recipe: dict[str, float], lacking: str) -> None:
    data = plant_data()
    data["products"][product]["recipe"] = recipe
    assert f" {lacking}, has" in problems(data)[f"products.{product}.recipe"]


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("policies",), {}, "policies.Beans"),
        (("policies", "Beans", "quantity_kg"), 1e6, "policies.Beans.quantity_kg"),
        (("policies", "Beans", "quantity_kg"), 0, "policies.Beans"),
        (("policies", "Beans", "up_to_kg"), 50000, "policies.Beans"),
        (("policies", "Beans", "suppliers"), [], "policies.Beans.suppliers"),
        (("policies", "Beans", "suppliers"), ["Nobody"], "policies.Beans.suppliers.0"),
        (("policies", "Beans", "suppliers"), ["HafenKakao", "HafenKakao"], "policies.Beans.suppliers"),
        (("policies", "Beans", "suppliers"), ["HafenKakao"], "policies.Beans.second_source_after_d"),
        (("policies", "Lecithin", "up_to_kg"), 700, "policies.Lecithin.up_to_kg"),
        (("policies", "Lecithin", "up_to_kg"), 1e6, "policies.Lecithin.up_to_kg"),
        (
            ("policies", "MilkPowder", "weights"),
            {"price": 0, "lead": 0, "reliability": 0},
            "policies.MilkPowder.weights",
        ),
        (("policies", "MilkPowder", "choice"), "nicest", "policies.MilkPowder.choice"),
        (("policies", "Gold"), {"suppliers": ["LeciPro"], "reorder_kg": 1, "quantity_kg": 1}, "policies.Gold"),
        (("suppliers", "LeciPro", "minimum_kg"), 3000, "suppliers.LeciPro.minimum_kg"),
        (("suppliers", "LeciPro", "late_share"), 1.5, "suppliers.LeciPro.late_share"),
        (
            ("storages", "Sugar"),
            {"capacity_kg": 400, "initial_kg": 0, "celsius": [1, 2], "humidity": [1, 2], "shelf_life_d": 9},
            "storages.Sugar.capacity_kg",
        ),
        (("demand", "classes"), {}, "demand.classes"),
        (("demand", "classes", "Retail", "products"), {"Nougat": 1.0}, "demand.classes.Retail.products.Nougat"),
        (("demand", "classes", "Retail", "products"), {"Dark": 0.5}, "demand.classes.Retail.products"),
        (("demand", "stockout"), "shrug", "demand.stockout"),
        (("products", "Dark", "share"), 0.5, "products"),
        (("products", "Dark", "recipe"), {"Gold": 1.0}, "products.Dark.recipe.Gold"),
        (("products", "Milk", "target_cases"), 10, "products.Milk"),
        (("sequence", "order"), ["White", "Dark"], "sequence.order"),
        (("stations", "Conching", "hours"), {"Dark": 12}, "stations.Conching.hours"),
        (("stations", "Conching", "load_kg"), 1500, "stations.Conching.load_kg"),
        (("stations", "Roasting", "target_percent"), 1.0, "stations.Roasting.target_percent"),
        (("stations", "Moulding", "causes"), {"Weight": 0.5}, "stations.Moulding.causes"),
        (("buffers", "Hopper", "capacity_kg"), 100, "buffers.Hopper.capacity_kg"),
        (("buffers", "LiquorTank", "initial_kg"), 9000, "buffers.LiquorTank.initial_kg"),
        (("time_factor", "low"), 2.0, "time_factor"),
        (("flow", "Grinding", "transport_min"), -1, "flow.Grinding.transport_min"),
        (("calendar", "unattended"), ["Kitchen"], "calendar.unattended.0"),
        (("calendar", "days"), [], "calendar"),
        (("demand", "season"), {"Xmas": 2}, "demand.season.Xmas"),
        (("demand", "classes", "Retail", "customers"), [], "demand.classes.Retail.customers"),
        (("suppliers", "LeciPro", "material"), "Gold", "suppliers.LeciPro.material"),
        (("costs", "holding_per_year"), float("nan"), "costs.holding_per_year"),
        (("stations", "Conching", "machines"), 2.5, "stations.Conching.machines"),
        (("stations", "Tempering", "temper_index"), [4], "stations.Tempering.temper_index"),
        (("storages",), [], "storages"),
        (("start",), "2026-01-05T06:00:00", "start"),
    ],
)
def test_what_cannot_work_is_refused(path: tuple[str, ...], value: Any, where: str) -> None:
    data = plant_data()
    *parents, last = path
    place = data
    for key in parents:
        place = place[key]
    place[last] = value
    assert where in problems(data)


def test_a_plant_must_be_a_mapping() -> None:
    assert "must be a mapping" in problems(["a", "list"])[""]


def flow(**changed: str) -> dict[str, str]:
    """What is wrong when stations send what they make to others than usual."""
    data = plant_data()
    for station, to in changed.items():
        data["flow"][station]["to"] = to
    return problems(data)


def test_a_flow_in_a_circle_is_refused_with_the_circle() -> None:
    assert "Roasting > Grinding > Roasting" in flow(Grinding="Roasting")["flow.Roasting.to"]
    assert "Moulding > Moulding" in flow(Moulding="Moulding")["flow.Moulding.to"]


def test_a_station_that_is_never_reached_is_refused() -> None:
    found = flow(Cleaning="Grinding")
    assert found["flow.Roasting"].startswith("is never reached: the flow is Cleaning > Grinding > Mixing")
    assert found["flow.Cleaning.to"] == "must be Roasting: Grinding cannot work what Cleaning makes"


def test_a_flow_that_ends_too_early_or_nowhere_is_refused() -> None:
    found = flow(Conching="Warehouse", Moulding="Moon")
    assert "no finished product" in found["flow.Conching.to"]
    assert "must be one of" in found["flow.Moulding.to"]
    assert {"flow.Tempering", "flow.Moulding"} <= found.keys()
    data = plant_data()
    del data["flow"]["Mixing"]
    data["flow"]["Kitchen"] = {"to": "Mixing", "transport_min": 1}
    found = problems(data)
    assert "nobody would take" in found["flow.Mixing"]
    assert "is no station" in found["flow.Kitchen"]


def test_all_that_is_wrong_with_trade_is_told_at_once() -> None:
    """What the plant file of a hurried morning has: each a different mistake, all of them found in one go."""
    data = plant_data()
    data["products"]["Milk"]["recipe"]["Sugar"] = 0.5
    data["flow"]["Grinding"]["to"] = "Roasting"
    data["demand"]["classes"]["Retail"]["products"] = {"Praline": 1.0}
    data["policies"]["Sugar"]["suppliers"] = []
    data["buffers"]["Hopper"]["capacity_kg"] = 100
    data["storages"]["MilkPowder"]["capacity_kg"] = 100
    assert problems(data).keys() >= {
        "products.Milk.recipe",
        "flow.Roasting.to",
        "flow.Mixing",
        "demand.classes.Retail.products.Praline",
        "policies.Sugar.suppliers",
        "buffers.Hopper.capacity_kg",
        "storages.MilkPowder.capacity_kg",
    }
