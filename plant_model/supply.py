"""Raw materials: ordered by their policies, inspected when they come, unloaded when there is room."""

from __future__ import annotations

from functools import partial

from plant_model import inventory
from plant_model.floor import Floor
from plant_model.layout import SUPPLY, WAREHOUSE
from plant_model.receiving import Quality, lead_time, objection, quality, share_that_comes, time_left
from plant_model.spec import PlantSpec
from plant_model.state import Lot
from plant_model.trade import Delivery

DAY = 86400.0
GRACE_S = DAY
"""A delivery that comes within a day of its date is not late."""


class Supply:
    """Orders and receives. A delivery that does not fit waits at the gate."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._batch = {material: batch(floor.spec, material) for material in floor.spec.policies}
        floor.handlers["delivery"] = self._arrive
        floor.handlers["overdue"] = self.review
        floor.watchers.update({SUPPLY + material: partial(self.review, material) for material in floor.spec.policies})

    def review(self, material: str) -> None:
        """Unload what waits and now fits, then order until the position is above the reorder point."""
        floor, policy, state = self._floor, self._floor.spec.policies[material], self._floor.state
        expected = [delivery for delivery in state.deliveries.values() if delivery.material == material]
        for delivery in expected:
            if delivery.arrived:
                self._unload(delivery)
        level = floor.buffer(material).level
        state.purchases[material].cycles.short |= level < self._batch[material]
        on_the_way = [delivery for delivery in expected if delivery.id in state.deliveries]
        purchases = state.purchases[material]
        owing = {delivery.supplier for delivery in on_the_way if inventory.overdue(policy, delivery, floor.now)}
        owing.add(purchases.refused)
        position = level + inventory.coming(policy, on_the_way, floor.now)
        while (missing := inventory.quantity(policy, position)) > 0.0:
            for supplier, mass in inventory.allotted(policy, floor.spec.suppliers, missing, owing).items():
                self._order(material, supplier, mass)
                position += mass
            purchases.refused = ""

    def first_lot(self, material: str, mass: float, lot_id: str) -> Lot:
        """A lot as it lies in the store at the epoch: from the supplier of choice, and taken at inspection."""
        floor, policy = self._floor, self._floor.spec.policies[material]
        return self._lot(material, inventory.ranked(policy, floor.spec.suppliers)[0], mass, lot_id)

    def redraw(self) -> None:
        """Draw anew when the deliveries on their way arrive, given that they are not here yet."""
        floor = self._floor
        for entry in floor.clock.pending("delivery"):
            delivery = floor.state.deliveries[entry.argument]
            floor.clock.cancel(entry.order)
            stream, supplier = floor.stream(f"{delivery.material}.lead"), floor.spec.suppliers[delivery.supplier]
            floor.clock.schedule(time_left(stream, supplier, floor.now - delivery.ordered), "delivery", delivery.id)

    def _order(self, material: str, name: str, mass: float) -> None:
        floor = self._floor
        due = floor.now + floor.spec.suppliers[name].lead_d * DAY
        delivery = Delivery(floor.number("Delivery"), material, name, mass, floor.now, due)
        floor.state.purchases[material].supplier = name
        floor.state.books.money.ordering += floor.spec.costs.purchase_order
        self._expect(delivery)
        self._tell("delivery_ordered", delivery, f"{mass:.0f} kg {material} ordered from {name}")

    def _expect(self, delivery: Delivery) -> None:
        """Put a delivery on its way, and look again when it is too late to be reckoned with."""
        floor, spec = self._floor, self._floor.spec
        floor.state.deliveries[delivery.id] = delivery
        lead = lead_time(floor.stream(f"{delivery.material}.lead"), spec.suppliers[delivery.supplier])
        floor.clock.schedule(lead, "delivery", delivery.id)
        patience = spec.policies[delivery.material].second_source_after_d
        if patience is not None:
            floor.clock.schedule(delivery.due + patience * DAY - floor.now, "overdue", delivery.material)

    def _arrive(self, delivery_id: str) -> None:
        floor = self._floor
        delivery = floor.state.deliveries[delivery_id]
        delivery.arrived = True
        floor.state.purchases[delivery.material].late += floor.now > delivery.due + GRACE_S
        supplier = floor.spec.suppliers[delivery.supplier]
        share = share_that_comes(floor.stream(f"{delivery.material}.receiving"), supplier)
        if share < 1.0:
            self._divide(delivery, delivery.quantity * share)
        self._unload(delivery)

    def _divide(self, delivery: Delivery, mass: float) -> None:
        """A short delivery: the rest comes with another one, of the same number with a stroke."""
        floor, rest = self._floor, delivery.quantity - mass
        due = floor.now + floor.spec.suppliers[delivery.supplier].lead_d * DAY
        delivery.quantity = mass
        self._expect(Delivery(f"{delivery.id}/2", delivery.material, delivery.supplier, rest, floor.now, due))
        floor.state.purchases[delivery.material].short += 1
        message = f"{delivery.supplier} brings {mass:.0f} kg {delivery.material}, {rest:.0f} kg are missing"
        self._tell("delivery_short", delivery, message, Missing=rest)

    def _unload(self, delivery: Delivery) -> None:
        floor, mass, material = self._floor, delivery.quantity, delivery.material
        if not floor.buffer(material).fits(mass):
            return
        del floor.state.deliveries[delivery.id]
        lot = self._lot(material, delivery.supplier, mass, delivery.id)
        reason = self._objection(delivery, lot)
        if reason:
            self._send_back(delivery, reason)
            return
        purchases = floor.state.purchases[material]
        purchases.deliveries += 1
        purchases.cycles.close()
        floor.receive(lot)
        self._tell("delivery_arrived", delivery, f"{mass:.0f} kg {material} from {delivery.supplier}")

    def _objection(self, delivery: Delivery, lot: Lot) -> str:
        spec, stream = self._floor.spec, self._floor.stream(f"{delivery.material}.receiving")
        supplier, storage = spec.suppliers[delivery.supplier], spec.storages[delivery.material]
        return objection(stream, supplier, storage, Quality(lot.moisture, lot.foreign))

    def _send_back(self, delivery: Delivery, reason: str) -> None:
        """Nothing is paid for what is not taken; if need be it is ordered again, elsewhere where one can."""
        purchases = self._floor.state.purchases[delivery.material]
        purchases.rejected += 1
        purchases.refused = delivery.supplier
        message = f"{delivery.quantity:.0f} kg {delivery.material} sent back to {delivery.supplier}: {reason}"
        self._tell("delivery_rejected", delivery, message, Reason=reason)
        self._floor.stir(SUPPLY + delivery.material)

    def _lot(self, material: str, name: str, mass: float, lot_id: str) -> Lot:
        """A lot as its supplier sends it: quality drawn, price in EUR."""
        floor, spec = self._floor, self._floor.spec
        supplier = spec.suppliers[name]
        found = quality(floor.stream(f"{material}.quality"), supplier, spec.stations.Cleaning)
        foreign = found.foreign if material == "Beans" else 0.0
        price = supplier.price_usd_per_t / 1000.0 * spec.costs.eur_per_usd
        return Lot(lot_id, material, mass, floor.now, found.moisture, foreign, price)

    def _tell(self, kind: str, delivery: Delivery, message: str, **more: object) -> None:
        fields = {
            "Material": delivery.material,
            "Supplier": delivery.supplier,
            "Quantity": delivery.quantity,
            "DeliveryId": delivery.id,
            "DueTime": self._floor.date(delivery.due),
        }
        self._floor.tell(kind, (WAREHOUSE, delivery.material), message, 300, **fields, **more)


def batch(spec: PlantSpec, material: str) -> float:
    """Mass in kg of a material without which the line begins nothing: below it the stock has run out."""
    if material == "Beans":
        return spec.stations.Cleaning.lot_kg
    share = max(product.recipe.get(material, 0.0) for product in spec.products.values())
    return share * spec.stations.Conching.load_kg
