"""What the tests of sinks share: names, tags, and batches made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.catalogue import TagCatalogue
from gateway.naming import Naming, NamingSettings
from gateway.values import Batch, Column, DataType, Event, Gap, Tag

NOW = 1_795_338_112_950_000_000  # 2026-11-22T09:01:52.95Z
BAD = 0x8000_0000
UNCERTAIN = 0x4000_0000
NAMING = Naming(
    NamingSettings(
        constants={"enterprise": "choco", "site": "berlin", "area": "production"},
        paths=["Machines/{line}/Components/{station}/{group}/{tag}"],
    )
)


def tag(tag_id: int, name: str = "", data_type: DataType = DataType.DOUBLE, **more: Any) -> Tag:
    """A tag of the tempering station, or of `station`."""
    name = name or f"Tag{tag_id}"
    station = more.pop("station", "Tempering")
    path = more.pop("path", ("Machines", "Line1", "Components", station, "Process", name))
    return Tag(tag_id, more.pop("source", "plant"), f"nsu=urn:test;s={station}.{name}", path, data_type, **more)


def catalogue(*tags: Tag, former: Sequence[Tag] = ()) -> TagCatalogue:
    return TagCatalogue(tags, former)


def column(
    values: Any, tags: Sequence[int], *, dtype: Any = None, status: Any = 0, time: Any = NOW, position: Any = None
) -> Column:
    """Values with one status or several, one time or several; positions of a first record unless given."""
    value = np.empty(len(tags), object) if dtype is object else np.asarray(values, dtype)
    if dtype is object:
        value[:] = values
    size = len(tags)
    return Column(
        np.arange(size, dtype=np.int64) + (1 << 20) if position is None else np.asarray(position, np.int64),
        np.asarray(tags, np.int32),
        value,
        np.broadcast_to(np.asarray(status, np.uint32), size).copy(),
        np.broadcast_to(np.asarray(time, np.int64), size).copy(),
    )


def batch(*columns: Column, events: Sequence[Event] = (), gaps: Sequence[Gap] = (), historical: bool = False) -> Batch:
    return Batch(columns, tuple(events), tuple(gaps), 1, historical)


def event(position: int = 2 << 20, **fields: Any) -> Event:
    return Event(position, "plant", "BulkOrderEventType", "ChocolateLine1", NOW, 500, "An order", fields)


def gap(position: int = 3 << 20, tags: tuple[int, ...] = (1,)) -> Gap:
    return Gap(position, "plant", tags, NOW, NOW + 1_000_000_000, "the server's queue was too short")
