"""Subscriptions and their monitored items: made in chunks, rejected items tried again, one bad node disturbs nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from secrets import token_hex
from time import monotonic
from typing import TYPE_CHECKING

import structlog
from asyncua import ua

from gateway.opcua.errors import ServiceFault, in_words, is_bad
from gateway.opcua.nodes import UnknownNamespaceError
from gateway.opcua.session import in_chunks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag

_MOST_NOTIFICATIONS = 10_000  # in one message: a record of the journal has room for 2^20
_LONGEST_RETRY_S = 300.0

_log = structlog.get_logger(__name__)


async def _nothing() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Subscription:
    """One subscription as the server revised it."""

    id: int
    interval_ms: float
    keepalive: int  # publishing intervals without data until the server says that it lives
    last: int = 0  # number of the newest message that the journal has
    items: dict[int, int] = field(default_factory=dict)  # tag id -> monitored item id
    token: str = field(default_factory=partial(token_hex, 8))  # names it in the journal; ids come again with the years
    available: tuple[int, ...] = ()  # messages that the server kept when it transferred the subscription

    @property
    def silence_s(self) -> float:
        """How long a healthy server may say nothing."""
        return self.interval_ms * self.keepalive / 1000


@dataclass(slots=True)
class Rejection:
    """An item that the server does not want, why, and when it is tried again."""

    tag: Tag
    reason: str
    attempts: int
    due: float  # on the monotonic clock


class Subscriptions:
    """All subscriptions of one source and what is in them."""

    def __init__(self, settings: SourceSettings, changed: Callable[[], Awaitable[None]] = _nothing) -> None:
        self._settings = settings
        self._changed = changed  # called before what is monitored changes
        self.by_id: dict[int, Subscription] = {}
        self.rejected: dict[int, Rejection] = {}
        self.accepted: set[int] = set()

    def take(self, subscriptions: Iterable[Subscription]) -> None:
        """Go on with these, which are the session's now."""
        self.by_id = {one.id: one for one in subscriptions}
        self.rejected.clear()
        self.accepted = {tag_id for one in self.by_id.values() for tag_id in one.items}

    async def restart(self, session: Session, *, same_session: bool) -> None:
        """Begin anew with one empty subscription. The old ones are deleted if they belong to this very session.

        Not by another one: a server that restarted may have given the same numbers to others.
        """
        if self.by_id and same_session:
            await self._delete(session)
        self.by_id.clear()
        self.rejected.clear()
        self.accepted.clear()
        await self._create(session)

    async def _delete(self, session: Session) -> None:
        try:
            await session.ask(session.services.delete_subscriptions, list(self.by_id))
        except ServiceFault as fault:
            _log.info("old subscriptions are gone already", source=self._settings.name, reason=str(fault))

    async def _create(self, session: Session) -> Subscription:
        await self._changed()
        interval = self._settings.publishing_interval_ms
        keepalive = max(1, round(self._settings.keepalive_s * 1000 / interval))
        wanted = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=interval,
            RequestedMaxKeepAliveCount=keepalive,
            RequestedLifetimeCount=max(3 * keepalive, round(self._settings.lifetime_s * 1000 / interval)),
            MaxNotificationsPerPublish=_MOST_NOTIFICATIONS,
            PublishingEnabled=True,
        )
        got = await session.create_subscription(wanted)
        made = Subscription(
            int(got.SubscriptionId), float(got.RevisedPublishingInterval), int(got.RevisedMaxKeepAliveCount)
        )
        self.by_id[made.id] = made
        _log.info(
            "subscription created", source=self._settings.name, interval_ms=made.interval_ms, keepalive=made.keepalive
        )
        return made

    async def add(self, session: Session, tags: Sequence[Tag]) -> None:
        """Monitor these tags; those that the server rejects are remembered with the reason."""
        position = 0
        while position < len(tags):
            subscription, room = await self._with_room(session)
            part = tags[position : position + room]
            await in_chunks(part, session.limits.items, partial(self._add, session, subscription))
            position += len(part)

    async def _with_room(self, session: Session) -> tuple[Subscription, int]:
        most = session.limits.items_per_subscription
        for subscription in self.by_id.values():
            if len(subscription.items) < most:
                return subscription, most - len(subscription.items)
        return await self._create(session), most

    async def _add(self, session: Session, subscription: Subscription, tags: Sequence[Tag]) -> list[bool]:
        await self._changed()
        found = [(tag, node) for tag in tags if (node := self._resolved(session, tag)) is not None]
        parameters = ua.CreateMonitoredItemsParameters(
            SubscriptionId=subscription.id,
            TimestampsToReturn=ua.TimestampsToReturn.Source,
            ItemsToCreate=[self._item(tag.id, node) for tag, node in found],
        )
        results = await session.ask(session.services.create_monitored_items, parameters) if found else []
        for (tag, _), result in zip(found, results, strict=True):
            if is_bad(result.StatusCode.value):
                self._reject(tag, in_words(result.StatusCode.value))
            else:
                subscription.items[tag.id] = int(result.MonitoredItemId)
                self.accepted.add(tag.id)
                self.rejected.pop(tag.id, None)
        return [tag.id in self.accepted for tag in tags]

    def _resolved(self, session: Session, tag: Tag) -> ua.NodeId | None:
        try:
            return session.namespaces.node(tag.node)
        except UnknownNamespaceError as error:
            self._reject(tag, str(error))
            return None

    def _item(self, handle: int, node: ua.NodeId) -> ua.MonitoredItemCreateRequest:
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=handle,
                SamplingInterval=self._settings.sampling_interval_ms,
                QueueSize=self._settings.queue_size,
                DiscardOldest=True,
            ),
        )

    def _reject(self, tag: Tag, reason: str) -> None:
        attempts = self.rejected[tag.id].attempts + 1 if tag.id in self.rejected else 1
        pause = min(self._settings.retry_item_s * 2 ** (attempts - 1), _LONGEST_RETRY_S)
        self.rejected[tag.id] = Rejection(tag, reason, attempts, monotonic() + pause)
        if attempts == 1:
            _log.warning("tag rejected by the server", source=tag.source, tag="/".join(tag.path), reason=reason)

    async def retry(self, session: Session) -> int:
        """Try again what is due; how many of them the server takes now."""
        due = [one.tag for one in self.rejected.values() if one.due <= monotonic()]
        await self.add(session, due)
        return sum(tag.id in self.accepted for tag in due)

    async def drop(self, session: Session, tag_ids: Iterable[int]) -> None:
        """Stop monitoring, and trying to monitor, tags that are no longer wanted."""
        ids = set(tag_ids)
        for tag_id in ids:
            self.rejected.pop(tag_id, None)
        self.accepted -= ids
        for subscription in self.by_id.values():
            items = [subscription.items.pop(tag_id) for tag_id in ids & subscription.items.keys()]
            delete = partial(self._drop, session, subscription.id)
            await in_chunks(items, session.limits.items, delete)

    async def _drop(self, session: Session, subscription: int, items: Sequence[int]) -> list[ua.StatusCode]:
        await self._changed()
        parameters = ua.DeleteMonitoredItemsParameters(SubscriptionId=subscription, MonitoredItemIds=list(items))
        results: list[ua.StatusCode] = await session.ask(session.services.delete_monitored_items, parameters)
        return results

    async def touch(self, session: Session) -> None:
        """Let the server know that its subscriptions are wanted though nobody takes what they have now."""
        parameters = ua.SetPublishingModeParameters(PublishingEnabled=True, SubscriptionIds=list(self.by_id))
        await session.ask(session.services.set_publishing_mode, parameters)
