"""The events of a source: a subscription of their own, and what was missed of them from history, if there is one."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING

import structlog

from gateway.journal import Draft, Kind
from gateway.opcua.errors import ServiceFault
from gateway.opcua.event_history import read_events
from gateway.opcua.event_types import monitor_events
from gateway.opcua.events import iso_text
from gateway.opcua.marks import EVENTS
from gateway.store.bodies import event_body
from gateway.values import Event

if TYPE_CHECKING:
    from gateway.opcua.event_types import EventTypes
    from gateway.opcua.events import EventReader
    from gateway.opcua.intake import Intake
    from gateway.opcua.losses import Losses
    from gateway.opcua.marks import Marks
    from gateway.opcua.session import Session
    from gateway.opcua.subscription import Subscriptions
    from gateway.opcua.terms import Pace
    from gateway.status import SourceStatus

LOST = "EventQueueOverflowEventType"
"""The type by which OPC UA says that events are lost (OPC 10000-4, 7.22.3): so is this gap told."""

_SEVERITY = 500
_SKEW_NS = 10 * 1_000_000_000  # by which a server's clock may be behind ours

_log = structlog.get_logger(__name__)


class EventWatch:
    """Sees to it that events come, by a subscription of their own.

    Because node-opcua 2.182 reports an event item as a value when it transfers a subscription with initial values.
    """

    def __init__(
        self,
        reader: EventReader,
        subscriptions: Subscriptions,
        marks: Marks,
        losses: Losses,
        intake: Intake,
        status: SourceStatus,
    ) -> None:
        self._reader = reader
        self._subscriptions = subscriptions
        self._marks = marks
        self._losses = losses
        self._intake = intake
        self._status = status
        self.refused = ""  # why there are no events

    @property
    def types(self) -> EventTypes:
        """What the event item was made for."""
        return self._reader.types

    async def tend(self, session: Session, base: Pace, *, wanted: bool) -> None:
        """Have the event item, or none if it is not wanted."""
        here = [one.id for one in self._subscriptions.by_id.values() if one.events]
        self.refused = ""
        if not wanted:
            await self._subscriptions.end(session, here)
            self._marks.last[EVENTS] = self._marks.pending[EVENTS] = 0  # until they are wanted nothing is missed
        elif not here:
            self._marks.interrupt_events()
            await self._losses.note()
            self.refused = await self._begin(session, base)
            self._marks.last[EVENTS] = self._marks.last[EVENTS] or time_ns() - _SKEW_NS

    async def _begin(self, session: Session, base: Pace) -> str:
        """Make the item. Only with it the subscription is one of events: else the next plan ends it as idle."""
        await self._reader.learn(session)
        try:
            made = await self._subscriptions.create(session, base)
        except ServiceFault as fault:
            return str(fault)
        refused = await monitor_events(session, made.id, self._reader.types)
        if refused:
            await self._subscriptions.end(session, [made.id])
        made.events = not refused
        return refused

    async def fill(self, session: Session, timeout_s: float) -> None:
        """Read what was missed from the server's event history, or say that it is lost."""
        since = int(self._marks.pending[EVENTS])
        if not since or self.refused:
            return
        try:
            async for page in read_events(session, self._reader, since, time_ns() + _SKEW_NS, timeout_s):
                await self._store(page)
        except ServiceFault as fault:
            await self._announce(since, f"their history cannot be read: {fault}")
        self._marks.pending[EVENTS] = 0

    async def _store(self, page: list[list[object]]) -> None:
        told = self._reader.read(page, time_ns(), historical=True)
        await self._intake.store([one.draft for one in told], lambda: self._reader.remember(told))
        self._status.events += len(told)

    async def _announce(self, since: int, reason: str) -> None:
        """Say it as an event: a gap is of tags."""
        now = time_ns()
        message = f"events may be lost: {reason}"
        _log.warning("events may be lost", source=self._intake.source, reason=reason)
        fields = {"Start": iso_text(since), "End": iso_text(now)}
        event = Event(0, self._intake.source, LOST, "Server", now, _SEVERITY, message, fields)
        await self._intake.store([Draft(Kind.EVENT, self._intake.source, event_body(event), received=now)])
