"""The gateway's SQLite files: of one kind and version, every commit on the disk, what is damaged told apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gateway.contract import GatewayError

_BUSY_S = 2.0
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_COMPANIONS = ("-wal", "-shm", "")
_PRAGMAS = ("auto_vacuum=INCREMENTAL", "journal_mode=WAL", "synchronous=FULL", "journal_size_limit=67108864")


@dataclass(frozen=True, slots=True)
class Form:
    """What stands in a file, and the error for a file that is another's, or of another version."""

    application: int  # SQLite's application_id: the file is ours
    version: int
    tables: str  # SQL for a new file
    foreign: Callable[[Path], GatewayError]
    pragmas: tuple[str, ...] = ()


def connect(path: Path, form: Form) -> sqlite3.Connection:
    """A connection for writing; makes the tables in a new file. sqlite3.Error, or the error of the form."""
    connection = open_plain(path)
    try:
        _prepare(connection, path, form)
    except BaseException:
        connection.close()
        raise
    return connection


def open_plain(database: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    """A connection to a file of any state, nothing asked or changed; damaged text is read, too."""
    connection = sqlite3.connect(database, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, uri=uri)
    connection.text_factory = _lenient
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    return open_plain(f"{path.absolute().as_uri()}?mode=ro", uri=True)


class Reader:
    """A reading connection, opened when it is needed, used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection. sqlite3.Error where it cannot be had."""
        if self._connection is None:
            self._connection = connect_reader(self.path)
        return self._connection

    def close(self) -> None:
        """Idempotent; the next question opens anew."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block, on disk at its end, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file itself is broken, not only the moment unlucky."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in _DAMAGE


def move_aside(path: Path) -> Path:
    """Rename a damaged file with its companions; its new path."""
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    for companion in _COMPANIONS:
        part = path.with_name(path.name + companion)
        if part.exists():
            part.rename(aside.with_name(aside.name + companion))
    return aside


def remove(path: Path) -> None:
    """Delete a file with its companions, if it is there."""
    for companion in _COMPANIONS:
        path.with_name(path.name + companion).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection, path: Path, form: Form) -> None:
    for pragma in (*_PRAGMAS, *form.pragmas):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if version == 0:
        marks = f"PRAGMA application_id={form.application}; PRAGMA user_version={form.version};"
        connection.executescript(f"BEGIN IMMEDIATE; {form.tables} {marks} COMMIT;")
    elif (version, application) != (form.version, form.application):
        raise form.foreign(path)


def _lenient(text: bytes) -> str:
    return text.decode(errors="replace")
