"""What is shown of the warehouse: raw materials and finished goods, each in its place."""

from __future__ import annotations

from typing import Any

from plant_model.accounting import ratio
from plant_model.business import Policy
from plant_model.climate import Air, Sorption
from plant_model.layout import WAREHOUSE, finished
from plant_model.orderbook import fill_rate, on_time_rate
from plant_model.planning import in_process
from plant_model.sensing import NONE, Sensor, SignalType
from plant_model.spec import PlantSpec, Product
from plant_model.state import PlantState
from plant_model.trade import Purchases

DAY = 86400.0
STEADY: dict[str, Any] = {"period_s": 10.0, "still": True}


class StockView:
    """A place in the warehouse at a moment, and the air there."""

    def __init__(self, spec: PlantSpec, state: PlantState, name: str, air: Air) -> None:
        self.spec, self.state, self.now = spec, state, state.agenda.now
        self.name, self.air = name, air
        self.buffer = state.buffers[name]

    @property
    def oldest_age(self) -> float:
        """Days since the lot came that leaves next; unknown while there is none."""
        return (self.now - self.buffer.lots[0].made) / DAY if self.buffer.lots else NONE

    @property
    def remaining_life(self) -> float:
        """Days of good storage until the first lot expires; those of a new lot while there is none."""
        if not self.buffer.lots:
            return self.life
        aged = self.state.stores[self.name].aged + self.now - self.state.checked
        return max(self.buffer.lots[0].expires - aged, 0.0) / DAY

    @property
    def life(self) -> float:
        """Days that a new lot keeps."""
        storage = self.spec.storages.get(self.name)
        return (storage or self.spec.products[self.buffer.product or self.name.removeprefix("Finished")]).shelf_life_d

    @property
    def moisture(self) -> float:
        """Mean water in the stock in %."""
        level = self.buffer.level
        return sum(lot.mass * lot.moisture for lot in self.buffer.lots) / level if level else NONE

    @property
    def turns(self) -> float:
        """How often in a year the stock is renewed; unknown in the first hour."""
        store = self.state.stores[self.name]
        return ratio(store.issued * 8760.0, store.stocked)

    @property
    def on_order(self) -> float:
        """Mass in kg ordered and not yet unloaded."""
        return sum(d.quantity for d in self.state.deliveries.values() if d.material == self.name)

    @property
    def purchases(self) -> Purchases:
        """What became of the orders of the material."""
        return self.state.purchases[self.name]


def places(spec: PlantSpec) -> dict[str, tuple[Sensor[StockView], ...]]:
    """The rows of each place."""
    raw = {name: _material(spec, name, spec.policies[name]) for name in spec.storages}
    goods = {finished(name): _goods(spec, name, product) for name, product in spec.products.items()}
    return {**raw, **goods}


def _row(name: str, value: Any, description: str, **facts: Any) -> Sensor[StockView]:  # noqa: ANN401
    return Sensor(group=WAREHOUSE, name=name, value=value, description=description, **(STEADY | facts))


def _material(spec: PlantSpec, name: str, policy: Policy) -> tuple[Sensor[StockView], ...]:
    storage = spec.storages[name]
    kg: dict[str, Any] = {"unit": "KGM", "low": 0.0, "high": storage.capacity_kg, "digits": 1}
    return (
        _row("Level", lambda v: v.buffer.level, "Mass in stock", **(kg | {"period_s": 1.0})),
        _row("ReorderPoint", lambda _: policy.reorder_kg, "Stock and orders below it are filled up", **kg),
        _row(
            "OnOrder",
            lambda v: v.on_order,
            "Mass ordered and not yet here",
            **(kg | {"high": 10 * storage.capacity_kg}),
        ),
        _next_lot(),
        *_turns(),
        *_climate(),
        *_purchasing(),
        *_ageing(storage.shelf_life_d),
        *((_moisture(name, storage.sorption),) if storage.sorption else ()),
    )


def _goods(spec: PlantSpec, name: str, product: Product) -> tuple[Sensor[StockView], ...]:
    cases: dict[str, Any] = {"unit": "C62", "low": 0.0, "high": product.capacity_cases, "digits": 0}
    coming = {"high": 10 * product.capacity_cases}
    return (
        _row("Level", lambda v: float(v.buffer.cases), "Cases in stock", **(cases | {"period_s": 1.0})),
        _row("ReorderPoint", lambda _: product.reorder_cases, "Production starts below it", **cases),
        _row(
            "OnOrder",
            lambda v: in_process(v.state, v.spec)[name] / spec.case_kg,
            "Cases in production",
            **(cases | coming),
        ),
        _row(
            "Backorders",
            lambda v: v.state.sales[name].waiting_cases,
            "Cases that customers wait for",
            type=SignalType.UINT32,
        ),
        _next_lot(),
        *_turns(),
        *_climate(),
        *_service(name),
        *_ageing(product.shelf_life_d),
    )


