"""Subscriptions: publishing within the limits a client asked for, and their ids (OPC 10000-4, 5.14)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import islice
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService

from opcua_server.services.limits import MAX_PUBLISHING_MS, MAX_QUEUE, MAX_SUBSCRIPTIONS, MIN_PUBLISHING_MS
from opcua_server.services.monitoring import Item, Monitoring
from opcua_server.uatypes import Foreign, status


class PlantSubscription(InternalSubscription):
    """A subscription of a client."""

    def __init__(self, data: ua.CreateSubscriptionResult, aspace: AddressSpace, limit: int, **wiring: Foreign) -> None:
        super().__init__(data, aspace, max_queue_size=MAX_QUEUE, **wiring)
        self._monitoring = self.monitored_item_srv = Monitoring(self, aspace, self._take)
        self._limit = limit or 1 << 32
        self._ready: dict[int, Item] = {}  # items with something to report, in the order they became so

    def _take(self, item: Item) -> None:
        self._ready[item.id] = item

    def has_published_results(self) -> bool:
        """Whether a response is due: news, or a sign of life."""
        self._ready = {
            id_: item
            for id_, item in self._ready.items()
            if item.queue and item.mode == ua.MonitoringMode.Reporting and self._monitoring.has(id_)
        }
        return (self._publishing_enabled and bool(self._ready)) or bool(super().has_published_results())

    async def publish_results(self, requestdata: Foreign = None) -> bool:
        """Publish until nothing is left or no request is; tells whether the request given was used."""
        published: bool = await super().publish_results(requestdata)
        more = published and self._has_more()
        while more:
            more = await super().publish_results() and self._has_more()
        return published

    def _has_more(self) -> bool:
        return self._publishing_enabled and bool(self._ready or self._triggered_events)

    def _pop_publish_result(self) -> ua.PublishResult:
        result = super()._pop_publish_result()
        result.MoreNotifications = self._has_more()
        return result

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        notifications: list[ua.MonitoredItemNotification] = []
        for id_, item in list(self._ready.items()):
            room = self._limit - len(notifications)
            if room == 0:
                break
            notifications += (item.queue.popleft() for _ in range(min(room, len(item.queue))))
            if not item.queue:
                del self._ready[id_]
        if notifications:
            changes = ua.DataChangeNotification(MonitoredItems=notifications)
            result.NotificationMessage.NotificationData.append(changes)

    def _pop_triggered_events(self, result: ua.PublishResult) -> None:
        taken = sum(len(data.MonitoredItems) for data in result.NotificationMessage.NotificationData)
        waiting = [(id_, event) for id_, events in self._triggered_events.items() for event in events]
        sent = list(islice(waiting, self._limit - taken))
        if sent:
            self._triggered_events = {}
            for id_, event in waiting[len(sent) :]:
                self._triggered_events.setdefault(id_, []).append(event)
            events = ua.EventNotificationList(Events=[event for _, event in sent])
            result.NotificationMessage.NotificationData.append(events)

    def acknowledge(self, sequence: int) -> ua.StatusCode:
        """Forget a message that the client has."""
        known = self._not_acknowledged_results.pop(sequence, None)
        return ua.StatusCode() if known else status("BadSequenceNumberUnknown")

    def republish(self, nb: int) -> ua.NotificationMessage:
        """A message that is not acknowledged yet, again; it stays available."""
        if nb not in self._not_acknowledged_results:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        message: ua.NotificationMessage = self._not_acknowledged_results[nb].NotificationMessage
        return message


class Subscriptions(SubscriptionService):
    """All subscriptions of the server."""

    def __init__(self, aspace: AddressSpace, iserver: Foreign) -> None:
        super().__init__(aspace, iserver)
        self._unacknowledged: int = iserver.max_unacked_messages_per_subscription
        # a client that comes back after a restart of the server must not hit another's subscription with its old id
        self._sub_id_counter = secrets.randbelow(1 << 30)

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """A new subscription with the parameters revised. Raises ServiceError when there are too many."""
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        self._sub_id_counter += 1
        data = self._revised(params)
        subscription = PlantSubscription(
            data,
            self.aspace,
            params.MaxNotificationsPerPublish,
            callback=callback,
            session_id=session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(data.SubscriptionId, None),
            no_acks_limit=self._unacknowledged,
            publishing_enabled=params.PublishingEnabled,
        )
        await subscription.start()
        self.subscriptions[data.SubscriptionId] = subscription
        return data

    def _revised(self, params: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        keep_alive = self._clamp_keep_alive_count(params.RequestedMaxKeepAliveCount)
        interval = min(max(params.RequestedPublishingInterval, MIN_PUBLISHING_MS), MAX_PUBLISHING_MS)
        return ua.CreateSubscriptionResult(
            SubscriptionId=self._sub_id_counter,
            RevisedPublishingInterval=interval,
            RevisedLifetimeCount=max(self._clamp_lifetime_count(params.RequestedLifetimeCount), 3 * keep_alive),
            RevisedMaxKeepAliveCount=keep_alive,
        )
