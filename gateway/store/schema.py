"""The tables of the journal's file, and what its errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from gateway import sqlite
from gateway.store.record import JournalError

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

_FORM = sqlite.Form(
    application=0x434F4E43,  # "CONC"
    version=1,
    tables=_TABLES,
    foreign=lambda path: JournalError(
        f"{path} is not a journal of this version: move it away, or use another state folder"
    ),
    pragmas=("wal_autocheckpoint=4000",),
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection for writing; makes the tables in a new file. sqlite3.Error where that fails, JournalError."""
    connection = sqlite.connect(path, _FORM)
    try:
        connection.executescript(_LATER)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def explain(error: BaseException) -> str:
    """What is wrong and what to do, in words."""
    text = str(error)
    if "full" in text:
        return f"{text}: free space on the disk of the journal; values wait in the server meanwhile"
    if "locked" in text:
        return f"{text}: another process writes the journal; stop it"
    return f"{text}: look at the disk of the journal; it is tried again"
