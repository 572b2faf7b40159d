"""A scripted server that answers Publish and Republish, and a publisher with everything around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary
from support_opcua import FakeJournal

from gateway.contract import GatewayError, NotConnected
from gateway.journal import Draft, Kind
from gateway.opcua.decode import Part
from gateway.opcua.events import EventReader
from gateway.opcua.intake import Intake
from gateway.opcua.marks import Marks
from gateway.opcua.overflow import dropped_before
from gateway.opcua.publish import Publisher
from gateway.opcua.subscription import Subscription, Subscriptions
from gateway.opcua.terms import Pace
from gateway.status import Link, SourceStatus
from gateway.store.bodies import gap_body
from gateway.values import DataType, Gap, Tag

LAST = 0xFFFF_FFFF
ID = 9


def data_change(*values: float, handle: int = 1) -> ua.DataChangeNotification:
    items = [
        ua.MonitoredItemNotification(
            handle, ua.DataValue(ua.Variant(value, ua.VariantType.Double), SourceTimestamp=datetime.now(UTC))
        )
        for value in values
    ]
    return ua.DataChangeNotification(items, [])


def message(sequence: int, *bodies: object) -> ua.NotificationMessage:
    return ua.NotificationMessage(sequence, datetime.now(UTC), list(bodies))


def published(sequence: int, *values: float, available: tuple[int, ...] = (), body: object = None) -> bytes:
    response = ua.PublishResponse()
    response.Parameters.SubscriptionId = ID
    response.Parameters.AvailableSequenceNumbers = list(available)
    bodies = [body] if body is not None else [data_change(*values)] if values else []
    response.Parameters.NotificationMessage = message(sequence, *bodies)
    return struct_to_binary(response)


def fault(code: int) -> bytes:
    response = ua.ServiceFault()
    response.ResponseHeader.ServiceResult = ua.StatusCode(code)
    return struct_to_binary(response)


class Script:
    """Answers PublishRequests from a list, then stays silent; keeps messages for Republish; notes acknowledgements."""

    url = "opc.tcp://script"

    def __init__(self, *answers: bytes | GatewayError, kept: dict[int, tuple[float, ...]] | None = None) -> None:
        self.answers = list(answers)
        self.kept = kept or {}
        self.acknowledged: list[int] = []
        self.republished: list[int] = []
        self.outstanding = 0
        self.most_outstanding = 0
        self.touched = 0
        self.round_trip_s = 0.0
        self.services = self

    async def call(self, request: object, timeout_s: float | None = None) -> bytes:
        if isinstance(request, ua.RepublishRequest):
            return self.republish(request.Parameters.RetransmitSequenceNumber)
        raise AssertionError(f"{request} is not expected")

    def publish(
        self, acknowledge: Sequence[tuple[int, int]], tell: Callable[[asyncio.Future[Buffer]], None]
    ) -> asyncio.Future[Buffer]:
        self.acknowledged += [number for _, number in acknowledge]
        answer = asyncio.ensure_future(self._answer())
        answer.add_done_callback(lambda answer: None if answer.cancelled() else tell(answer))
        return answer

    async def _answer(self) -> Buffer:
        self.outstanding += 1
        self.most_outstanding = max(self.most_outstanding, self.outstanding)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        await asyncio.sleep(0)
        self.outstanding -= 1
        if isinstance(answer, GatewayError):
            raise answer
        return Buffer(answer)

    def republish(self, number: int) -> bytes:
        self.republished.append(number)
        if number not in self.kept:
            return fault(ua.StatusCodes.BadMessageNotAvailable)
        response = ua.RepublishResponse()
        response.NotificationMessage = message(number, data_change(*self.kept[number]))
        return struct_to_binary(response)

    async def values(self, _: object) -> list[object]:
        await asyncio.sleep(self.round_trip_s)
        return []

    async def ask(self, service: Callable[[object], None], parameters: object) -> None:
        service(parameters)

    def set_publishing_mode(self, parameters: ua.SetPublishingModeParameters) -> None:
        assert list(parameters.SubscriptionIds)
        self.touched += 1


class Rig:
    """A publisher with everything around it."""

    def __init__(self, script: Script, last: int = 0, keepalive: int = 10) -> None:
        self.script = script
        self.journal = FakeJournal()
        self.status = SourceStatus("plant", script.url)
        self.status.connection.become(Link.CONNECTED)
        self.marks = Marks()
        self.marks.admit([Tag(1, "plant", "i=1", ("Speed",), DataType.DOUBLE)])
        self.losses = 0
        subscriptions = Subscriptions("plant", 1.0)
        self.subscription = Subscription(ID, Pace(10, 1, 60), 10, keepalive, last=last)
        subscriptions.by_id[ID] = self.subscription
        self.events = EventReader("plant")
        intake = Intake(self.journal, self.status)
        self.publisher = Publisher(
            script,
            subscriptions,
            intake,
            self.marks,
            self.events,
            self.status,
            self.lost,  # type: ignore[arg-type]
            self.overflowed,
        )

    def lost(self) -> None:
        self.losses += 1

    async def overflowed(self, parts: Sequence[Part]) -> list[Draft]:
        """What the server dropped is announced, in the same commit as the values."""
        gap = Gap(0, "plant", tuple(dropped_before(parts)), 1, 2, "queue too short")
        return [Draft(Kind.GAP, "plant", gap_body(gap), 0)]

    async def run(self) -> BaseException:
        with pytest.raises(GatewayError) as caught:
            await self.publisher.run()
        return caught.value

    def values(self) -> list[float]:
        self.journal.catalogue.apply(
            self.journal.catalogue.plan("plant", [Tag(0, "", "i=1", ("Speed",), DataType.DOUBLE)], 1)
        )
        return [value for _, value, _ in self.journal.values("Speed")]


END = NotConnected("the link is cut")
