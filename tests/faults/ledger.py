"""The server's own book of its changes: one row a change, on disk before anybody can see the value."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype([("tag", "<u4"), ("number", "<u4"), ("time", "<i8")])
"""Tag index, number of the change (1, 2, 3 … per tag), source time in Unix ns, whole microseconds."""

Rows = NDArray[np.void]


class Ledger:
    """Appended to by the server, read by who judges. Survives a SIGKILL of the server."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def enter(self, rows: Rows) -> None:
        """Write these changes down."""
        os.write(self._handle, rows.tobytes())

    def read(self) -> Rows:
        """All changes in the order they were made."""
        return read(self._path)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read(path: Path) -> Rows:
    """All whole rows of a ledger; none where there is no file yet."""
    data = path.read_bytes() if path.exists() else b""
    return np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)


def tag_name(tag: int) -> str:
    """The browse name of a tag: T0042."""
    return f"T{tag:04}"


def tag_index(name: str) -> int:
    """The index of a tag by its browse name, topic or path."""
    return int(name[-4:])
