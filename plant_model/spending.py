"""What the plant spends: rows of the group Cost, in all and per good case, by cause."""

from __future__ import annotations

from typing import Any

from plant_model.costs import Costs
from plant_model.overview import MANY, LineView, tag
from plant_model.sensing import Sensor

EUR: dict[str, Any] = {"unit": "EUR", "low": 0.0, "high": MANY, "period_s": 10.0, "digits": 4}
"""Four digits, so that what is shown of the causes adds up to the cent."""
PER_UNIT: dict[str, Any] = EUR | {"low": -1000.0, "high": 1000.0}
"""Material may be negative for a day: what is scrapped was used before."""
CAUSES = {
    "Material": ("material", "Material that was used, less what was scrapped"),
    "Packaging": ("packaging", "Packaging"),
    "Labour": ("labour", "Paid hours, less those lost to failures"),
    "Energy": ("energy", "Electricity and gas"),
    "Maintenance": ("maintenance", "Planned maintenance"),
    "Failure": ("failures", "Repairs, and people beside machines that were down"),
    "Scrap": ("scrap", "Material and disposal of scrap"),
    "Ordering": ("ordering", "Purchase orders"),
    "Holding": ("holding", "Capital bound in stock"),
    "Backorder": ("backorders", "Orders that waited"),
    "Spoilage": ("spoilage", "Material that expired, and its disposal"),
}
"""By name of the tag the cause and what it is; together they are `CostPerUnit` and `TotalCost`."""


def spending() -> tuple[Sensor[LineView], ...]:
    """The rows of the line."""
    return (
        tag(
            "Cost",
            "CostPerUnit",
            lambda v: v.per_case(sum(v.window.costs)),
            "All costs per case, last 24 h",
            **(PER_UNIT | {"low": 0.0}),
        ),
        tag("Cost", "TotalCost", lambda v: sum(v.total.costs), "All costs since the epoch", **EUR),
        *(_per_unit(name, Costs._fields.index(cause), words) for name, (cause, words) in CAUSES.items()),
        *(_total(name, Costs._fields.index(cause), words) for name, (cause, words) in CAUSES.items()),
        tag(
            "Cost",
            "StockCostPerUnit",
            lambda v: v.per_case(v.window.costs.ordering + v.window.costs.holding),
            "Ordering and holding together, per case, last 24 h",
            **PER_UNIT,
        ),
    )


def _per_unit(name: str, cause: int, words: str) -> Sensor[LineView]:
    return tag(
        "Cost",
        f"{name}CostPerUnit",
        lambda v: v.per_case(v.window.costs[cause]),
        f"{words}, per case, last 24 h",
        **PER_UNIT,
    )


def _total(name: str, cause: int, words: str) -> Sensor[LineView]:
    return tag("Cost", f"{name}Cost", lambda v: v.total.costs[cause], f"{words}, since the epoch", **EUR)
