"""The history on disk. New samples are rows; when a node has enough of them they become one compressed block.

A node's times rise: no two of its samples have the same, and its rows are all newer than its blocks. All methods
block and belong into one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from opcua_server.errors import ServerError
from opcua_server.history.events import EventStore, Occurrence
from opcua_server.history.samples import Kind, Samples, concatenate, from_rows, pack, unpack

BLOCK = 2048
"""Samples of a full block."""
FIRST, LAST = -(1 << 63), (1 << 63) - 1
"""Before and after every time."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS node (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS block (
    node INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (node, first)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sample (
    node INTEGER NOT NULL, time INTEGER NOT NULL, value, status INTEGER NOT NULL,
    PRIMARY KEY (node, time)) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
_VERSION = 1
_BLOCKS = "SELECT count, data FROM block WHERE node = ? AND last >= ? AND first <= ? ORDER BY first"
_BLOCKS_OF = {False: _BLOCKS, True: f"{_BLOCKS} DESC"}
_ROWS = "SELECT time, value, status FROM sample WHERE node = ? AND time BETWEEN ? AND ? ORDER BY time"
_ROWS_OF = {False: f"{_ROWS} LIMIT ?", True: f"{_ROWS} DESC LIMIT ?"}
"""By whether the newest come first."""
_EXPIRE_BLOCKS = """
DELETE FROM block WHERE last < ? AND (
    first < (SELECT max(first) FROM block newest WHERE newest.node = block.node)
    OR EXISTS (SELECT 1 FROM sample WHERE sample.node = block.node))
"""
_EXPIRE_SAMPLES = """
DELETE FROM sample WHERE time < ? AND time < (SELECT max(time) FROM sample newest WHERE newest.node = sample.node)
"""

Row = tuple[int, int, Any, int]
"""Node, time, value (None where the status is bad), status."""


class Store:
    """Samples by node and time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file. Raises ServerError."""
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=2000;")
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise ServerError(f"{path} was written by a newer version of Conche: install that one or move it away")
            self._db.executescript(_SCHEMA)
            self.events = EventStore(self._db)
        except sqlite3.Error as error:
            raise ServerError(f"the history {path} cannot be opened ({error}): move it away and start again") from error

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def define(self, nodes: Mapping[str, Kind]) -> list[int]:
        """Ids of nodes by name. What is kept of a node whose kind changed is dropped, nobody could read it."""
        with self._transaction():
            known = {name: (id_, kind) for id_, name, kind in self._db.execute("SELECT id, name, kind FROM node")}
            for name, kind in nodes.items():
                if name in known and known[name][1] != kind:
                    self._forget(known[name][0])
                self._db.execute("INSERT OR IGNORE INTO node (name, kind) VALUES (?, ?)", (name, kind))
        ids = dict(self._db.execute("SELECT name, id FROM node"))
        return [ids[name] for name in nodes]

    def _forget(self, node: int) -> None:
        for delete in (
            "DELETE FROM node WHERE id = ?",
            "DELETE FROM block WHERE node = ?",
            "DELETE FROM sample WHERE node = ?",
        ):
            self._db.execute(delete, (node,))

    def append(self, rows: Iterable[Row], events: Sequence[Occurrence] = ()) -> None:
        """Keep new samples and events. Raises sqlite3.Error; then none is kept."""
        with self._transaction():
            self.events.append(events)
            self._db.executemany("INSERT OR IGNORE INTO sample VALUES (?, ?, ?, ?)", rows)

    def append_columns(self, nodes: Iterable[tuple[int, Kind, Samples]]) -> None:
        """Keep many new samples of nodes at once."""
        with self._transaction():
            for node, kind, samples in nodes:
                self._add_rows_as_block(node, kind)
                for start in range(0, len(samples), BLOCK):
                    self._add_block(node, kind, samples[start : start + BLOCK])

    def _add_rows_as_block(self, node: int, kind: Kind) -> None:
        rows = self._db.execute(
            "SELECT time, value, status FROM sample WHERE node = ? ORDER BY time", (node,)
        ).fetchall()
        if rows:
            self._add_block(node, kind, from_rows(kind, rows))
            self._db.execute("DELETE FROM sample WHERE node = ?", (node,))

    def _add_block(self, node: int, kind: Kind, samples: Samples) -> None:
        first, last = int(samples.time[0]), int(samples.time[-1])
        block = (node, first, last, len(samples), pack(kind, samples))
        self._db.execute("INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?)", block)

    def compact(self) -> None:
        """Make blocks of the rows of nodes that have enough."""
        full = self._db.execute(
            "SELECT node, kind FROM sample JOIN node ON node.id = node GROUP BY node HAVING count(*) >= ?", (BLOCK,)
        ).fetchall()
        for node, kind in full:
            with self._transaction():
                self._add_rows_as_block(node, Kind(kind))

    def expire(self, horizon: int) -> None:
        """Forget what is older, but not the newest of a node: it still stands. Blocks are forgotten whole."""
        with self._transaction():
            self._db.execute(_EXPIRE_BLOCKS, (horizon,))
            self._db.execute(_EXPIRE_SAMPLES, (horizon,))
            self.events.expire(horizon)

    def last_time(self) -> int | None:
        """Time of the newest sample of all."""
        query = "SELECT max(t) FROM (SELECT max(time) t FROM sample UNION ALL SELECT max(last) FROM block)"
        (time,) = self._db.execute(query).fetchone()
        return int(time) if time is not None else None

    def read(self, node: int, low: int, high: int, limit: int, *, newest_first: bool = False) -> Samples:
        """At most `limit` samples with low <= time <= high."""
        (kind,) = self._db.execute("SELECT kind FROM node WHERE id = ?", (node,)).fetchone()
        kind = Kind(kind)
        window = (node, low, high, limit)
        sources = [self._read_blocks(kind, *window, newest_first=newest_first)]
        sources.insert(0 if newest_first else 1, self._read_rows(kind, *window, newest_first=newest_first))
        return concatenate(kind, list(limited(chain(*sources), limit)))

    def _read_blocks(
        self, kind: Kind, node: int, low: int, high: int, _: int, *, newest_first: bool
    ) -> Iterator[Samples]:
        for count, data in self._db.execute(_BLOCKS_OF[newest_first], (node, low, high)):
            samples = unpack(kind, count, data)
            start, end = samples.time.searchsorted(low, "left"), samples.time.searchsorted(high, "right")
            part = samples[int(start) : int(end)]
            yield part[::-1] if newest_first else part

    def _read_rows(
        self, kind: Kind, node: int, low: int, high: int, limit: int, *, newest_first: bool
    ) -> Iterator[Samples]:
        yield from_rows(kind, self._db.execute(_ROWS_OF[newest_first], (node, low, high, limit)).fetchall())

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


def limited(parts: Iterable[Samples], limit: int) -> Iterator[Samples]:
    """Parts, until they have `limit` samples together."""
    for part in parts:
        yield part[:limit]
        limit -= len(part)
        if limit <= 0:
            return


class _Transaction:
    """BEGIN … COMMIT, or ROLLBACK when something is raised."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        self._db.execute("ROLLBACK" if failure else "COMMIT")
