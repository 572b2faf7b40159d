"""Subscriptions and their monitored items: brought to what is wanted, what the server rejects tried again."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from gateway.opcua.errors import ServiceFault
from gateway.opcua.items import Asked, Item, Refusal, create_items, delete_items, modify_items, revised
from gateway.opcua.nodes import UnknownNamespaceError
from gateway.opcua.plan import plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from gateway.opcua.plan import Plan
    from gateway.opcua.session import Session
    from gateway.opcua.terms import Pace, Parameters, Wish

_MOST_NOTIFICATIONS = 10_000  # in one message: a record of the journal has room for 2^20
_TOGETHER = 2_000  # items that are asked for before others
_LONGEST_RETRY_S = 300.0
_GONE = frozenset({ua.StatusCodes.BadNoSubscription, ua.StatusCodes.BadSubscriptionIdInvalid})

_log = structlog.get_logger(__name__)


async def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Subscription:
    """One subscription as the server revised it."""

    id: int
    pace: Pace  # as it was asked for
    interval_ms: float
    keepalive: int  # publishing intervals without data until the server says that it lives
    events: bool = False  # it has the event item, and nothing else
    last: int = 0  # number of the newest message that the journal has
    heard: float = field(default_factory=monotonic)  # when a message of it came
    has_more: bool = False  # that message was not all that the server had
    items: dict[int, Item] = field(default_factory=dict)  # by tag id
    token: str = field(default_factory=partial(token_hex, 8))  # names it in the journal; ids come again with the years
    available: tuple[int, ...] = ()  # messages that the server kept when it transferred the subscription

    @property
    def silence_s(self) -> float:
        """How long a healthy server may say nothing."""
        return self.interval_ms * self.keepalive / 1000

    def is_behind(self, moment: float) -> bool:
        """Whether the server may still have to tell what it had at this moment (monotonic clock)."""
        return self.has_more or self.heard < moment + self.interval_ms / 1000


@dataclass(slots=True)
class Rejection:
    """An item that the server does not want, why, and when it is tried again."""

    wish: Wish
    reason: str
    attempts: int
    due: float  # on the monotonic clock


class Subscriptions:
    """All subscriptions of one source and what is in them."""

    def __init__(self, source: str, retry_s: float, changed: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._source = source
        self.retry_s = retry_s  # first pause before a rejected tag is tried again
        self._changed = changed  # called before anything changes that must be known to go on with the subscriptions
        self.by_id: dict[int, Subscription] = {}
        self.rejected: dict[int, Rejection] = {}

    @property
    def accepted(self) -> set[int]:
        """Tags that the server monitors."""
        return {tag_id for one in self.by_id.values() for tag_id in one.items}

    def take(self, subscriptions: Iterable[Subscription]) -> None:
        """Go on with these, which are the session's now."""
        self.by_id = {one.id: one for one in subscriptions}
        self.rejected.clear()

    async def restart(self, session: Session, base: Pace, *, same_session: bool) -> None:
        """Begin anew with one empty subscription. The old ones are deleted if they belong to this very session.

        Not by another one: a server that restarted may have given the same numbers to others.
        """
        if same_session:
            await self._delete(session, list(self.by_id))
        self.by_id.clear()
        self.rejected.clear()
        await self.create(session, base)

    def compare(self, wishes: Iterable[Wish], base: Pace) -> Plan:
        """What has to be done so that exactly these tags are monitored, as wished. Changes nothing.

        This is how new settings, found nodes and what was taken over become what runs, also while values come:

            plan = subscriptions.compare((conditions.wish(tag) for tag in tags), conditions.base)
            …  # note what plan.moved will miss
            await subscriptions.carry_out(session, plan)

        Tags whose terms are as before are in no step and miss nothing. One whose sampling, queue or deadband differs
        is modified in place. One that is rejected now waits for its time (retry()), unless its terms are new.
        """
        wanted = {wish.tag.id: wish for wish in wishes}
        now = monotonic()
        waiting = {
            tag_id
            for tag_id, rejection in self.rejected.items()
            if rejection.due > now and tag_id in wanted and rejection.wish.terms == wanted[tag_id].terms
        }
        return plan(self.by_id.values(), wanted, base, waiting)

    async def carry_out(self, session: Session, steps: Plan) -> None:
        """Do what compare() has found. What the server rejects is remembered with the reason."""
        for tag_id in self.rejected.keys() - steps.wishes.keys():
            del self.rejected[tag_id]
        if steps.is_done:
            return
        await self._changed()
        for number, pace in steps.retime.items():
            await self._retime(session, self.by_id[number], pace)
        for number, tag_ids in steps.modify.items():
            await self._modify(session, self.by_id[number], [steps.wishes[tag_id] for tag_id in tag_ids])
        for number, tag_ids in steps.delete.items():
            items = self.by_id[number].items
            await delete_items(session, number, [items[tag_id].id for tag_id in tag_ids])
            for tag_id in tag_ids:
                del items[tag_id]
        for pace, tag_ids in steps.create.items():
            await self._add(session, pace, [steps.wishes[tag_id] for tag_id in tag_ids])
        await self.end(session, steps.end)

    async def retry(self, session: Session) -> int:
        """Try again what is due; how many of them the server takes now."""
        now = monotonic()
        due = [rejection.wish for rejection in self.rejected.values() if rejection.due <= now]
        if due:
            await self._changed()
        for pace in dict.fromkeys(wish.terms.pace for wish in due):
            await self._add(session, pace, [wish for wish in due if wish.terms.pace == pace])
        return sum(wish.tag.id not in self.rejected for wish in due)

    async def create(self, session: Session, pace: Pace) -> Subscription:
        """One more subscription. ServiceFault where the server has enough of them."""
        await self._changed()
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=pace.publishing_ms,
            RequestedMaxKeepAliveCount=pace.keepalive,
            RequestedLifetimeCount=pace.lifetime,
            MaxNotificationsPerPublish=_MOST_NOTIFICATIONS,
            PublishingEnabled=True,
        )
        got = await session.create_subscription(wanted)
        revised_ms, keepalive = float(got.RevisedPublishingInterval), int(got.RevisedMaxKeepAliveCount)
        made = Subscription(int(got.SubscriptionId), pace, revised_ms, keepalive)
        self.by_id[made.id] = made
        _log.info("subscription created", source=self._source, interval_ms=revised_ms, keepalive=keepalive)
        return made

    async def end(self, session: Session, numbers: Sequence[int]) -> None:
        """Delete these subscriptions with all that is in them."""
        if numbers:
            await self._changed()
        await self._delete(session, numbers)
        for number in numbers:
            del self.by_id[number]

    async def _delete(self, session: Session, numbers: Sequence[int]) -> None:
        try:
            if numbers:
                await session.ask(session.services.delete_subscriptions, list(numbers))
        except ServiceFault as fault:
            _log.info("old subscriptions are gone already", source=self._source, reason=str(fault))

    async def _retime(self, session: Session, one: Subscription, pace: Pace) -> None:
        wanted = ua.ModifySubscriptionParameters(
            one.id, pace.publishing_ms, pace.lifetime, pace.keepalive, _MOST_NOTIFICATIONS
        )
        one.pace = pace
        try:
            got = await session.ask(session.services.update_subscription, wanted)
        except ServiceFault as fault:
            _raise_if_gone(fault)
            _log.warning("subscription keeps its old interval", source=self._source, reason=str(fault))
            return
        one.interval_ms, one.keepalive = float(got.RevisedPublishingInterval), int(got.RevisedMaxKeepAliveCount)

    async def _modify(self, session: Session, one: Subscription, wishes: Sequence[Wish]) -> None:
        asked = [Asked(wish.tag.id, wish.terms.parameters, item_id=one.items[wish.tag.id].id) for wish in wishes]
        try:
            outcomes = await modify_items(session, one.id, asked)
        except ServiceFault as fault:
            _raise_if_gone(fault)
            outcomes = [Refusal(fault.code)] * len(asked)
        for wanted, outcome in zip(asked, outcomes, strict=True):
            known = one.items[wanted.handle]
            kept = outcome if isinstance(outcome, Item) else _unmodified(known, wanted.parameters, outcome)
            one.items[wanted.handle] = kept

    async def _add(self, session: Session, pace: Pace, wishes: Sequence[Wish]) -> None:
        """Monitor these tags, in as many subscriptions as it takes."""
        position = 0
        while position < len(wishes):
            try:
                subscription, room = await self._with_room(session, pace)
            except ServiceFault as fault:
                for wish in wishes[position:]:
                    self._reject(wish, f"no subscription for it: {fault}")
                return
            part = wishes[position : position + min(room, _TOGETHER)]
            await self._fill(session, subscription, part)
            position += len(part)

    async def _with_room(self, session: Session, pace: Pace) -> tuple[Subscription, int]:
        most = session.limits.items_per_subscription
        for one in self.by_id.values():
            if one.pace == pace and not one.events and len(one.items) < most:
                return one, most - len(one.items)
        return await self.create(session, pace), most

    async def _fill(self, session: Session, subscription: Subscription, wishes: Sequence[Wish]) -> None:
        asked: dict[int, Asked] = {}
        for wish in wishes:
            try:
                node = session.namespaces.node(wish.tag.node)
                asked[wish.tag.id] = Asked(wish.tag.id, wish.terms.parameters, node)
            except UnknownNamespaceError as error:
                self._reject(wish, str(error))
        outcomes = dict(zip(asked, await create_items(session, subscription.id, list(asked.values())), strict=True))
        for wish in wishes:
            outcome = outcomes.get(wish.tag.id)
            if isinstance(outcome, Refusal):
                self._reject(wish, str(outcome))
            elif outcome is not None:
                subscription.items[wish.tag.id] = outcome
                self.rejected.pop(wish.tag.id, None)

    def _reject(self, wish: Wish, reason: str) -> None:
        tag = wish.tag
        attempts = self.rejected[tag.id].attempts + 1 if tag.id in self.rejected else 1
        pause = min(self.retry_s * 2 ** (attempts - 1), _LONGEST_RETRY_S)
        self.rejected[tag.id] = Rejection(wish, reason, attempts, monotonic() + pause)
        if attempts == 1:
            _log.warning("tag rejected by the server", source=self._source, tag="/".join(tag.path), reason=reason)

    async def touch(self, session: Session) -> None:
        """Let the server know that its subscriptions are wanted though nobody takes what they have now."""
        parameters = ua.SetPublishingModeParameters(PublishingEnabled=True, SubscriptionIds=list(self.by_id))
        await session.ask(session.services.set_publishing_mode, parameters)


def _unmodified(item: Item, asked: Parameters, refusal: Refusal) -> Item:
    """The item as it goes on, with what it should have been."""
    before = item.revised
    return Item(item.id, asked, revised(before.sampling_ms, before.queue_size, f"not modified: {refusal}"))


def _raise_if_gone(fault: ServiceFault) -> None:
    """Pass on that there is no such subscription: it must be made anew."""
    if fault.code in _GONE:
        raise fault
