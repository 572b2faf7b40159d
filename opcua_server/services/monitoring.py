"""Monitored items: what is reported, and a queue an item that loses nothing unseen (OPC 10000-4, 5.13 and 7.22)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from asyncua import ua
from asyncua.server.address_space import AddressSpace
from asyncua.server.monitored_item_service import MonitoredItemData, MonitoredItemService, WhereClauseEvaluator

from opcua_server.services.limits import MAX_QUEUE
from opcua_server.services.timestamps import stamped
from opcua_server.uatypes import Foreign, standard, status, status_of

_OVERFLOW = 0x480
"""InfoType DataValue and the overflow bit (OPC 10000-4, 7.39.1)."""
_EVENT_QUEUE = 1000
_VALUE = ua.AttributeIds.Value


class Item(MonitoredItemData):
    """A monitored item of a variable: its filter, its queue and the value it reported last."""

    def __init__(self, id_: int, request: ua.MonitoredItemCreateRequest, wanted: ua.TimestampsToReturn) -> None:
        super().__init__()
        self.id = self.monitored_item_id = id_
        self.mode = request.MonitoringMode
        self.monitored = self.read_value_id = request.ItemToMonitor
        self.timestamps = wanted
        self.queue: deque[ua.MonitoredItemNotification] = deque()
        self.last: ua.DataValue | None = None
        self.deadband = 0.0
        self.configure(request.RequestedParameters, 0.0)

    def configure(self, wanted: ua.MonitoringParameters, deadband: float) -> None:
        """Take over what a client requested; the deadband in the unit of the value."""
        self.client_handle = wanted.ClientHandle
        self.filter = wanted.Filter
        self.discard_oldest = wanted.DiscardOldest
        is_event = self.monitored.AttributeId == ua.AttributeIds.EventNotifier
        self.queue_size = revised_queue(wanted.QueueSize, default=_EVENT_QUEUE if is_event else 1)
        self.deadband = deadband
        while len(self.queue) > self.queue_size:
            self.queue.popleft()

    def push(self, value: ua.DataValue) -> None:
        """Queue a value; where the queue is full, mark with the overflow bit that one is missing."""
        notification = ua.MonitoredItemNotification(self.client_handle, stamped(value, self.timestamps))
        if len(self.queue) < self.queue_size:
            self.queue.append(notification)
        elif self.queue_size == 1:
            self.queue[0] = notification
        elif self.discard_oldest:
            self.queue.popleft()
            self.queue.append(notification)
            self.queue[0] = overflowed(self.queue[0])
        else:
            self.queue[-1] = overflowed(notification)


def revised_queue(requested: int, default: int) -> int:
    """Queue size for a requested one; 0 and 1 mean the default: 1 for values (OPC 10000-4, 7.21)."""
    return default if requested <= 1 else min(requested, MAX_QUEUE)


def overflowed(notification: ua.MonitoredItemNotification) -> ua.MonitoredItemNotification:
    """The notification with the overflow bit in its status."""
    marked = status_of(notification.Value.StatusCode.value | _OVERFLOW)
    return replace(notification, Value=replace(notification.Value, StatusCode=marked))


def _number(value: ua.DataValue) -> float | None:
    inner = value.Value.Value if value.Value is not None else None
    return float(inner) if isinstance(inner, int | float) and not isinstance(inner, bool) else None


def is_reported(last: ua.DataValue | None, value: ua.DataValue, filter_: Foreign, deadband: float) -> bool:
    """Whether a value differs enough from the last one reported (OPC 10000-4, 7.22.2)."""
    trigger = getattr(filter_, "Trigger", ua.DataChangeTrigger.StatusValue)
    if last is None or last.StatusCode != value.StatusCode:
        return True
    if trigger == ua.DataChangeTrigger.StatusValueTimestamp and last.SourceTimestamp != value.SourceTimestamp:
        return True
    if trigger == ua.DataChangeTrigger.Status or last.Value == value.Value:
        return False
    old, new = _number(last), _number(value)
    return deadband == 0 or old is None or new is None or abs(new - old) > deadband


class Where(WhereClauseEvaluator):
    """asyncua's filter of events, with OfType taking subtypes too."""

    def _eval_el(self, index: int, event: Foreign) -> Foreign:
        element = self.elements[index]
        if element.FilterOperator != ua.FilterOperator.OfType:
            return super()._eval_el(index, event)
        return self._is_subtype(event.EventType, self._eval_op(element.FilterOperands[0], event))

    def _is_subtype(self, type_: ua.NodeId, wanted: ua.NodeId) -> bool:
        node = self._aspace.get(type_)
        supertypes = (
            ref.NodeId
            for ref in (node.references if node else ())
            if ref.ReferenceTypeId == standard(ua.ObjectIds.HasSubtype) and not ref.IsForward
        )
        return type_ == wanted or any(self._is_subtype(supertype, wanted) for supertype in supertypes)


