"""What the rules remember: the last value of each watched tag and the state of each threshold, kept in mail.sqlite."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import numpy as np

from gateway.rules.conditions import Phase, State
from gateway.values import Tag

TagKey = tuple[str, str]
"""(source, node): what a tag is called for ever, also in a new journal."""

StateKey = tuple[str, str]
"""(rule, instance)."""

Scalar = float | int | str | bool | None

_SCHEMA = """
CREATE TABLE IF NOT EXISTS observation (
    source TEXT, node TEXT, position INTEGER NOT NULL, time INTEGER NOT NULL, value, good INTEGER NOT NULL,
    PRIMARY KEY (source, node)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS threshold (
    rule TEXT, instance TEXT, phase INTEGER NOT NULL, since INTEGER NOT NULL, alerted INTEGER NOT NULL,
    held INTEGER NOT NULL, PRIMARY KEY (rule, instance)
) WITHOUT ROWID;
"""
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Observation:
    """The last value that was seen of a tag."""

    position: int
    time: int  # source time, Unix ns
    value: Scalar
    good: bool

    @property
    def number(self) -> float:
        """The value for comparisons; NaN for texts."""
        return float(self.value) if isinstance(self.value, int | float) else float("nan")


@dataclass(frozen=True, slots=True)
class Memory:
    """All of it, or the part that changes."""

    seen: dict[TagKey, Observation] = field(default_factory=dict)
    states: dict[StateKey, State] = field(default_factory=dict)

    def with_changes(self, changes: Memory) -> Memory:
        """The memory after the changes."""
        return Memory(self.seen | changes.seen, self.states | changes.states)


def key_of(tag: Tag) -> TagKey:
    """What the tag is remembered by."""
    return tag.source, tag.node


def to_scalar(value: object) -> Scalar:
    """The value as SQLite can keep it; None for what is no single number or text."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, int) and plain not in _INT64:
        return float(plain)
    return plain if isinstance(plain, bool | int | float | str) else None


def load(connection: sqlite3.Connection) -> Memory:
    """What was saved; the tables are made when missing."""
    for statement in filter(str.strip, _SCHEMA.split(";")):
        connection.execute(statement)
    seen = connection.execute("SELECT source, node, position, time, value, good FROM observation")
    states = connection.execute("SELECT rule, instance, phase, since, alerted, held FROM threshold")
    return Memory(
        {(row[0], row[1]): Observation(row[2], row[3], row[4], bool(row[5])) for row in seen},
        {(row[0], row[1]): State(Phase(row[2]), row[3], row[4], bool(row[5])) for row in states},
    )


def save(connection: sqlite3.Connection, changes: Memory) -> None:
    """Write the changes; call it inside a transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO observation VALUES (?, ?, ?, ?, ?, ?)",
        [(*key, one.position, one.time, one.value, one.good) for key, one in changes.seen.items()],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO threshold VALUES (?, ?, ?, ?, ?, ?)",
        [(*key, int(one.phase), one.since, one.alerted, one.held) for key, one in changes.states.items()],
    )
