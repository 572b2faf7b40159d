"""Tags, batches, rules and mails for the tests of rules and mails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter

from gateway.contract import NotConnected
from gateway.notify.message import Message
from gateway.notify.settings import Contacts, NotifySettings, OutboxSettings
from gateway.rules.settings import EventRule, RuleSettings, ThresholdRule
from gateway.values import Batch, Column, DataType, Event, Tag

S = 1_000_000_000
NOW = 1_790_000_000 * S
BAD = 0x80000000
UNCERTAIN = 0x40000000
SHIPPED = yaml.safe_load((Path(__file__).parent / "unit/gateway_rules/shipped.yaml").read_text())
MATERIALS = ("Beans", "Sugar", "CocoaButter", "MilkPowder", "Lecithin", "FinishedDark", "FinishedMilk", "FinishedWhite")

RULES: TypeAdapter[list[ThresholdRule | EventRule]] = TypeAdapter(list[RuleSettings])
NOTIFY: TypeAdapter[Any] = TypeAdapter(NotifySettings)
CONTACTS: TypeAdapter[Contacts] = TypeAdapter(Contacts)


def rule(**changes: Any) -> ThresholdRule:
    """The shipped restock rule, changed."""
    (made,) = RULES.validate_python([SHIPPED["rules"][0] | changes])
    assert isinstance(made, ThresholdRule)
    return made


def event_rule(**changes: Any) -> EventRule:
    """The shipped bulk order rule, changed."""
    (made,) = RULES.validate_python([SHIPPED["rules"][1] | changes])
    assert isinstance(made, EventRule)
    return made


def outbox(folder: Path, **changes: Any) -> OutboxSettings:
    made: OutboxSettings = NOTIFY.validate_python(SHIPPED["notify"] | {"folder": folder} | changes)
    return made


def contacts() -> Contacts:
    return CONTACTS.validate_python(SHIPPED["contacts"])


class Tags:
    """A catalogue (contract.Catalogue) of the warehouse."""

    def __init__(self, names: Sequence[str] = ("Level", "ReorderPoint", "OnOrder"), since: int = 0) -> None:
        self.version = 1
        paths = [("Warehouse", material, name) for material in MATERIALS for name in names]
        self._tags = {i: tag(i, path, since) for i, path in enumerate(paths, 1)}

    def __len__(self) -> int:
        return len(self._tags)

    def __iter__(self) -> Iterator[Tag]:
        return iter(self._tags.values())

    def tag(self, tag_id: int) -> Tag:
        return self._tags[tag_id]

    def id(self, material: str, name: str) -> int:
        return next(one.id for one in self if one.path[1:] == (material, name))


def tag(tag_id: int, path: tuple[str, ...], since: int = 0, data_type: DataType = DataType.DOUBLE) -> Tag:
    return Tag(tag_id, "plant", f"nsu=urn:x;s={'.'.join(path)}", path, data_type, unit="kg", since=since)


class Plant:
    """Makes batches with rising positions, as the journal does."""

    def __init__(self, tags: Tags) -> None:
        self.tags = tags
        self.sequence = 0

    def batch(
        self,
        *values: tuple[str, str, float, float] | tuple[str, str, float, float, int],
        events: Iterable[Event] = (),
        historical: bool = False,
    ) -> Batch:
        """Of (material, name, seconds, value[, status])."""
        self.sequence += 1
        rows = [(*row, 0)[:5] for row in values]
        column = Column(
            (self.sequence << 20) + np.arange(len(rows)),
            np.array([self.tags.id(row[0], row[1]) for row in rows], dtype=np.int32),
            np.array([row[3] for row in rows], dtype=np.float64),
            np.array([row[4] for row in rows], dtype=np.uint32),
            np.array([NOW + int(row[2] * S) for row in rows], dtype=np.int64),
        )
        return Batch((column,) if rows else (), tuple(events), (), self.sequence, historical)


def order(quantity: float = 120, seconds: float = 0, **fields: Any) -> Event:
    known = {"Customer": "Hotel Adler", "Address": "office@adler.example", "Product": "Dark", "OrderId": "B-0042"}
    said = known | {"Quantity": quantity} | fields
    return Event(1, "plant", "BulkOrderEventType", "ChocolateLine1", NOW + int(seconds * S), 300, "order placed", said)


class Postman:
    """A notifier that keeps what it is given, or fails as told."""

    def __init__(self, *failures: Exception) -> None:
        self.mails: list[Message] = []
        self.tries = 0
        self.failures = list(failures)
        self.closed = False

    async def send(self, mail: Message) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.mails.append(mail)

    async def close(self) -> None:
        self.closed = True


class Unreachable(Postman):
    """A notifier whose peer is away."""

    async def send(self, mail: Message) -> None:
        self.tries += 1
        raise NotConnected("nobody answers")


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for what a status or a list will show."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
