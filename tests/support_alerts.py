"""A rule engine and its mail queue over one file, which outlives restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support_rules import Plant, Postman, Tags, contacts, event_rule, outbox, rule, until

from gateway.notify.message import Message
from gateway.notify.queue import MailQueue
from gateway.notify.texts import Texts
from gateway.rules.engine import RuleEngine
from gateway.rules.settings import EventRule, ThresholdRule
from gateway.status import MailStatus


class House:
    """A rule engine with its mail queue over one file, which outlives restarts."""

    def __init__(self, folder: Path, *rules: ThresholdRule | EventRule, tags: Tags | None = None) -> None:
        self.path = folder / "mail.sqlite"
        self.rules = rules or (rule(cool_down_s=0), event_rule())
        self.tags = tags or Tags()
        self.plant = Plant(self.tags)
        self.postman = Postman()
        self.status = MailStatus()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RuleEngine]:
        settings = outbox(self.path.parent)
        queue = await MailQueue.open(self.path, self.postman, settings, self.status)
        engine = RuleEngine("rules", self.rules, contacts(), queue, Texts(settings.sender), latency_s=0.05)
        sender = asyncio.create_task(queue.run())
        try:
            await engine.open(self.tags)
            yield engine
        finally:
            await engine.close()
            sender.cancel()
            await asyncio.wait({sender})
            await queue.close()

    async def mails(self, count: int) -> list[Message]:
        """All mails, once nothing waits any more."""
        await until(lambda: len(self.postman.mails) >= count and not self.status.waiting)
        assert len(self.postman.mails) == count
        return self.postman.mails
