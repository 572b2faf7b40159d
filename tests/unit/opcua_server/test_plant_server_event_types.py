"""Whatever the plant tells has an event type with exactly its fields."""

from __future__ import annotations

from support_plant import WEEK, plant_data

from opcua_server.model.types import EVENT_TYPES
from plant_model.plant import Plant
from plant_model.spec import parse


def test_every_event_of_the_plant_has_a_type_with_its_fields() -> None:
    data = plant_data()
    for supplier in data["suppliers"].values():
        supplier.update(short_share=0.5, reject_share=0.5)
    data["storages"]["Sugar"]["shelf_life_d"] = 4
    told = {event.kind: set(event.fields) for event in Plant(parse(data)).advance(6 * WEEK)}
    assert told.keys() >= {"bulk_order", "delivery_ordered", "delivery_short", "delivery_rejected", "stock_expired"}
    assert told == {kind: set(EVENT_TYPES[kind].fields) for kind in told}