def _purchasing() -> tuple[Sensor[StockView], ...]:
    count: dict[str, Any] = {"type": SignalType.UINT32, "period_s": 10.0}
    return (
        _row(
            "Supplier",
            lambda v: v.purchases.supplier,
            "Who got the last order",
            type=SignalType.STRING,
        ),
        _row("Deliveries", lambda v: v.purchases.deliveries, "Deliveries that were unloaded", **count),
        _row("LateDeliveries", lambda v: v.purchases.late, "Deliveries that came more than a day late", **count),
        _row("ShortDeliveries", lambda v: v.purchases.short, "Deliveries that came in parts", **count),
        _row("RejectedDeliveries", lambda v: v.purchases.rejected, "Deliveries that inspection sent back", **count),
        _row(
            "CycleServiceLevel",
            lambda v: 100.0 * v.purchases.cycles.service,
            "Share of the deliveries before which stock did not run out",
            unit="P1",
            low=0.0,
            high=100.0,
        ),
    )


def _service(name: str) -> tuple[Sensor[StockView], ...]:
    share: dict[str, Any] = {"unit": "P1", "low": 0.0, "high": 100.0}
    return (
        _row(
            "FillRate",
            lambda v: 100.0 * fill_rate((v.state.sales[name],)),
            "Ordered cases that were shipped at once",
            **share,
        ),
        _row(
            "CycleServiceLevel",
            lambda v: 100.0 * v.state.sales[name].cycles.service,
            "Share of the campaigns before which it did not run out",
            **share,
        ),
        _row(
            "OnTimeRate",
            lambda v: 100.0 * on_time_rate((v.state.sales[name],)),
            "Share of the shipped orders that were not late",
            **share,
        ),
        _row(
            "LostCases",
            lambda v: v.state.sales[name].lost_cases,
            "Cases that were not in stock and not waited for",
            type=SignalType.UINT32,
        ),
    )


def _next_lot() -> Sensor[StockView]:
    words = "The lot that leaves next"
    return _row("LotId", lambda v: v.buffer.lots[0].id if v.buffer.lots else "", words, type=SignalType.STRING)


def _turns() -> tuple[Sensor[StockView], ...]:
    words = "What left in a year, by the mean stock at full hours, since the epoch"
    return (_row("InventoryTurns", lambda v: v.turns, words, unit="C62", low=0.0, high=1e6),)


def _ageing(shelf_life_d: float) -> tuple[Sensor[StockView], ...]:
    return (
        _row(
            "RemainingLife",
            lambda v: v.remaining_life,
            "Days until the first lot expires",
            still=False,
            unit="DAY",
            low=0.0,
            high=shelf_life_d,
        ),
        _row(
            "Expired",
            lambda v: v.state.stores[v.name].expired,
            "Mass written off since the epoch",
            unit="KGM",
            low=0.0,
            high=1e9,
            digits=1,
        ),
    )


def _moisture(name: str, sorption: Sorption) -> Sensor[StockView]:
    words = f"Water in the {name.lower()}; it follows the air"
    return _row(
        "Moisture",
        lambda v: v.moisture,
        words,
        unit="P1",
        low=0.0,
        high=15.0,
        period_s=30.0,
        noise=0.003 * sorption.percent,
    )


def _climate() -> tuple[Sensor[StockView], ...]:
    return (
        _row(
            "Temperature",
            lambda v: v.air.celsius,
            "Air in the store",
            still=False,
            unit="CEL",
            low=0.0,
            high=60.0,
            noise=0.1,
            digits=1,
        ),
        _row(
            "Humidity",
            lambda v: v.air.humidity,
            "Relative humidity in the store",
            still=False,
            unit="P1",
            low=0.0,
            high=100.0,
            noise=0.4,
            digits=1,
        ),
        _row(
            "OldestLotAge",
            lambda v: v.oldest_age,
            "Days since the oldest lot came",
            still=False,
            unit="DAY",
            low=0.0,
            high=720.0,
        ),
    )
