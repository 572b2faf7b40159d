"""DataChangeNotifications made here: values read from history, in the form that the journal keeps."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from gateway.opcua.decode import announced
from gateway.opcua.layout import NOTIFICATION_HEAD, scan, uniform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NO_DIAGNOSTICS = b"\xff\xff\xff\xff"
"""The null array of DiagnosticInfos that ends a DataChangeNotification."""


def notification(handle: int, page: bytes) -> tuple[bytes, int]:
    """The DataValues of a history page (Int32 count, then the values) as values of one monitored item, and how many.

    A page that ends too early gives the values that are whole.
    """
    n = page_length(page)
    tag = handle.to_bytes(NOTIFICATION_HEAD, "little")
    rows = uniform(page, n, 0)
    if rows is not None:
        return _body(n, _with_handles(rows, tag)), n
    found = scan(page, n, 0)
    items = [tag + page[start:end] for start, end in pairwise(found.offsets.tolist())]
    return _body(len(items), b"".join(items)), len(items)


def separate(page: bytes) -> list[bytes]:
    """The DataValues of an answer to Read (Int32 count, then the values), one by one, as far as they are whole."""
    offsets = scan(page, page_length(page), 0).offsets.tolist()
    return [page[start:end] for start, end in pairwise(offsets)]


def together(values: Mapping[int, bytes]) -> bytes:
    """A notification of these DataValues by handle."""
    items = (tag_id.to_bytes(NOTIFICATION_HEAD, "little") + value for tag_id, value in values.items())
    return _body(len(values), b"".join(items))


def page_length(page: bytes) -> int:
    """How many values a history page says it has, as far as so many can be there at all."""
    n = int.from_bytes(page[:4], "little", signed=True)
    return max(0, min(n, len(page) - 4))


def kept(body: bytes, keep: NDArray[np.bool_]) -> bytes:
    """The notification with those of its values only where `keep` (by place) is true."""
    n = announced(body)
    count = int(keep.sum())
    rows = uniform(body, n)
    if rows is not None:
        return _body(count, rows[keep].tobytes())
    edges = scan(body, n).offsets.tolist()
    items = [body[edges[i] : edges[i + 1]] for i in np.flatnonzero(keep).tolist()]
    return _body(count, b"".join(items))


def _with_handles(rows: NDArray[np.void], tag: bytes) -> bytes:
    size = rows.dtype.itemsize
    whole = np.empty((len(rows), NOTIFICATION_HEAD + size), np.uint8)
    whole[:, :NOTIFICATION_HEAD] = np.frombuffer(tag, np.uint8)
    whole[:, NOTIFICATION_HEAD:] = rows.view(np.uint8).reshape(len(rows), size)
    return whole.tobytes()


def _body(count: int, items: bytes) -> bytes:
    return count.to_bytes(4, "little") + items + NO_DIAGNOSTICS
