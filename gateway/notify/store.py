"""The mail table of mail.sqlite: what is waiting, sent or dead. Functions of a connection; queue.py runs them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from gateway.notify.message import Message
from gateway.status import Mail

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY,
    rule TEXT NOT NULL, instance TEXT NOT NULL, key TEXT NOT NULL,
    message TEXT NOT NULL, written INTEGER NOT NULL,
    name TEXT NOT NULL, email TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
    state TEXT NOT NULL, reason TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, refusals INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL,
    UNIQUE (rule, instance, key)
);
CREATE INDEX IF NOT EXISTS mail_by_state ON mail (state, due);
"""
_RECENT = 100


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be queued. (rule, instance, key) name the occasion: the same occasion is never queued twice."""

    rule: str
    instance: str  # which tag or source of events
    key: str  # which crossing or event of it
    name: str
    email: str
    subject: str
    text: str
    reason: str = ""  # why it cannot be sent; it is a dead letter from the start then


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that is to be sent, and what was tried so far."""

    row: int
    message: Message
    attempts: int
    refusals: int
    due: int  # Unix ns


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try: a state of gateway.status.Mail, and when the next try is due."""

    state: str
    reason: str
    attempts: int
    refusals: int
    due: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The queue in figures, and its newest mails, newest last."""

    sent: int
    waiting: int
    dead: int
    recent: tuple[Mail, ...]


def connect(path: Path) -> sqlite3.Connection:
    """Open or make the file; every commit reaches the disk. sqlite3.Error or OSError where it cannot be had."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def message_id(draft: Draft) -> str:
    """32 hexadecimal digits, always the same for an occasion."""
    occasion = f"{draft.rule}\0{draft.instance}\0{draft.key}"
    return blake2b(occasion.encode(), digest_size=16).hexdigest()


def put(connection: sqlite3.Connection, drafts: Sequence[Draft], now: int) -> None:
    """Queue the drafts whose occasion is new."""
    connection.executemany(
        "INSERT INTO mail (rule, instance, key, message, written, name, email, subject, text, state, reason, due)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [_row(draft, now) for draft in drafts],
    )


def _row(draft: Draft, now: int) -> tuple[object, ...]:
    occasion = (draft.rule, draft.instance, draft.key, message_id(draft), now)
    state = "dead" if draft.reason else "waiting"
    return (*occasion, draft.name, draft.email, draft.subject, draft.text, state, draft.reason, now)


def first_due(connection: sqlite3.Connection) -> Waiting | None:
    """The waiting mail whose next try comes first; the older one of two."""
    row = connection.execute(
        "SELECT id, message, rule, written, name, email, subject, text, attempts, refusals, due FROM mail"
        " WHERE state = 'waiting' ORDER BY due, id LIMIT 1"
    ).fetchone()
    return row and Waiting(row[0], Message(*row[1:8]), *row[8:])


def settle(connection: sqlite3.Connection, row: int, outcome: Outcome) -> None:
    """Write down what became of a try."""
    connection.execute(
        "UPDATE mail SET state = ?, reason = ?, attempts = ?, refusals = ?, due = ? WHERE id = ?",
        (outcome.state, outcome.reason, outcome.attempts, outcome.refusals, outcome.due, row),
    )


def hurry(connection: sqlite3.Connection, now: int) -> None:
    """Have every waiting mail tried at once."""
    connection.execute("UPDATE mail SET due = ? WHERE state = 'waiting' AND due > ?", (now, now))


def forget_sent(connection: sqlite3.Connection, before: int) -> None:
    """Drop sent mails written before this time (Unix ns). Dead letters stay."""
    connection.execute("DELETE FROM mail WHERE state = 'sent' AND written < ?", (before,))


def summary(connection: sqlite3.Connection) -> Summary:
    """Count by state, and the last 100 mails."""
    count = dict(connection.execute("SELECT state, count(*) FROM mail GROUP BY state"))
    rows = connection.execute(
        "SELECT written, rule, name, email, subject, state, reason FROM mail ORDER BY id DESC LIMIT ?", (_RECENT,)
    ).fetchall()
    recent = tuple(Mail(row[0], row[1], _recipient(row[2], row[3]), *row[4:]) for row in reversed(rows))
    return Summary(count.get("sent", 0), count.get("waiting", 0), count.get("dead", 0), recent)


def _recipient(name: str, email: str) -> str:
    return f"{name} <{email}>" if email else name
