"""The rule engine: a sink that reads the journal with its own cursor and turns what it sees into queued mails.

A batch is confirmed when all that it changed (last values, states, mails) is committed in one transaction, so neither a
crash nor a batch that comes again can lose an alert or give it twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable, Sequence
from functools import partial
from time import time_ns

import structlog

from gateway.contract import Catalogue, NotConnected
from gateway.notify.queue import MailQueue
from gateway.notify.settings import Contacts
from gateway.notify.texts import Texts
from gateway.rules import memory as storage
from gateway.rules.alerts import to_draft
from gateway.rules.binding import Binding, Instance, bind
from gateway.rules.judgement import Judgement, judge_clock, judge_events, judge_values, learn, remaining
from gateway.rules.memory import Memory, StateKey
from gateway.rules.settings import EventRule, ThresholdRule
from gateway.values import Batch

_log = structlog.get_logger(__name__)
_NOTHING = Batch((), (), (), 0)
_DISK_RETRY_S = 1.0
"""Pause until an alert is tried again whose mail could not be queued."""


class RuleEngine:
    """Watches values and events for the rules (contract.Sink).

    A delay is judged by source time where values come, and by the clock where none do: then `latency_s`, the time that
    a value may take from its source to here, is waited in addition, lest a value on its way be overlooked.
    """

    def __init__(
        self,
        name: str,
        rules: Sequence[ThresholdRule | EventRule],
        contacts: Contacts,
        mails: MailQueue,
        texts: Texts,
        latency_s: float = 2.0,
    ) -> None:
        self.name = name
        self._use(rules, contacts, texts)
        self._mails = mails
        self._latency_s = latency_s
        self._memory = Memory()
        self._tags: Catalogue | None = None
        self._binding: Binding | None = None
        self._deadlines: dict[StateKey, tuple[float, Instance]] = {}  # by the clock of the event loop
        self._rescheduled = asyncio.Event()
        self._turn = asyncio.Lock()  # the clock and the batches move the same states
        self._clock: asyncio.Task[None] | None = None

    def _use(self, rules: Sequence[ThresholdRule | EventRule], contacts: Contacts, texts: Texts) -> None:
        self._thresholds = tuple(rule for rule in rules if isinstance(rule, ThresholdRule))
        self._event_rules = tuple(rule for rule in rules if isinstance(rule, EventRule))
        self._contacts = contacts
        self._texts = texts

    async def adjust(self, rules: Sequence[ThresholdRule | EventRule], contacts: Contacts, texts: Texts) -> None:
        """Go on by these rules. What is remembered stays; delays that run for a rule that stays the same run on."""
        async with self._turn:
            self._use(rules, contacts, texts)
            self._binding = None
        if self._clock is None:
            return  # the next open judges by them
        try:
            await self.write(_NOTHING)
        except NotConnected as error:
            _log.warning("changed rules wait for the mail queue", reason=str(error))

    async def open(self, tags: Catalogue) -> None:
        """Remember, and judge what is remembered: a rule may have changed since. NotConnected: the file is away."""
        await self.close()
        self._memory = await self._mails.transaction(storage.load)
        self._tags, self._binding = tags, None
        await self.write(_NOTHING)
        self._clock = asyncio.create_task(self._keep_time(), name=f"{self.name} clock")

    async def write(self, batch: Batch) -> None:
        """Return when all that the batch means is committed. NotConnected: nothing is."""
        async with self._turn:
            binding, is_new = self._bound()
            fresh = learn(binding, self._memory, batch)
            touched = {one.key: one for tag in fresh for one in binding.by_tag.get(tag, ())}
            instances = binding.instances if is_new else tuple(touched.values())
            judged = judge_values(binding, self._memory, fresh, instances)
            events = judge_events(self._event_rules, batch, time_ns())
            await self._commit(Judgement(judged.changes, judged.alerts + events))
            self._binding = binding
            self._schedule(instances, heard=touched.keys())

    async def close(self) -> None:
        """End the clock. Idempotent."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.wait({self._clock})
            self._clock = None

    def _bound(self) -> tuple[Binding, bool]:
        """The binding to the tags as they are now, and whether it is a new one."""
        assert self._tags is not None, "open comes before write"
        if self._binding is not None and self._binding.version == self._tags.version:
            return self._binding, False
        binding = bind(self._thresholds, self._tags)
        instances = {one.key: one for one in binding.instances}
        self._deadlines = {
            key: (deadline, instances[key])
            for key, (deadline, one) in self._deadlines.items()
            if key in instances and instances[key].rule == one.rule
        }
        return binding, True

    async def _commit(self, judged: Judgement) -> None:
        """Write it all down, then believe it."""
        if not judged:
            return
        drafts = [to_draft(alert, self._contacts, self._texts) for alert in judged.alerts]
        await self._mails.enqueue(drafts, alongside=partial(storage.save, changes=judged.changes))
        self._memory = self._memory.with_changes(judged.changes)
        for draft in drafts:
            _log.info("alert", rule=draft.rule, instance=draft.instance, to=draft.email, reason=draft.reason)

    def _schedule(self, instances: Iterable[Instance], heard: Container[StateKey]) -> None:
        """Have the clock ring for these; a delay that runs is measured anew only where a value was heard."""
        now = asyncio.get_running_loop().time() + self._latency_s
        for one in instances:
            seconds = remaining(one, self._memory)
            if seconds is None:
                self._deadlines.pop(one.key, None)
            elif one.key in heard or one.key not in self._deadlines:
                self._deadlines[one.key] = (now + seconds, one)
            self._rescheduled.set()

    async def _keep_time(self) -> None:
        """Alert for delays that run out while no value comes."""
        while True:
            self._rescheduled.clear()
            first = min((deadline for deadline, _ in self._deadlines.values()), default=None)
            try:
                async with asyncio.timeout_at(first):
                    await self._rescheduled.wait()
            except TimeoutError:
                await self._ring()

    async def _ring(self) -> None:
        async with self._turn:
            now = asyncio.get_running_loop().time()
            late = [one for deadline, one in self._deadlines.values() if deadline <= now]
            try:
                await self._commit(judge_clock(late, self._memory))
            except NotConnected as error:
                _log.warning("alert waits for the mail queue", reason=str(error))
                self._deadlines |= {one.key: (now + _DISK_RETRY_S, one) for one in late}
            else:
                self._schedule(late, heard={one.key for one in late})
