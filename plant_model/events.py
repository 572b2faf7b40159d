"""What the plant tells: orders, deliveries, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlantEvent:
    """Something happened.

    kind: "bulk_order", "delivery_ordered", "delivery_arrived", "delivery_short", "delivery_rejected", "stock_expired",
    "process_warning" or "machine_failure". `time` is plant seconds, `source` the path below the Objects folder,
    `severity` 1 … 1000; `fields` are the event type's own: numbers, texts, DueTime a datetime of the plant's calendar.
    """

    time: float
    kind: str
    source: tuple[str, ...]
    message: str
    severity: int
    fields: Mapping[str, Any]
