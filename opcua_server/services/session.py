"""Sessions: unguessable tokens, own subscriptions only, limits, and the user's rights passed on (OPC 10000-4, 5.7)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User
from asyncua.server.internal_session import InternalSession

from opcua_server.services.limits import (
    MAX_METHODS_PER_CALL,
    MAX_NODES_PER_CALL,
    MAX_NODES_PER_HISTORY_READ,
    check_operations,
)
from opcua_server.services.timestamps import check_timestamps
from opcua_server.services.view import Points
from opcua_server.uatypes import Foreign, named, status


class PlantSession(InternalSession):
    """A client's session."""

    def __init__(self, iserver: Foreign, name: str, user: User) -> None:
        super().__init__(iserver, iserver.aspace, iserver.subscription_service, name, user=user, external=False)
        self.session_id = named(secrets.token_hex(8), 1)
        self.auth_token = named(secrets.token_urlsafe(32), 1)
        self.external = True
        self._services: Foreign = iserver
        self.is_encrypted = False  # whether the channel that activates the session is; the processor knows
        self.points = Points()
        iserver.register_external_session(self)

    def activate_session(
        self, params: ua.ActivateSessionParameters, peer_certificate: bytes | None
    ) -> ua.ActivateSessionResult:
        """Take over the user: with name and password over an encrypted channel, anonymous over a plain one."""
        named = isinstance(params.UserIdentityToken, ua.UserNameIdentityToken)
        if named != self.is_encrypted:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenRejected)
        return super().activate_session(params, peer_certificate)

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        """Attributes as this user sees them."""
        check_operations(params.NodesToRead, MAX_NODES_PER_CALL)
        check_timestamps(params.TimestampsToReturn)
        if params.MaxAge < 0:
            raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
        values: list[ua.DataValue] = self._services.attribute_service.read_as(params, self.user)
        return values

    async def write(self, params: ua.WriteParameters) -> list[ua.StatusCode]:
        """Attributes, with this user's rights."""
        check_operations(params.NodesToWrite, MAX_NODES_PER_CALL)
        statuses: list[ua.StatusCode] = await self._services.attribute_service.write_as(params, self.user)
        return statuses

    async def call(self, params: list[ua.CallMethodRequest]) -> list[ua.CallMethodResult]:
        """Methods, with this user's rights."""
        check_operations(params, MAX_METHODS_PER_CALL)
        results: list[ua.CallMethodResult] = await self._services.method_service.call_as(params, self.user)
        return results

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """References, a page at a time."""
        check_operations(params.NodesToBrowse, MAX_NODES_PER_CALL)
        results: list[ua.BrowseResult] = self._services.view_service.browse_pages(params, self.points)
        return results

    async def browse_next(self, parameters: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        """The next pages."""
        check_operations(parameters.ContinuationPoints, MAX_NODES_PER_CALL)
        release = parameters.ReleaseContinuationPoints
        return [self.points.next(point, release=release) for point in parameters.ContinuationPoints]

    async def history_read(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """Values of the past."""
        check_operations(params.NodesToRead, MAX_NODES_PER_HISTORY_READ)
        check_timestamps(params.TimestampsToReturn)
        results: list[ua.HistoryReadResult] = await self._services.history_manager.read_history(params)
        return results

    def _owned(self, subscription: int) -> Foreign:
        """A subscription of this session. Raises ServiceError for one of another session as for none."""
        if not self._owns(subscription):
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return self.subscription_service.subscriptions[subscription]

    def _owns(self, subscription: int) -> bool:
        found = self.subscription_service.subscriptions.get(subscription)
        return found is not None and found.session_id == self.session_id

    def _ownership(self, subscription: int) -> ua.StatusCode:
        return ua.StatusCode() if self._owns(subscription) else status("BadSubscriptionIdInvalid")

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """Items of an own subscription."""
        self._owned(params.SubscriptionId)
        check_operations(params.ItemsToCreate, MAX_NODES_PER_CALL)
        check_timestamps(params.TimestampsToReturn)
        return await super().create_monitored_items(params)

    async def modify_monitored_items(
        self, params: ua.ModifyMonitoredItemsParameters
    ) -> list[ua.MonitoredItemModifyResult]:
        """Items of an own subscription."""
        self._owned(params.SubscriptionId)
        check_operations(params.ItemsToModify, MAX_NODES_PER_CALL)
        return await super().modify_monitored_items(params)

    async def delete_monitored_items(self, params: ua.DeleteMonitoredItemsParameters) -> list[ua.StatusCode]:
        """Items of an own subscription."""
        self._owned(params.SubscriptionId)
        check_operations(params.MonitoredItemIds, MAX_NODES_PER_CALL)
        return await super().delete_monitored_items(params)

    async def set_monitoring_mode(self, params: ua.SetMonitoringModeParameters) -> list[ua.StatusCode]:
        """Items of an own subscription."""
        self._owned(params.SubscriptionId)
        check_operations(params.MonitoredItemIds, MAX_NODES_PER_CALL)
        return await super().set_monitoring_mode(params)

    async def set_publishing_mode(self, params: ua.SetPublishingModeParameters) -> list[ua.StatusCode]:
        """Own subscriptions."""
        check_operations(params.SubscriptionIds, MAX_NODES_PER_CALL)
        for id_ in filter(self._owns, params.SubscriptionIds):
            await self._owned(id_).set_publishing_mode(params.PublishingEnabled)
        return [self._ownership(id_) for id_ in params.SubscriptionIds]

    def modify_subscription(self, params: ua.ModifySubscriptionParameters) -> ua.ModifySubscriptionResult:
        """An own subscription."""
        self._owned(params.SubscriptionId)
        return super().modify_subscription(params)

    async def delete_subscriptions(self, ids: list[int]) -> list[ua.StatusCode]:
        """Own subscriptions."""
        statuses = [self._ownership(id_) for id_ in ids]
        await super().delete_subscriptions([id_ for id_ in ids if self._owns(id_)])
        return statuses

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        """A message of an own subscription that is not acknowledged yet."""
        message: ua.NotificationMessage = self._owned(params.SubscriptionId).republish(params.RetransmitSequenceNumber)
        return message

    def publish(self, acks: Iterable[ua.SubscriptionAcknowledgement] | None = None) -> tuple[int, list[ua.StatusCode]]:
        """Acknowledge messages; tells how many subscriptions there are to publish for."""
        own = [s for s in self.subscription_service.subscriptions.values() if s.session_id == self.session_id]
        if not own:
            raise ServiceError(ua.StatusCodes.BadNoSubscription)
        return len(own), [self._acknowledge(ack) for ack in acks or ()]

    def _acknowledge(self, ack: ua.SubscriptionAcknowledgement) -> ua.StatusCode:
        refused = self._ownership(ack.SubscriptionId)
        return refused if refused.is_bad() else self._owned(ack.SubscriptionId).acknowledge(ack.SequenceNumber)
