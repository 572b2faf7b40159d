"""Raw materials: ordered when stock and orders fall to the reorder point, delivered after a lead time."""

from __future__ import annotations

from functools import partial

from plant_model.floor import Floor
from plant_model.layout import SUPPLY, WAREHOUSE
from plant_model.randomness import gamma
from plant_model.state import Delivery, Lot

DAY = 86400.0
DRAWS = 100
"""A delivery later than that many draws is expected within a day."""


class Supply:
    """Orders and receives. A delivery that does not fit waits at the gate."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        floor.handlers["delivery"] = self._arrive
        floor.watchers.update({SUPPLY + material: partial(self.review, material) for material in floor.spec.policies})

    def review(self, material: str) -> None:
        """Unload what waits and now fits, then order until the position is above the reorder point."""
        floor, policy = self._floor, self._floor.spec.policies[material]
        for delivery in [d for d in floor.state.deliveries.values() if d.arrived and d.material == material]:
            self._unload(delivery)
        while floor.buffer(material).level + on_order(floor, material) < policy.reorder_kg:
            self._order(material)

    def lot(self, material: str, mass: float, lot_id: str) -> Lot:
        """A lot as its supplier sends it: quality drawn, price in EUR."""
        floor, spec = self._floor, self._floor.spec
        supplier = spec.suppliers[spec.policies[material].supplier]
        stream, cleaning = floor.stream(f"{material}.quality"), spec.stations.Cleaning
        moisture = max(supplier.moisture_percent + supplier.moisture_sd * stream.standard_normal(), 0.0)
        foreign = (
            cleaning.foreign_percent + cleaning.foreign_sd * stream.standard_normal() if material == "Beans" else 0.0
        )
        price = supplier.price_usd_per_t / 1000.0 * spec.costs.eur_per_usd
        return Lot(lot_id, material, mass, floor.now, float(moisture), max(float(foreign), 0.0), price)

    def redraw(self) -> None:
        """Draw anew when the deliveries on their way arrive, given that they are not here yet."""
        floor = self._floor
        for entry in floor.clock.pending("delivery"):
            delivery = floor.state.deliveries[entry.argument]
            floor.clock.cancel(entry.order)
            floor.clock.schedule(self._time_left(delivery), "delivery", delivery.id)

    def _time_left(self, delivery: Delivery) -> float:
        """Seconds until a delivery arrives: lead times are drawn until one is longer than what has passed."""
        floor, supplier = self._floor, self._floor.spec.suppliers[delivery.supplier]
        passed, stream = floor.now - delivery.ordered, floor.stream(f"{delivery.material}.lead")
        for _ in range(DRAWS):
            left = gamma(stream, supplier.lead_d * DAY, supplier.lead_cv) - passed
            if left > 0.0:
                return left
        return DAY

    def _order(self, material: str) -> None:
        floor, policy = self._floor, self._floor.spec.policies[material]
        supplier = floor.spec.suppliers[policy.supplier]
        lead = gamma(floor.stream(f"{material}.lead"), supplier.lead_d * DAY, supplier.lead_cv)
        due = floor.now + supplier.lead_d * DAY
        delivery = Delivery(floor.number("Delivery"), material, policy.supplier, policy.quantity_kg, floor.now, due)
        floor.state.deliveries[delivery.id] = delivery
        floor.state.books.money.ordering += floor.spec.costs.purchase_order
        floor.clock.schedule(lead, "delivery", delivery.id)
        self._tell(
            "delivery_ordered", delivery, f"{delivery.quantity:.0f} kg {material} ordered from {policy.supplier}"
        )

    def _arrive(self, delivery_id: str) -> None:
        delivery = self._floor.state.deliveries[delivery_id]
        delivery.arrived = True
        self._unload(delivery)

    def _unload(self, delivery: Delivery) -> None:
        floor, quantity = self._floor, delivery.quantity
        if not floor.buffer(delivery.material).fits(quantity):
            return
        del floor.state.deliveries[delivery.id]
        floor.state.books.delivered_mass += quantity
        floor.put(self.lot(delivery.material, quantity, delivery.id), delivery.material)
        self._tell("delivery_arrived", delivery, f"{quantity:.0f} kg {delivery.material} from {delivery.supplier}")

    def _tell(self, kind: str, delivery: Delivery, message: str) -> None:
        fields = {
            "Material": delivery.material,
            "Supplier": delivery.supplier,
            "Quantity": delivery.quantity,
            "DeliveryId": delivery.id,
            "DueTime": self._floor.date(delivery.due),
        }
        self._floor.tell(kind, (WAREHOUSE, delivery.material), message, 300, **fields)


def on_order(floor: Floor, material: str) -> float:
    """Mass in kg that are ordered and not yet unloaded."""
    return sum(delivery.quantity for delivery in floor.state.deliveries.values() if delivery.material == material)
