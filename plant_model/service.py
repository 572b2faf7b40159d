"""How well customers are served: rows of the line beside production."""

from __future__ import annotations

from typing import Any

from plant_model.orderbook import cycle_service, fill_rate, overdue
from plant_model.overview import LineView, tag
from plant_model.sensing import Sensor, SignalType

MANY = 1e9
"""Upper end of the range of a total."""


def service() -> tuple[Sensor[LineView], ...]:
    """Rows of the group Orders."""
    share: dict[str, Any] = {"unit": "P1", "low": 0.0, "high": 100.0, "period_s": 10.0, "still": True}
    whole: dict[str, Any] = {"type": SignalType.UINT64, "low": 0.0, "high": MANY, "still": True}
    return (
        tag(
            "Orders",
            "FillRate",
            lambda v: 100.0 * fill_rate(v.state.sales.values()),
            "Fill rate (beta): share of the ordered cases that were shipped at once",
            **share,
        ),
        tag(
            "Orders",
            "CycleServiceLevel",
            lambda v: 100.0 * cycle_service(v.state.sales.values()),
            "Cycle service (alpha): share of the campaigns between which no product ran out",
            **share,
        ),
        tag(
            "Orders",
            "LateOrders",
            lambda v: sum(s.late_orders for s in v.state.sales.values()),
            "Orders shipped after their due date",
            **whole,
        ),
        tag(
            "Orders",
            "OverdueOrders",
            lambda v: overdue(v.state.sales.values(), v.now),
            "Orders that wait beyond their due date",
            **(whole | {"still": False}),
        ),
        tag(
            "Orders",
            "LostCases",
            lambda v: sum(s.lost_cases for s in v.state.sales.values()),
            "Cases that were not in stock and not waited for",
            **whole,
        ),
    )
