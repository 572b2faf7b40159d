"""Shows samples and events to OPC UA clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from asyncua import ua
from asyncua.common.event_objects import BaseEvent
from asyncua.server.internal_server import InternalServer

from opcua_server.clock import to_datetime
from opcua_server.history.events import Occurrence
from opcua_server.model.builder import Ids
from opcua_server.model.instances import VARIANT_TYPES, Instances, Path
from opcua_server.model.types import EVENT_TYPES, Types
from opcua_server.uatypes import Foreign, data_value, standard, status, text
from plant_model.signals import Quality, Signal

_VALUE = ua.AttributeIds.Value
STATUSES = {
    Quality.GOOD: status("Good"),
    Quality.SENSOR_FAILURE: status("BadSensorFailure"),
    Quality.NOT_YET: status("BadWaitingForInitialData"),
    Quality.OUT_OF_RANGE: status("UncertainEngineeringUnitsExceeded"),
    Quality.LAST_USABLE: status("UncertainLastUsableValue"),
}
_WAITING = ua.DataValue(None, STATUSES[Quality.NOT_YET])


class Display:
    """The variables of the signals, in their order, and the objects that tell events."""

    def __init__(self, server: InternalServer, instances: Instances, types: Types, signals: Sequence[Signal]) -> None:
        self._server, self._objects, self._types = server, instances.objects, types
        self._slots = [server.aspace[node].attributes[_VALUE] for node in instances.variables]
        self._variants = [VARIANT_TYPES[signal.type] for signal in signals]
        self._texts = {
            place: (server.aspace[node].attributes[_VALUE], [text(words) for words in signals[place].enum])
            for place, node in enumerate(instances.texts)
            if node is not None
        }
        for slot in self._slots:
            slot.value = _WAITING

    async def show(self, place: int, value: Foreign, quality: Quality, time: datetime) -> None:
        """Write a sample and hand it to the subscriptions."""
        code = STATUSES[quality]
        await _put(self._slots[place], data_value(self._variants[place], value, code, time))
        if place in self._texts:
            slot, texts = self._texts[place]
            words = None if code.is_bad() else texts[value]
            await _put(slot, data_value(ua.VariantType.LocalizedText, words, code, time))

    def built(self, event: Occurrence) -> Foreign:
        """The OPC UA event of something that happened. KeyError where there is no such type or source."""
        return build_event(event, self._types.events[event.kind], self._objects[event.source])

    async def tell(self, event: Occurrence) -> None:
        """Send an event from its source, from every object above that tells events, and from the server."""
        built = self.built(event)
        for node in (*self._tellers(event.source), standard(Ids.Server)):
            built.emitting_node = node
            await self._server.subscription_service.trigger_event(built)

    def _tellers(self, source: Path) -> Iterator[ua.NodeId]:
        for depth in range(len(source), 0, -1):
            if self._tells(self._objects[source[:depth]]):
                yield self._objects[source[:depth]]

    def _tells(self, node: ua.NodeId) -> bool:
        notifier = self._server.aspace.read_attribute_value(node, ua.AttributeIds.EventNotifier).Value
        return notifier is not None and bool(notifier.Value)

    def tellers(self) -> dict[ua.NodeId, Path]:
        """Every object that tells events, with the path that their sources begin with; of the server it is empty."""
        objects = {node: path for path, node in self._objects.items() if self._tells(node)}
        return {standard(Ids.Server): (), **objects}

    async def show_server_time(self, now: datetime) -> None:
        """The server's own clock: CurrentTime and ServerStatus."""
        good, aspace = STATUSES[Quality.GOOD], self._server.aspace
        whole: Any = aspace[standard(Ids.Server_ServerStatus)].attributes[_VALUE]
        renewed = replace(whole.value.Value.Value, CurrentTime=now)
        await _put(whole, data_value(ua.VariantType.ExtensionObject, renewed, good, now))
        current = aspace[standard(Ids.Server_ServerStatus_CurrentTime)].attributes[_VALUE]
        await _put(current, data_value(ua.VariantType.DateTime, now, good, now))


async def _put(slot: Foreign, value: ua.DataValue) -> None:
    """The cheap way to write: no look-up of the node, no check of a type that is known to be right."""
    slot.value = value
    for handle, callback in list(slot.datachange_callbacks.items()):
        await callback(handle, value)


def build_event(event: Occurrence, type_: ua.NodeId, source: ua.NodeId) -> Foreign:
    """The OPC UA event of something that happened in the plant."""
    built: Foreign = BaseEvent(source, event.message, event.severity)  # type: ignore[no-untyped-call]
    built.EventType, built.SourceName = type_, event.source[-1]
    built.EventId = event.event_id
    built.Time, built.ReceiveTime = to_datetime(event.time), to_datetime(event.received)
    built.Message = text(event.message)
    for name, (data_type, _) in EVENT_TYPES[event.kind].fields.items():
        built.add_property(name, event.fields[name], data_type)
    return built
