"""A recall finds the deliveries in a case and the cases of a delivery, and accounts for every gram."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plant import DAY, WEEK, lived, plant_data, shipped

from plant_model.genealogy import masses
from plant_model.plant import Plant, PlantError
from plant_model.spec import parse
from plant_model.state import Lot

SPEC = shipped()


def ran(days: float, seed: int = 1) -> Plant:
    plant = Plant(SPEC, seed)
    plant.advance(days * DAY)
    return plant


def packed(plant: Plant, product: str) -> Lot:
    """The last packed lot of a product."""
    store = plant.state.buffers[f"Finished{product}"]
    return (store.lots + store.transit)[-1]


def material(plant: Plant, lot: str) -> str:
    return plant.state.lots[lot].material


def test_a_case_of_dark_names_its_bean_lots_and_milk_its_milk_powder() -> None:
    plant = ran(6)
    dark = {material(plant, lot) for lot in plant.origins(packed(plant, "Dark").id)}
    assert {"Beans", "Sugar", "CocoaButter", "Lecithin"} <= dark
    assert "MilkPowder" in {material(plant, lot) for lot in plant.origins(packed(plant, "Milk").id)}


def test_a_recall_names_all_cases_customers_and_deliveries() -> None:
    plant = ran(10)
    beans = (name for name, lot in plant.state.lots.items() if lot.material == "Beans" and not lot.sources)
    delivery = next(lot for lot in beans if plant.shipments(lot))
    found = plant.recall(delivery)
    assert [packed.lot for packed in found.packed] == list(plant.fate(delivery).cases)
    for packed in found.packed:
        gone = sum(one.cases for one in found.shipments if one.lot == packed.lot)
        assert packed.cases - packed.in_stock == gone
        assert delivery in plant.recall(packed.lot).deliveries
    stores = [plant.state.buffers[f"Finished{product}"] for product in SPEC.products]
    here = {lot.id: lot.cases for store in stores for lot in (*store.lots, *store.transit)}
    assert all(here.get(packed.lot, 0) == packed.in_stock for packed in found.packed)


def test_the_origins_of_a_case_add_up_to_its_mass() -> None:
    plant = ran(6)
    for product in SPEC.products:
        lot = packed(plant, product)
        assert sum(plant.origins(lot.id).values()) == pytest.approx(lot.mass, rel=1e-9)


def test_every_generation_is_known() -> None:
    plant = ran(6)
    stations = {name.partition("-")[0] for name in plant.contents(packed(plant, "Dark").id)}
    assert {"Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding", "Packed"} <= stations
    lots = [name for name, record in plant.state.lots.items() if record.cases and record.sources]
    pure = [lot for lot in lots if not any(name.startswith("Rework") for name in plant.contents(lot))]
    assert pure
    for lot in pure:
        for station in ("Moulding", "Packed"):
            generation = [mass for name, mass in plant.contents(lot).items() if name.startswith(station)]
            assert sum(generation) == pytest.approx(plant.state.lots[lot].mass, rel=1e-9)


@settings(max_examples=4)
@given(st.integers(0, 99), st.floats(0.1, 20.0))
def test_the_fate_of_every_delivery_adds_up_to_its_mass(seed: int, days: float) -> None:
    plant = ran(days, seed)
    for name, record in plant.state.lots.items():
        if not record.sources:
            assert plant.fate(name).mass == pytest.approx(record.mass, rel=1e-9), name


@settings(max_examples=4)
@given(st.integers(0, 99), st.floats(0.1, 12.0))
def test_the_fates_of_all_deliveries_are_what_the_plant_holds_packed_and_threw_away(seed: int, days: float) -> None:
    plant = ran(days, seed)  # shorter than lots are followed
    fates = [plant.fate(name) for name, record in plant.state.lots.items() if not record.sources]
    units = plant.state.units.values()
    wasted = sum(mass for unit in units for mass in unit.ledger.waste.values())
    first = sum(record.mass for record in plant.state.lots.values() if record.cases and not record.sources)
    packed = sum(mass for fate in fates for mass in fate.cases.values())
    inside = sum(mass for name, mass in masses(plant.state).items() if not plant.state.lots[name].cases)
    assert packed == pytest.approx(plant.state.books.good_mass + first, rel=1e-9)
    assert sum(mass for fate in fates for mass in fate.inside.values()) == pytest.approx(inside, rel=1e-9)
    lost = wasted - plant.state.books.absorbed_mass  # water from the air goes off as well
    assert sum(fate.lost for fate in fates) == pytest.approx(lost, rel=1e-7, abs=1e-5)
    assert sum(fate.folded for fate in fates) == pytest.approx(0.0, abs=1e-5)


def test_both_directions_tell_the_same() -> None:
    plant = ran(6)
    beans = next(name for name, record in plant.state.lots.items() if record.material == "Beans" and not record.sources)
    cases = plant.fate(beans).cases
    assert len(cases) > 3
    for name, mass in cases.items():
        assert plant.origins(name)[beans] == pytest.approx(mass, rel=1e-9)
    others = [name for name, record in plant.state.lots.items() if record.cases and name not in cases]
    assert others
    assert all(beans not in plant.origins(name) for name in others)


def test_a_bad_conche_load_is_found_in_its_cases_only() -> None:
    plant = ran(5)
    load = next(name for name in plant.state.lots if name.startswith("Conching"))
    fate = plant.fate(load)
    record = plant.state.lots[load]
    assert fate.mass == pytest.approx(record.mass, rel=1e-9)
    assert {material(plant, name) for name in fate.cases} == {record.material}


def test_rework_is_followed_back_to_the_bars_it_was() -> None:
    plant = ran(9)
    returned = [name for name in plant.state.lots if name.startswith("Rework")]
    assert all(plant.state.lots[name].sources for name in returned)
    reused = [name for name in returned if plant.state.lots[name].given > 0]
    assert reused
    assert plant.fate(reused[0]).mass == pytest.approx(plant.state.lots[reused[0]].mass, rel=1e-9)


def test_old_lots_are_folded_and_memory_stays_bounded() -> None:
    early, plant = len(lived(4).state.lots), lived(4)
    plant.advance(7 * WEEK - DAY)
    yesterday = masses(plant.state)
    plant.advance(7 * WEEK)
    assert len(plant.state.lots) < 1.2 * early
    kept = [record.made for name, record in plant.state.lots.items() if name not in yesterday]
    assert min(kept) >= plant.now - (SPEC.trace_d + 1) * DAY
    assert set(masses(plant.state)) <= set(plant.state.lots)


def test_what_was_folded_is_told_with_its_mass() -> None:
    data = plant_data()
    data["trace_d"] = 1
    plant = Plant(parse(data))
    plant.advance(6 * DAY)
    beans = next(name for name, record in plant.state.lots.items() if record.material == "Beans" and not record.sources)
    fate = plant.fate(beans)
    assert fate.folded > 0
    assert fate.mass == pytest.approx(plant.state.lots[beans].mass, rel=1e-9)
    lot = packed(plant, "Milk")
    assert sum(plant.origins(lot.id).values()) == pytest.approx(lot.mass, rel=1e-9)


def test_an_unknown_lot_is_refused() -> None:
    plant = Plant(SPEC)
    for query in (plant.contents, plant.origins, plant.fate):
        with pytest.raises(PlantError, match="nobody knows the lot 'Case-1'"):
            query("Case-1")


def test_a_query_changes_nothing() -> None:
    plant = ran(4)
    before = plant.snapshot()
    plant.fate(next(iter(plant.state.lots)))
    plant.origins(packed(plant, "Dark").id)
    assert plant.snapshot() == before


def test_a_recall_names_the_customers_and_all_their_cases() -> None:
    plant = ran(9)
    lots = plant.state.lots
    left = {lot.id: lot.cases for name in SPEC.products for lot in plant.state.buffers[f"Finished{name}"].lots}
    left |= {lot.id: lot.cases for name in SPEC.products for lot in plant.state.buffers[f"Finished{name}"].transit}
    for name, record in lots.items():
        if record.cases:
            assert sum(cases for _, _, cases in record.shipped) + left.get(name, 0) == record.cases
    sugar = next(name for name, record in lots.items() if record.material == "Sugar" and not record.sources)
    found = plant.shipments(sugar)
    assert {shipment.customer for shipment in found} <= {
        customer.name for class_ in SPEC.demand.classes.values() for customer in class_.customers
    }
    assert len({shipment.order for shipment in found}) > 10
    assert {shipment.lot for shipment in found} <= set(plant.fate(sugar).cases)
