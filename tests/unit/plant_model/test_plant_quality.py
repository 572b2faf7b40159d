"""What goes wrong early shows late: wet beans, worn tools, bad temper and metal reach yields, times and rejects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, HOUR, WEEK, assert_sound, lived, plant_data, shipped, unlimited, without_failures

from plant_model.activity import Activity
from plant_model.capacity import constraint, liquor_yield, roasting_gas, roasting_minutes, winnowed
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import LIQUOR, SpecError, parse
from plant_model.state import Job, Lot
from plant_model.stations.cleaning import removed
from plant_model.stations.dosing import composition, fat_percent, legal_margin, wanted, weighed
from plant_model.stations.mixing import refined_um
from plant_model.stations.moulding import reject_shares
from plant_model.stations.tempering import temper_index

SPEC = shipped()
STATIONS = SPEC.stations


def changed(station: str, **facts: Any) -> Plant:
    data = unlimited()
    data["stations"][station] |= facts
    return Plant(parse(data))


def read(plant: Plant) -> dict[str, Any]:
    values, _ = Reader(plant.spec).read(plant)
    return dict(zip((signal.node for signal in signals(plant.spec)), values, strict=True))


def only_dark(moisture: float) -> Plant:
    data = without_failures(unlimited())
    for name, product in data["products"].items():
        product["share"] = float(name == "Dark")
        if name != "Dark":
            product |= {"reorder_cases": 0, "target_cases": 1}
    data["products"]["Dark"]["campaign_loads"] = 1_000_000
    data["stations"]["Cleaning"]["moisture_limit_percent"] = 10
    data["storages"]["Beans"]["moisture_limit_percent"] = 10
    del data["storages"]["Beans"]["sorption"]  # their water stays as it came
    for supplier in data["suppliers"].values():
        if supplier["material"] == "Beans":
            supplier |= {"moisture_percent": moisture, "moisture_sd": 0}
    return Plant(parse(data))


def test_wet_beans_make_roasting_the_bottleneck_of_dark_chocolate() -> None:
    """S4: the conches wait for liquor, the roaster for nobody."""
    dry, wet = only_dark(7.0), only_dark(9.5)
    made, starved, idle = {}, {}, {}
    for plant in (dry, wet):
        plant.advance(2 * WEEK)
        before = plant.state.units["Mixing"].times[Activity.Starved]
        good = plant.state.books.good_mass
        waited = plant.state.units["Roasting"].times[Activity.Blocked]
        plant.advance(5 * WEEK)
        made[plant] = plant.state.books.good_mass - good
        starved[plant] = plant.state.units["Mixing"].times[Activity.Starved] - before
        idle[plant] = plant.state.units["Roasting"].times[Activity.Blocked] - waited
    assert constraint(dry.spec) == "Conching"
    assert made[wet] < 0.97 * made[dry]
    assert starved[wet] > starved[dry] + 10 * HOUR
    assert idle[wet] == 0.0


def test_wet_beans_burn_more_gas_and_hotter_air_dries_faster() -> None:
    roasting = STATIONS.Roasting
    assert roasting_gas(roasting, 8.5) > roasting_gas(roasting, 7.0) == pytest.approx(roasting.gas_kwh_per_kg)
    data = plant_data()
    data["stations"]["Roasting"]["air_celsius"] = 140
    assert roasting_minutes(parse(data).stations.Roasting, 7.0) == pytest.approx(
        roasting_minutes(roasting, 7.0) / 2.46, rel=0.01
    )


def test_a_dirty_lot_loses_more_and_metal_takes_beans_with_it() -> None:
    clean, dirty = Lot("1", "Beans", 200, 0, foreign=0.2), Lot("2", "Beans", 200, 0, foreign=0.7)
    cleaning = STATIONS.Cleaning
    assert removed(cleaning, dirty)["Foreign"] == pytest.approx(1.4)
    assert sum(removed(cleaning, dirty).values()) - sum(removed(cleaning, clean).values()) == pytest.approx(1.0)
    assert removed(cleaning, Lot("3", "Beans", 200, 0, metal=0.5))["Metal"] == cleaning.metal_kg


def test_metal_is_found_at_its_place_counted_and_diverted() -> None:
    ledger = lived(2).state.units["Cleaning"].ledger
    assert ledger.rejects["Metal"] == pytest.approx(0.04 * ledger.processed / 200, rel=0.6)
    assert ledger.waste["Metal"] == pytest.approx(ledger.rejects["Metal"] * STATIONS.Cleaning.metal_kg)
    node = "Line1.Cleaning.Process.MetalDetected"
    plant = changed("Cleaning", metal_share=1.0)
    lit, reader, place = 0, Reader(plant.spec), [signal.node for signal in signals(plant.spec)].index(node)
    for minute in range(600):
        plant.advance(minute * 60.0)
        lit += reader.read(plant)[0][place]
    assert 0 < lit < 200
    assert_sound(plant)


def test_worn_beaters_lose_nib_until_they_are_exchanged() -> None:
    grinding = STATIONS.Grinding
    assert winnowed(grinding, 600.0).nib > winnowed(grinding, 0.0).nib
    assert liquor_yield(SPEC) == pytest.approx(0.8705, abs=1e-4)
    plant = changed("Grinding", beater_life_h=60)
    plant.advance(2 * WEEK)
    unit = plant.state.units["Grinding"]
    assert unit.times[Activity.Changeover] >= 2 * 1.5 * HOUR
    assert unit.tool_age < 62 * HOUR
    assert_sound(plant)


def test_worn_rolls_raise_d90_and_rejects() -> None:
    mixing = STATIONS.Mixing
    assert refined_um(mixing, 0.0) == 20.5
    assert refined_um(mixing, 2000.0) == pytest.approx(26.5)
    fresh, worn = changed("Mixing", d90_fresh_um=20.5), changed("Mixing", d90_fresh_um=26.5)
    for plant in (fresh, worn):
        plant.advance(3 * WEEK)
    rejected = [
        p.state.units["Moulding"].ledger.defective / p.state.units["Moulding"].ledger.processed for p in (fresh, worn)
    ]
    grit = [p.state.units["Moulding"].ledger.rejects["Grit"] for p in (fresh, worn)]
    assert rejected[1] > rejected[0] + 0.03
    assert grit[1] > 50 * max(grit[0], 1)
    assert read(worn)["Line1.Moulding.Process.RejectsGrit"] == grit[1]


def test_bars_of_badly_tempered_mass_bloom_or_stay_soft() -> None:
    low, _ = STATIONS.Tempering.temper_index
    good, bad = Lot("1", "Dark", 200, 0, temper=5.0), Lot("2", "Dark", 200, 0, temper=low - 1.0)
    before, after = reject_shares(STATIONS, 0.02, good), reject_shares(STATIONS, 0.02, bad)
    assert after["Bloom"] - before["Bloom"] == pytest.approx(0.04)
    assert after["Soft"] - before["Soft"] == pytest.approx(0.04)
    assert after["Weight"] == before["Weight"]
    assert temper_index(STATIONS.Tempering, 0.0) == 5.0


def test_a_drift_of_the_temper_index_ruins_bars_before_the_line_stops() -> None:
    plant = Plant(SPEC)
    plant.advance(3 * DAY)
    tempering = plant.state.units["Tempering"]
    tempering.failures["TemperDrift"].remaining = 3 * HOUR
    count = tempering.failures["TemperDrift"].count
    seen = []
    while tempering.failures["TemperDrift"].count == count:
        plant.advance(plant.now + 300)
        seen += [lot.temper for lot in plant.state.buffers["Hopper"].lots]
    assert min(seen) < STATIONS.Tempering.temper_index[0]


def test_in_a_reheat_all_zones_melt() -> None:
    plant = Plant(SPEC)
    plant.advance(3 * DAY)
    plant.inject_fault("Tempering", "TemperDrift")
    plant.advance(plant.now + 3000)
    product = plant.state.units["Tempering"].product
    melted = STATIONS.Tempering.zones_celsius[product][0]
    assert read(plant)["Line1.Tempering.Process.Zone2Temperature"] == pytest.approx(melted, abs=2)


@settings(max_examples=200)
@given(
    st.sampled_from(sorted(SPEC.products)),
    st.floats(0, 100),
    st.lists(st.floats(-0.02, 0.02), min_size=6, max_size=6),
    st.lists(st.floats(0, 3), min_size=6, max_size=6),
)
def test_scales_err_but_a_batch_has_its_mass(
    product: str, returned: float, errors: list[float], spare: list[float]
) -> None:
    recipe = SPEC.products[product].recipe
    needs = wanted(recipe, product, 1000.0, returned)
    levels = {name: mass + more for (name, mass), more in zip(needs.items(), spare, strict=False)}
    doses = weighed(needs, levels, dict(zip(needs, errors, strict=False)))
    assert sum(doses.values()) == pytest.approx(1000.0, abs=1e-9)
    assert all(-1e-12 <= dose <= levels[name] for name, dose in doses.items())
    assert sum(composition(doses, recipe, product).values()) == pytest.approx(1.0, abs=1e-9)


def test_every_batch_is_lawful_and_says_by_how_much() -> None:
    for product in SPEC.products.values():
        assert legal_margin(product.kind, product.recipe) > 0
    assert legal_margin("dark", {LIQUOR: 0.30, "CocoaButter": 0.04, "Sugar": 0.66}) < 0
    assert fat_percent({LIQUOR: 0.4, "CocoaButter": 0.135}) == pytest.approx(35.1)
    plant = Plant(SPEC)
    plant.advance(DAY)
    shown = read(plant)
    job = plant.state.units["Kneader"].job
    assert isinstance(job, Job)
    assert job.lot is not None
    assert shown["Line1.Mixing.Process.CocoaSolids"] == pytest.approx(
        100 * (job.lot.mix.get(LIQUOR, 0) + job.lot.mix["CocoaButter"]), abs=0.01
    )
    assert shown["Line1.Mixing.Process.LegalMargin"] > 0


def test_rework_stays_within_its_limit() -> None:
    plant = changed("Moulding", good_alpha=70, good_beta=30, rework_share=1.0)
    share = 0.0
    for hour in range(10 * 24):
        plant.advance(hour * HOUR)
        job = plant.state.units["Kneader"].job
        if job and job.lot:
            returned = sum(mass for name, mass in job.lot.sources if name.startswith("Rework"))
            share = max(share, returned / job.lot.mass)
    assert share == pytest.approx(STATIONS.Mixing.rework_share_max, abs=0.001)
    assert_sound(plant)


@pytest.mark.parametrize(
    ("station", "facts", "answer"),
    [
        ("Cleaning", {"keep": 0.999}, "leaves foreign matter in"),
        ("Cleaning", {"metal_kg": 500}, "less than a lot"),
        ("Grinding", {"nib_loss_per_h": 0.01}, "loses all nib"),
        ("Moulding", {"causes": {"Weight": 0.5, "Bloom": 0.5}}, "must name Bubbles, Grit, Soft"),
    ],
)
def test_a_station_that_cannot_work_is_refused(station: str, facts: dict[str, Any], answer: str) -> None:
    data = plant_data()
    data["stations"][station] |= facts
    with pytest.raises(SpecError, match=answer):
        parse(data)
