"""The publish loop: requests in flight, answers cut, stored, and only then acknowledged (OPC 10000-4, 5.14.5)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from math import inf
from time import monotonic, time_ns
from typing import TYPE_CHECKING, NoReturn

import structlog
from asyncua import ua

from gateway.contract import GatewayError
from gateway.journal import Draft, Kind
from gateway.opcua.decoded import decoded
from gateway.opcua.depth import MOST, followed, in_flight
from gateway.opcua.errors import NoAnswer, ServiceFault, SubscriptionLost, in_words, is_bad, translated
from gateway.opcua.marks import have_overflow
from gateway.opcua.nodes import standard
from gateway.opcua.sequence import due, missing, preceding
from gateway.opcua.stall import Stall
from gateway.opcua.wire import (
    Body,
    Message,
    Published,
    publish_response,
    republish_response,
    status_change,
)
from gateway.store.record import INDEX_BITS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from gateway.opcua.decode import Part
    from gateway.opcua.events import EventReader, Told
    from gateway.opcua.intake import Intake
    from gateway.opcua.link import Answer
    from gateway.opcua.marks import Marks
    from gateway.opcua.session import Session
    from gateway.opcua.subscription import Subscription, Subscriptions
    from gateway.status import SourceStatus

MARGIN_S = 2.0
"""What a keep-alive may be late."""

_MEASURE_S = 10.0
_STATE = standard(ua.ObjectIds.Server_ServerStatus_State)
_AT_ONCE = 64  # messages that are republished before they are stored

_GONE = frozenset({ua.StatusCodes.BadNoSubscription, ua.StatusCodes.BadSubscriptionIdInvalid})
_HARMLESS = frozenset({ua.StatusCodes.BadTimeout, ua.StatusCodes.BadSequenceNumberUnknown})

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Batch:
    """What some answers bring, to be stored together."""

    received: int
    drafts: list[Draft] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    events: dict[bytes, Told] = field(default_factory=dict)  # by what they are known by
    acknowledge: list[tuple[int, int]] = field(default_factory=list)  # subscription, sequence number
    newest: dict[int, int] = field(default_factory=dict)  # subscription -> sequence number
    overflows: bool = False  # values say that others before them were lost at the server
    loss: str = ""  # why messages are lost for good
    trouble: GatewayError | None = None  # what ends the loop once all before it is stored


class Publisher:
    """Takes what the subscriptions of one session report. One run() at a time."""

    def __init__(  # noqa: PLR0913, PLR0917 - it stands between all of these
        self,
        session: Session,
        subscriptions: Subscriptions,
        intake: Intake,
        marks: Marks,
        events: EventReader,
        status: SourceStatus,
        on_loss: Callable[[], None],
        on_overflow: Callable[[Sequence[Part]], Awaitable[list[Draft]]],
    ) -> None:
        self._session = session
        self._subscriptions = subscriptions
        self._intake = intake
        self._marks = marks
        self._events = events
        self._status = status
        self._on_loss = on_loss
        self._on_overflow = on_overflow
        self._depth, self._allowed = 0, MOST  # requests at the server, and how many it takes
        self._round_trips: deque[float] = deque(maxlen=3)  # as last measured; one alone may be our own slowness
        self._listening = monotonic()  # since when nothing but the server has kept us from hearing it
        self._stall = Stall()
        self._asked: set[Answer] = set()
        self._answered: list[Answer] = []
        self._called = asyncio.Event()  # there are answers, or somebody may have been silent for too long
        self._acknowledge: list[tuple[int, int]] = []
        self._taking = asyncio.Lock()  # held while values are on their way into the journal: they stay in order
        self.has_heard = False  # a message of one of the subscriptions

    async def run(self) -> NoReturn:
        """Publish until it fails: NotConnected, SessionLost, SubscriptionLost or ServiceFault."""
        watching = asyncio.ensure_future(self._stall.watch(self._look))
        try:
            for subscription in list(self._subscriptions.by_id.values()):
                await self._catch_up(subscription)
            self._listening = monotonic()
            while True:
                self._ask()
                await self._called.wait()
                if answers := self._answers():
                    await self._take(answers)
                self._require_life()
        finally:
            watching.cancel()
            for answer in self._asked:
                answer.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def keep_pace(self) -> NoReturn:
        """Measure the round trip, for ever: how many requests run() keeps at the server follows it."""
        while True:
            began = monotonic()
            try:
                await self._session.values([_STATE])
                self._round_trips.append(monotonic() - began)
            except NoAnswer as error:  # whether the server lives, its keep-alives say
                _log.debug("round trip not measured", source=self._intake.source, reason=str(error))
            await asyncio.sleep(_MEASURE_S)

    def _ask(self) -> None:
        """Have as many requests at the server as it needs; the first one carries the acknowledgements."""
        least = in_flight(self._subscriptions.by_id.values(), min(self._round_trips, default=0.0))
        self._depth = min(max(followed(self._depth, len(self._asked)), least), self._allowed)
        while len(self._asked) < self._depth:
            acknowledge, self._acknowledge = self._acknowledge, []
            self._asked.add(self._session.publish(acknowledge, self._tell))

    def _tell(self, answer: Answer) -> None:
        self._answered.append(answer)
        self._called.set()

    def _look(self) -> None:
        """Call run() when one of the subscriptions should have said something."""
        if self._deadline() <= monotonic():
            self._called.set()

    def _answers(self) -> list[Answer]:
        """All answers that are here."""
        self._called.clear()
        answers, self._answered = self._answered, []
        self._asked.difference_update(answers)
        return answers

    def _deadline(self) -> float:
        """When the first of the subscriptions must have said something, on the monotonic clock."""
        return min((self._due(one) for one in self._subscriptions.by_id.values()), default=inf)

    def _due(self, one: Subscription) -> float:
        """When its silence means something: what came while we stood still is to be read first."""
        return max(one.heard, self._listening, self._stall.over) + one.silence_s + MARGIN_S

    def _require_life(self) -> None:
        """Raise what silence means: a dead link, or dead subscriptions among others."""
        now = monotonic()
        silent = [one for one in self._subscriptions.by_id.values() if self._due(one) <= now]
        if not silent:
            return
        longest = max(one.silence_s for one in silent) + MARGIN_S
        if len(silent) < len(self._subscriptions.by_id):
            raise SubscriptionLost(f"{len(silent)} of the subscriptions were silent for {longest:.1f} s")
        raise NoAnswer(f"{self._session.url} was silent for {longest:.1f} s, not even a keep-alive came")

    async def _take(self, answers: list[Answer]) -> None:
        async with self._taking:
            batch = _Batch(received=time_ns())
            for answer in answers:
                try:
                    published = self._read(answer)
                    if published is not None:
                        await self._accept(published, batch)
                except GatewayError as error:
                    batch.trouble = batch.trouble or error
                    break
            await self._settle(batch)

    async def supply(self, choose: Callable[[], bytes]) -> None:
        """Store a notification of values that came another way; `choose` makes it when nothing else is on its way."""
        async with self._taking:
            batch = _Batch(received=time_ns())
            self._data(choose(), batch)
            await self._settle(batch)

    async def _catch_up(self, subscription: Subscription) -> None:
        """Have what a transferred subscription sent before, and the journal has not; the rest is acknowledged."""
        available, subscription.available = subscription.available, ()
        known = [number for number in available if missing(subscription.last, number) is None]
        self._acknowledge += [(subscription.id, number) for number in known]
        numbers = due(subscription.last, available)
        for first in range(0, len(numbers), _AT_ONCE):
            batch = _Batch(received=time_ns())
            for number in numbers[first : first + _AT_ONCE]:
                await self._recover(subscription, number, available, batch)
            await self._settle(batch)

    async def _settle(self, batch: _Batch) -> None:
        """Store what a batch brings; raise what ends the loop."""
        batch.overflows = have_overflow(batch.parts)
        if batch.overflows:
            batch.drafts += await self._on_overflow(batch.parts)
        began = monotonic()
        await self._intake.store(batch.drafts, lambda: self._stored(batch), self._stay, self._news(batch))
        if monotonic() - began > MARGIN_S:
            self._listening = monotonic()
        if batch.loss:
            raise SubscriptionLost(batch.loss)
        if batch.trouble:
            raise batch.trouble

    def _news(self, batch: _Batch) -> dict[str, int]:
        """The numbers that the batch completes, by token. Behind a loss nothing is complete."""
        if batch.loss:
            return {}
        here = self._subscriptions.by_id  # one may have been given up since the message came
        newest_of = ((here[i], number) for i, number in batch.newest.items() if i in here)
        return {one.token: number for one, number in newest_of if number != one.last}

    def _read(self, answer: Answer) -> Published | None:
        """The answer cut; None where it says nothing of importance."""
        try:
            with translated(self._session.url):
                data = answer.result()
                return publish_response(data.read(len(data)))
        except ServiceFault as fault:
            if fault.code in _GONE:
                raise SubscriptionLost(str(fault)) from fault
            if fault.code == ua.StatusCodes.BadTooManyPublishRequests:
                self._depth = self._allowed = max(1, self._depth - 1)
            elif fault.code not in _HARMLESS:
                raise
            return None

    async def _accept(self, published: Published, batch: _Batch) -> None:
        """Put a message, and those missing before it, into the batch."""
        subscription = self._subscriptions.by_id.get(published.subscription)
        if subscription is None:
            return  # of a subscription that was given up
        self.has_heard = True
        subscription.heard, subscription.has_more = monotonic(), published.more
        message, last = published.message, batch.newest.get(subscription.id, subscription.last)
        gap = missing(last, message.sequence)
        if gap is None:
            if message.notifications:  # it came a second time: the acknowledgement was lost
                batch.acknowledge.append((subscription.id, message.sequence))
            return
        for number in gap:
            await self._recover(subscription, number, published.available, batch)
        if message.notifications:
            self._unpack(subscription, message, batch)
        else:
            batch.newest[subscription.id] = preceding(message.sequence)

    async def _recover(
        self, subscription: Subscription, number: int, available: Collection[int], batch: _Batch
    ) -> None:
        """Have a missing message sent again."""
        message = None
        if number in available:
            message = await self._republish(subscription.id, number)
        if message is not None:
            self._unpack(subscription, message, batch)
        elif subscription.last or batch.newest:  # else the server does not count from 1
            batch.loss = f"message {number} is lost: {'' if available else 'no '}messages are kept"

    async def _republish(self, subscription: int, number: int) -> Message | None:
        began = monotonic()
        parameters = ua.RepublishParameters(SubscriptionId=subscription, RetransmitSequenceNumber=number)
        try:
            answer = await self._session.call(ua.RepublishRequest(Parameters=parameters))
            with translated(self._session.url):
                message = republish_response(answer)
        except ServiceFault as fault:
            _log.warning("message cannot be republished", source=self._intake.source, number=number, reason=str(fault))
            return None
        self._status.repaired("republish", monotonic() - began)
        _log.info("message republished", source=self._intake.source, number=number)
        return message if message.sequence == number else None

    def _unpack(self, subscription: Subscription, message: Message, batch: _Batch) -> None:
        for notification in message.notifications:
            if notification.kind == Body.DATA_CHANGE:
                self._data(notification.body, batch)
            elif notification.kind == Body.EVENTS:
                self._event_list(notification.body, batch)
            elif notification.kind == Body.STATUS_CHANGE:
                batch.trouble = _status_trouble(notification.body) or batch.trouble
        batch.newest[subscription.id] = message.sequence
        batch.acknowledge.append((subscription.id, message.sequence))

    def _data(self, body: bytes, batch: _Batch) -> None:
        parts = decoded(body, batch.received)
        count = sum(len(part.index) for part in parts)
        said = int.from_bytes(body[:4], "little", signed=True)
        if count != max(said, 0) or said >> INDEX_BITS > 0 or not self._marks.knows(parts):
            batch.loss = f"a notification of {said} values makes no sense, {count} of them could be read"
        elif count:
            batch.drafts.append(Draft(Kind.DATA, self._intake.source, body, count, received=batch.received))
            batch.parts += parts

    def _event_list(self, body: bytes, batch: _Batch) -> None:
        with translated(self._session.url):
            for told in self._events.read(self._events.fields(body), batch.received):
                if told.key not in batch.events:
                    batch.events[told.key] = told
                    batch.drafts.append(told.draft)

    def _stored(self, batch: _Batch) -> None:
        """All of it is in the journal: remember how far we are, and acknowledge with the next request."""
        if batch.loss:
            self._on_loss()
        for subscription, sequence in batch.newest.items():
            if subscription in self._subscriptions.by_id:
                self._subscriptions.by_id[subscription].last = sequence
        if batch.newest or batch.parts:
            self._marks.note(batch.parts, batch.received)
        if batch.events:
            self._events.remember(batch.events.values())
            self._marks.note_events(told.time for told in batch.events.values())
        self._acknowledge += batch.acknowledge
        values = sum(len(part.index) for part in batch.parts)
        gaps = sum(draft.kind is Kind.GAP for draft in batch.drafts)
        self._status.values += values
        self._status.notifications += len(batch.drafts) - gaps
        self._status.gaps += gaps
        self._status.events += len(batch.events)
        if batch.overflows:
            self._status.overflows += self._marks.count_overflows(batch.parts)
        self._status.last_value = batch.received if values else self._status.last_value

    async def _stay(self) -> None:
        """Keep the subscriptions alive while the journal refuses; what is wrong with the link, the loop will meet."""
        try:
            await self._subscriptions.touch(self._session)
        except GatewayError as error:
            _log.debug("subscriptions cannot be kept alive", source=self._intake.source, reason=str(error))


def _status_trouble(body: bytes) -> GatewayError | None:
    """What a StatusChangeNotification means for the subscription."""
    status = status_change(body)
    if is_bad(status) or status == ua.StatusCodes.GoodSubscriptionTransferred:
        return SubscriptionLost(in_words(status))
    return None
