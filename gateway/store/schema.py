"""Connections to the journal's file: tables, pragmas, and what its errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway.store.record import JournalError

_APPLICATION = 0x434F4E43  # "CONC": the file is ours
_VERSION = 1
_BUSY_S = 2.0

_TABLES = """
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY, kind INTEGER NOT NULL, historical INTEGER NOT NULL, count INTEGER NOT NULL,
    total INTEGER NOT NULL, received INTEGER NOT NULL, crc INTEGER NOT NULL, source TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE tag (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, node TEXT NOT NULL, active INTEGER NOT NULL, body BLOB NOT NULL,
    UNIQUE (source, node)
);
CREATE TABLE cursor (sink TEXT PRIMARY KEY, seen INTEGER NOT NULL, owed BLOB NOT NULL);
CREATE TABLE removed (one INTEGER PRIMARY KEY CHECK (one = 1), sequence INTEGER NOT NULL, total INTEGER NOT NULL);
INSERT INTO removed VALUES (1, 0, 0);
"""
_LATER = """
CREATE TABLE IF NOT EXISTS heard (token TEXT PRIMARY KEY, source TEXT NOT NULL, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS era (source TEXT, since INTEGER, types BLOB NOT NULL, PRIMARY KEY (source, since));
"""
# record.total: values and events up to and including this record, ever; a stretch is counted with two look-ups.
# cursor: `owed` holds ranges up to `seen`; everything after `seen` is owed too.
# heard: number of the last message of an OPC UA subscription that is stored; the token names the subscription for ever.
# era: the data types of a source for its records from `since` on, as JSON (datatypes.packed).
# removed: retention took the records up to here; a number missing after it is damage.

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing; makes the tables in a new file. sqlite3.Error where that fails."""
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.text_factory = _lenient
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, and reads damaged text too."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.text_factory = _lenient
    return connection


def open_plain(path: Path) -> sqlite3.Connection:
    """A connection to a file of any state, nothing asked or changed."""
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    connection.text_factory = _lenient
    return connection


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, not only the moment unlucky."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE


def explain(error: BaseException) -> str:
    """What is wrong and what to do, in words."""
    text = str(error)
    if "full" in text:
        return f"{text}: free space on the disk of the journal; values wait in the server meanwhile"
    if "locked" in text:
        return f"{text}: another process writes the journal; stop it"
    return f"{text}: look at the disk of the journal; it is tried again"


def _lenient(text: bytes) -> str:
    return text.decode(errors="replace")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for pragma in (
        "auto_vacuum=INCREMENTAL",
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=4000",
        "journal_size_limit=67108864",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(
            f"BEGIN IMMEDIATE; {_TABLES} PRAGMA application_id={_APPLICATION}; PRAGMA user_version={_VERSION}; COMMIT;"
        )
    elif version != _VERSION or connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
        raise JournalError(f"{path} is not a journal of this version: move it away, or use another state folder")
    connection.executescript(_LATER)
