"""What is shown of the warehouse: raw materials and finished goods, each in its place."""

from __future__ import annotations

import math
from typing import Any

from plant_model.business import Policy
from plant_model.layout import WAREHOUSE, finished
from plant_model.planning import in_process
from plant_model.sensing import NONE, Sensor, SignalType
from plant_model.spec import PlantSpec, Product
from plant_model.state import Buffer, PlantState

DAY = 86400.0


class StockView:
    """A place in the warehouse at a moment."""

    def __init__(self, spec: PlantSpec, state: PlantState, name: str) -> None:
        self.spec, self.state, self.now = spec, state, state.agenda.now
        self.name = name

    @property
    def buffer(self) -> Buffer:
        """The place itself."""
        return self.state.buffers[self.name]

    @property
    def oldest_age(self) -> float:
        """Days since the oldest lot came; unknown while there is none."""
        return (self.now - self.buffer.lots[0].made) / DAY if self.buffer.lots else NONE

    @property
    def on_order(self) -> float:
        """Mass in kg ordered and not yet unloaded."""
        return sum(d.quantity for d in self.state.deliveries.values() if d.material == self.name)

    def swing(self, ends: tuple[float, float]) -> float:
        """A climate value: highest in the middle of the afternoon, lowest at night."""
        low, high = ends
        hour = (self.now / 3600.0 + self.spec.start.hour) % 24.0
        return (low + high) / 2.0 + 0.4 * (high - low) * math.sin((hour - 9.0) / 24.0 * 2.0 * math.pi)


def places(spec: PlantSpec) -> dict[str, tuple[Sensor[StockView], ...]]:
    """The rows of each place."""
    raw = {name: _material(spec, name, spec.policies[name]) for name in spec.storages}
    goods = {finished(name): _goods(spec, name, product) for name, product in spec.products.items()}
    return {**raw, **goods}


def _row(name: str, value: Any, description: str, **facts: Any) -> Sensor[StockView]:  # noqa: ANN401
    return Sensor(group=WAREHOUSE, name=name, value=value, description=description, **({"period_s": 10.0} | facts))


def _material(spec: PlantSpec, name: str, policy: Policy) -> tuple[Sensor[StockView], ...]:
    storage = spec.storages[name]
    kg: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": storage.capacity_kg, "digits": 1}
    return (
        _row("Level", lambda v: v.buffer.level, f"{name} in stock", **(kg | {"period_s": 1.0})),
        _row("ReorderPoint", lambda _: policy.reorder_kg, "Stock and orders below it are filled up", **kg),
        _row(
            "OnOrder",
            lambda v: v.on_order,
            f"{name} ordered and not yet here",
            **(kg | {"high": 10 * storage.capacity_kg}),
        ),
        *_climate(storage.celsius, storage.humidity, storage.shelf_life_d),
    )


def _goods(spec: PlantSpec, name: str, product: Product) -> tuple[Sensor[StockView], ...]:
    cases: dict[str, Any] = {"unit": "C62", "low": 0.0, "high": product.capacity_cases, "digits": 0}
    coming = {"high": 10 * product.capacity_cases}
    return (
        _row("Level", lambda v: float(v.buffer.cases), f"Cases of {name} in stock", **(cases | {"period_s": 1.0})),
        _row("ReorderPoint", lambda _: product.reorder_cases, "Production starts below it", **cases),
        _row(
            "OnOrder",
            lambda v: in_process(v.state, v.spec, name) / spec.case_kg,
            "Cases in production",
            **(cases | coming),
        ),
        _row(
            "Backorders",
            lambda v: sum(order.cases for order in v.state.sales[name].backlog),
            f"Cases of {name} that customers wait for",
            type=SignalType.UINT32,
        ),
        *_climate(spec.finished_goods.celsius, spec.finished_goods.humidity, product.shelf_life_d),
    )


def _climate(
    celsius: tuple[float, float], humidity: tuple[float, float], shelf_life_d: float
) -> tuple[Sensor[StockView], ...]:
    return (
        _row(
            "Temperature",
            lambda v: v.swing(celsius),
            "Air in the store",
            unit="CEL",
            low=0.0,
            high=60.0,
            noise=0.1,
            digits=1,
        ),
        _row(
            "Humidity",
            lambda v: v.swing(humidity),
            "Relative humidity in the store",
            unit="P1",
            low=0.0,
            high=100.0,
            noise=0.4,
            digits=1,
        ),
        _row(
            "OldestLotAge",
            lambda v: v.oldest_age,
            f"Age of the oldest lot; it keeps for {shelf_life_d:g} days",
            unit="DAY",
            low=0.0,
            high=720.0,
        ),
    )
