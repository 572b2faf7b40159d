"""Connections to the historian's file, and its tables."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import structlog

from gateway.contract import NotConnected

log = structlog.get_logger(__name__)

_VERSION = 1
_APPLICATION = 0x434F4E48  # "CONH": the file is ours
_BUSY_S = 2.0
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

_TABLES = """
CREATE TABLE series (id INTEGER PRIMARY KEY, source TEXT NOT NULL, node TEXT NOT NULL, UNIQUE (source, node));
CREATE TABLE staged (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, series INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL, level INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX block_by_time ON block (series, first, last);
CREATE INDEX block_by_level ON block (series, level);
CREATE INDEX block_by_age ON block (last);
CREATE TABLE event (
    position INTEGER NOT NULL, source TEXT NOT NULL, type TEXT NOT NULL, source_name TEXT NOT NULL,
    time INTEGER NOT NULL, severity INTEGER NOT NULL, message TEXT NOT NULL, fields BLOB NOT NULL,
    UNIQUE (time, source, type, source_name, message, fields)
);
CREATE TABLE gap (
    position INTEGER NOT NULL, source TEXT NOT NULL, tags BLOB NOT NULL, first INTEGER NOT NULL,
    last INTEGER NOT NULL, reason TEXT NOT NULL,
    UNIQUE (last, first, source, reason, tags)
);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing; makes the file where there is none, and moves a damaged one aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGE:
            raise
        aside = _move_aside(path)
        log.exception("history damaged, a new one is started", damaged=str(aside))
    return _opened(path)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    return sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_VERSION}; COMMIT;"
        )
    elif version != _VERSION or connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise NotConnected(f"{path} is not a history of this version: move it away, or name another file")


def _move_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    for companion in ("-wal", "-shm", ""):
        part = path.with_name(path.name + companion)
        if part.exists():
            part.rename(aside.with_name(aside.name + companion))
    return aside