class Monitoring(MonitoredItemService):
    """The monitored items of one subscription."""

    def __init__(self, subscription: Foreign, aspace: AddressSpace, announce: Callable[[Item], None]) -> None:
        super().__init__(subscription, aspace)
        self._items: dict[int, Item] = {}
        self._monitored_items = self._items  # type: ignore[assignment]  # ours are more than the base class knows
        self._announce = announce  # called when an item that reports has something to report
        self._wanted = ua.TimestampsToReturn.Source

    def has(self, id_: int) -> bool:
        """Whether an item is not deleted yet."""
        return id_ in self._items

    async def create_monitored_items(
        self, params: ua.CreateMonitoredItemsParameters
    ) -> list[ua.MonitoredItemCreateResult]:
        """One result an item."""
        self._wanted = params.TimestampsToReturn
        return await super().create_monitored_items(params)

    def _make_monitored_item_common(
        self, request: ua.MonitoredItemCreateRequest
    ) -> tuple[ua.MonitoredItemCreateResult, Item]:
        self._monitored_item_counter += 1
        item = Item(self._monitored_item_counter, request, self._wanted)
        result = ua.MonitoredItemCreateResult(
            MonitoredItemId=self._monitored_item_counter,
            RevisedSamplingInterval=self._period(request.ItemToMonitor),
            RevisedQueueSize=item.queue_size,
        )
        return result, item

    def _period(self, monitored: ua.ReadValueId) -> float:
        """How often the plant samples a variable: every change of it is reported, whatever was asked."""
        found = self.aspace.read_attribute_value(monitored.NodeId, ua.AttributeIds.MinimumSamplingInterval)
        period = found.Value.Value if found.Value is not None else None
        return float(period) if period and monitored.AttributeId == _VALUE else 0.0

    def _create_events_monitored_item(self, request: ua.MonitoredItemCreateRequest) -> ua.MonitoredItemCreateResult:
        node = self.aspace.get(request.ItemToMonitor.NodeId)
        if node is None or ua.AttributeIds.EventNotifier not in node.attributes:
            return _refused("BadNodeIdUnknown" if node is None else "BadAttributeIdInvalid")
        if not isinstance(request.RequestedParameters.Filter, ua.EventFilter):
            return _refused("BadEventFilterInvalid")
        result = super()._create_events_monitored_item(request)
        if result.StatusCode.is_good():
            item = self._items[result.MonitoredItemId]
            item.where_clause_evaluator = Where(self.logger, self.aspace, item.filter.WhereClause)
        return result

    async def _create_data_change_monitored_item(
        self, request: ua.MonitoredItemCreateRequest
    ) -> ua.MonitoredItemCreateResult:
        deadband = self._deadband(request.ItemToMonitor, request.RequestedParameters.Filter)
        if isinstance(deadband, str):
            return _refused(deadband)
        result, item = self._make_monitored_item_common(request)
        item.deadband = deadband
        monitored = request.ItemToMonitor
        result.StatusCode, handle = self.aspace.add_datachange_callback(
            monitored.NodeId, monitored.AttributeId, self.datachange_callback
        )
        if result.StatusCode.is_good():
            item.callback_handle = handle
            self._items[item.id] = item
            self._monitored_datachange[handle] = item.id
            if item.mode != ua.MonitoringMode.Disabled:
                await self.trigger_datachange(handle, monitored.NodeId, monitored.AttributeId)
        return result

    def _deadband(self, monitored: ua.ReadValueId, filter_: Foreign) -> float | str:
        """The deadband in the unit of the value, or the name of the status code that refuses the filter."""
        kind = getattr(filter_, "DeadbandType", ua.DeadbandType.None_)
        if kind == ua.DeadbandType.None_:
            return 0.0
        value = self.aspace.read_attribute_value(monitored.NodeId, monitored.AttributeId)
        if monitored.AttributeId != _VALUE or (value.Value is not None and isinstance(value.Value.Value, str | bool)):
            return "BadFilterNotAllowed"
        span = 100.0 if kind == ua.DeadbandType.Absolute else self._span(monitored.NodeId)
        if span is None or filter_.DeadbandValue < 0:
            return "BadDeadbandFilterInvalid"
        return float(filter_.DeadbandValue) * span / 100.0

    def _span(self, node: ua.NodeId) -> float | None:
        """High less low of the node's EURange, if it has one."""
        data = self.aspace.get(node)
        names = {ref.BrowseName.Name: ref.NodeId for ref in (data.references if data else ()) if ref.IsForward}
        if "EURange" not in names:
            return None
        found = self.aspace.read_attribute_value(names["EURange"], _VALUE).Value
        return float(found.Value.High - found.Value.Low) if found is not None else None

    async def datachange_callback(self, handle: int, value: ua.DataValue, error: ua.StatusCode | None = None) -> None:
        """Called by the address space with every value that is written."""
        if error:
            await self.trigger_statuschange(error)
            return
        item = self._items[self._monitored_datachange[handle]]
        if item.mode != ua.MonitoringMode.Disabled and is_reported(item.last, value, item.filter, item.deadband):
            item.last = value
            item.push(value)
            if item.mode == ua.MonitoringMode.Reporting:
                self._announce(item)

    async def _set_monitoring_mode(self, mode: ua.MonitoringMode, mid: int) -> ua.StatusCode:
        item = self._items.get(mid)
        if item is not None and mode == ua.MonitoringMode.Disabled:
            item.queue.clear()
            item.last = None
        result = await super()._set_monitoring_mode(mode, mid)
        if item is not None and item.queue and mode == ua.MonitoringMode.Reporting:
            self._announce(item)
        return result

    def _modify_monitored_item(self, params: ua.MonitoredItemModifyRequest) -> ua.MonitoredItemModifyResult:
        item = self._items.get(params.MonitoredItemId)
        if item is None:
            return ua.MonitoredItemModifyResult(status("BadMonitoredItemIdInvalid"))
        deadband = self._deadband(item.monitored, params.RequestedParameters.Filter)
        if isinstance(deadband, str):
            return ua.MonitoredItemModifyResult(status(deadband))
        item.configure(params.RequestedParameters, deadband)
        return ua.MonitoredItemModifyResult(
            RevisedSamplingInterval=self._period(item.monitored), RevisedQueueSize=item.queue_size
        )

    def _delete_monitored_items(self, mid: int) -> ua.StatusCode:
        item = self._items.pop(mid, None)
        if item is None:
            return status("BadMonitoredItemIdInvalid")
        if item.callback_handle is not None:
            self.aspace.delete_datachange_callback(item.callback_handle)
            del self._monitored_datachange[item.callback_handle]
        else:
            node = item.monitored.NodeId
            self._monitored_events[node].remove(mid)
            if not self._monitored_events[node]:
                del self._monitored_events[node]
        return ua.StatusCode()


def _refused(code: str) -> ua.MonitoredItemCreateResult:
    return ua.MonitoredItemCreateResult(StatusCode=status(code))
