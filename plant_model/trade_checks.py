"""What must fit together in a plant file so that material comes, can be stored, and what is ordered can be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from plant_model.business import Demand, Policy, Supplier
from plant_model.schema import Problem

if TYPE_CHECKING:
    from plant_model.equipment import Stations
    from plant_model.spec import Product, Storage

Problems = Iterator[Problem]


def _check_policies(
    policies: Mapping[str, Policy], suppliers: Mapping[str, Supplier], storages: Mapping[str, Storage]
) -> Problems:
    for material in storages.keys() - policies.keys():
        yield Problem(("policies", material), "is missing: nobody would ever order it")
    for material, policy in policies.items():
        if material not in storages:
            yield Problem(("policies", material), f"is no storage; storages are {', '.join(storages)}")
        able = [name for name, supplier in suppliers.items() if supplier.material in (material, "")]
        for i, name in enumerate(policy.suppliers):
            if name and name not in able:
                message = f"must supply {material}: {', '.join(able) or 'nobody does'}; is {name!r}"
                yield Problem(("policies", material, "suppliers", i), message)


def _check_quantities(
    policies: Mapping[str, Policy], suppliers: Mapping[str, Supplier], storages: Mapping[str, Storage]
) -> Problems:
    for material, policy in policies.items():
        if material not in storages:
            continue
        room = storages[material].capacity_kg
        for name in ("quantity_kg", "up_to_kg"):
            if getattr(policy, name) > room:
                yield Problem(("policies", material, name), f"does not fit into the storage of {room:g} kg")
        for name in policy.suppliers:
            if name in suppliers and suppliers[name].minimum_kg > room:
                yield Problem(("suppliers", name, "minimum_kg"), f"does not fit into the storage of {room:g} kg")


def _check_batches(storages: Mapping[str, Storage], products: Mapping[str, Product], stations: Stations) -> Problems:
    batch = stations.Mixing.batch_kg
    least = {
        name: max((product.recipe.get(name, 0.0) for product in products.values()), default=0.0) * batch
        for name in storages
    }
    least["Beans"] = stations.Cleaning.lot_kg
    for name, storage in storages.items():
        if storage.capacity_kg < least[name]:
            yield Problem(("storages", name, "capacity_kg"), f"is below what a batch takes, {least[name]:g} kg")


def _check_demand(demand: Demand, products: Mapping[str, Product]) -> Problems:
    known = ", ".join(products)
    for name, order_class in demand.classes.items():
        for product in order_class.products.keys() - products.keys():
            yield Problem(("demand", "classes", name, "products", product), f"is no product; there are {known}")
    if not products:
        yield Problem(("products",), "must name at least one product: demand without product cannot be met")
    if not demand.classes:
        yield Problem(("demand", "classes"), "must name at least one class of orders")


TRADE_CHECKS: tuple[Callable[..., Problems], ...] = (_check_policies, _check_quantities, _check_batches, _check_demand)
