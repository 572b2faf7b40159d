"""The tables of the historian's file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import structlog

from gateway import sqlite
from gateway.contract import NotConnected

log = structlog.get_logger(__name__)

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

_FORM = sqlite.Form(
    application=0x434F4E48,  # "CONH"
    version=1,
    tables=_TABLES,
    foreign=lambda path: NotConnected(f"{path} is not a history of this version: move it away, or name another file"),
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing; makes the file where there is none, and moves a damaged one aside."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return sqlite.connect(path, _FORM)
    except sqlite3.DatabaseError as error:
        if not sqlite.is_damage(error):
            raise
        aside = sqlite.move_aside(path)
        log.exception("history damaged, a new one is started", damaged=str(aside))
    return sqlite.connect(path, _FORM)
