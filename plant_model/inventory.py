"""When, how much and from whom to order: pure decisions of the (s, Q) and (s, S) policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from plant_model.business import Policy, Supplier
from plant_model.state import ROUNDING_KG
from plant_model.trade import Delivery

DAY = 86400.0


def quantity(policy: Policy, position: float) -> float:
    """Mass in kg to order now, 0 for nothing. `position` is stock and orders less backorders."""
    if position >= policy.reorder_kg - ROUNDING_KG:
        return 0.0
    return policy.quantity_kg or policy.up_to_kg - position


def allotted(
    policy: Policy, suppliers: Mapping[str, Supplier], missing: float, owing: Iterable[str]
) -> dict[str, float]:
    """Mass in kg by supplier of an order: raised to the minimum, not from those who owe while others do not."""
    names = [name for name in ranked(policy, suppliers) if name not in owing] or ranked(policy, suppliers)
    chosen = names if policy.choice == "split" else names[:1]
    return {name: max(missing / len(chosen), suppliers[name].minimum_kg) for name in chosen}


def ranked(policy: Policy, suppliers: Mapping[str, Supplier]) -> list[str]:
    """The suppliers of a policy, the best by its rule first; equal ones in the order of the policy."""
    able = {name: suppliers[name] for name in policy.suppliers}
    if policy.choice == "cheapest":
        return sorted(able, key=lambda name: able[name].price_usd_per_t)
    if policy.choice == "fastest":
        return sorted(able, key=lambda name: able[name].expected_lead_d)
    if policy.choice == "score":
        scores = scored(policy, able)
        return sorted(able, key=lambda name: scores[name])
    return list(able)


def scored(policy: Policy, able: Mapping[str, Supplier]) -> dict[str, float]:
    """Score by supplier, the lowest is the best: price and lead time by the best ones, and unreliability."""
    price = min(supplier.price_usd_per_t for supplier in able.values())
    lead = min(supplier.expected_lead_d for supplier in able.values())
    weights = policy.weights
    return {
        name: weights.price * supplier.price_usd_per_t / price
        + weights.lead * supplier.expected_lead_d / lead
        + weights.reliability * (1.0 - supplier.reliability)
        for name, supplier in able.items()
    }


def overdue(policy: Policy, delivery: Delivery, now: float) -> bool:
    """Whether a delivery is so late that it is ordered again elsewhere."""
    patience = policy.second_source_after_d
    return patience is not None and not delivery.arrived and now >= delivery.due + patience * DAY


def coming(policy: Policy, deliveries: Iterable[Delivery], now: float) -> float:
    """Mass in kg on order that is still reckoned with."""
    return sum(delivery.quantity for delivery in deliveries if not overdue(policy, delivery, now))
