"""What of the past is news to subscribers: values since the gateway knows the tag; older ones belong to databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.tag_table import Row
from gateway.values import Column

R = TypeVar("R", bound=Row)


def select(column: Column, keep: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Column:
    """The rows of a column that a mask, an index array or a slice names."""
    return Column(*(getattr(column, field.name)[keep] for field in fields(column)))


def news(column: Column, rows: Sequence[R]) -> tuple[Column, list[R]]:
    """The values that are not older than `Tag.since`, with their rows."""
    keep = column.time >= np.fromiter((row.tag.since for row in rows), np.int64, len(rows))
    return select(column, keep), [rows[i] for i in np.flatnonzero(keep).tolist()]
