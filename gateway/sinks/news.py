"""What of the past is news to subscribers: values since the gateway knows the tag; older ones belong to databases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.rows import R, Rows
from gateway.values import Column


def select(column: Column, keep: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Column:
    """The rows of a column that a mask, an index array or a slice names."""
    return Column(column.position[keep], column.tag[keep], column.value[keep], column.status[keep], column.time[keep])


def news(column: Column, rows: Rows[R]) -> Column:
    """The values that are not older than `Tag.since`; the rows have it as a field."""
    return select(column, column.time >= rows.take("tag.since", column.tag))
