"""What subscriptions promise: every change within the queue, marks where one is missing, nobody else's business."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from asyncua import Client, ua
from asyncua.ua.uaerrors import UaStatusCodeError
from support_plant_server import Served, node

from opcua_server.services.monitoring import Item, is_reported
from opcua_server.uatypes import status_of
from plant_model.signals import signals
from plant_model.spec import PlantSpec

shared = pytest.mark.asyncio(loop_scope="session")
HEARTBEAT = "Simulation.Heartbeat"
OVERFLOW = 0x480


class Inbox:
    """Collects what a subscription publishes, whole messages."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[ua.PublishResult] = asyncio.Queue()

    async def values(self, count: int) -> list[ua.MonitoredItemNotification]:
        """At least so many notifications of values."""
        found: list[ua.MonitoredItemNotification] = []
        while len(found) < count:
            message = await asyncio.wait_for(self.messages.get(), 10)
            for data in message.NotificationMessage.NotificationData or ():
                found += getattr(data, "MonitoredItems", [])
        return found


@asynccontextmanager
async def subscription(client: Client, interval_ms: float = 100, most: int = 0) -> AsyncIterator[tuple[int, Inbox]]:
    inbox = Inbox()
    params = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=interval_ms,
        RequestedLifetimeCount=1000,
        RequestedMaxKeepAliveCount=10,
        MaxNotificationsPerPublish=most,
        PublishingEnabled=True,
    )
    result = await client.uaclient.create_subscription(params, inbox.messages.put_nowait)
    try:
        yield result.SubscriptionId, inbox
    finally:
        await client.uaclient.delete_subscriptions([result.SubscriptionId])


async def monitor(
    client: Client,
    subscription_id: int,
    names: list[str],
    queue: int = 100,
    filter_: Any = None,
    wanted: ua.TimestampsToReturn = ua.TimestampsToReturn.Source,
    *,
    discard_oldest: bool = True,
) -> list[ua.MonitoredItemCreateResult]:
    items = [
        ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(NodeId=(await node(client, name)).nodeid, AttributeId=ua.AttributeIds.Value),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(handle, 0, filter_, queue, discard_oldest),
        )
        for handle, name in enumerate(names)
    ]
    params = ua.CreateMonitoredItemsParameters(subscription_id, wanted, items)
    return await client.uaclient.create_monitored_items(params)


@shared
async def test_every_heartbeat_arrives_with_its_own_time(client: Client) -> None:
    async with subscription(client, interval_ms=500) as (id_, inbox):
        await monitor(client, id_, [HEARTBEAT])
        got = await inbox.values(20)
    beats = [n.Value.Value.Value for n in got]
    times = [n.Value.SourceTimestamp for n in got]
    assert beats == list(range(beats[0], beats[0] + len(beats)))
    assert {b - a for a, b in pairwise(times)} == {timedelta(milliseconds=100)}


@shared
async def test_all_signals_at_once_deliver_their_first_value(client: Client, spec: PlantSpec) -> None:
    names = [signal.node for signal in signals(spec)] * 2
    async with subscription(client, most=1000) as (id_, inbox):
        results = await monitor(client, id_, names)
        assert all(result.StatusCode.is_good() for result in results)
        handles = set()
        while len(handles) < len(names):
            handles |= {n.ClientHandle for n in await inbox.values(1)}
    assert handles == set(range(len(names)))


@shared
async def test_a_message_holds_no_more_than_the_client_takes(client: Client, spec: PlantSpec) -> None:
    names = [signal.node for signal in signals(spec)][:20]
    async with subscription(client, most=7) as (id_, inbox):
        await monitor(client, id_, names)
        sizes = [len(await inbox.values(1)) for _ in range(3)]
    assert sizes == [7, 7, 6]


@shared
async def test_a_short_queue_keeps_the_newest_and_says_that_one_is_missing(client: Client) -> None:
    async with subscription(client, interval_ms=1000) as (id_, inbox):
        await monitor(client, id_, [HEARTBEAT], queue=3)
        await inbox.values(1)
        late = await inbox.values(1)
    beats = [n.Value.Value.Value for n in late]
    assert len(beats) == 3
    assert beats == list(range(beats[0], beats[0] + 3))
    assert [n.Value.StatusCode.value for n in late] == [OVERFLOW, 0, 0]


def pushed(queue: int, *, discard_oldest: bool) -> list[tuple[int, int]]:
    """Value and status of a queue that was offered 1, 2, 3, 4."""
    value = ua.ReadValueId(AttributeId=ua.AttributeIds.Value)
    parameters = ua.MonitoringParameters(1, 0, None, queue, discard_oldest)
    request = ua.MonitoredItemCreateRequest(value, ua.MonitoringMode.Reporting, parameters)
    item = Item(1, request, ua.TimestampsToReturn.Source)
    for number in (1, 2, 3, 4):
        item.push(ua.DataValue(ua.Variant(number, ua.VariantType.Int32)))
    return [(n.Value.Value.Value, n.Value.StatusCode.value) for n in item.queue]


def test_a_full_queue_follows_the_discard_policy() -> None:
    assert pushed(2, discard_oldest=True) == [(3, OVERFLOW), (4, 0)]
    assert pushed(2, discard_oldest=False) == [(1, 0), (4, OVERFLOW)]
    assert pushed(1, discard_oldest=True) == [(4, 0)]
    assert pushed(0, discard_oldest=True) == [(4, 0)]
    assert pushed(4, discard_oldest=True) == [(1, 0), (2, 0), (3, 0), (4, 0)]


def sample(value: float, code: int = 0) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double), status_of(code))


def test_a_deadband_compares_with_the_value_reported_last() -> None:
    reported, last = [], None
    for tenth in range(31):
        value = sample(tenth / 10)
        if is_reported(last, value, None, 0.35):
            reported.append(tenth)
            last = value
    assert reported == [0, 4, 8, 12, 16, 20, 24, 28]


def test_a_change_of_status_is_always_reported() -> None:
    assert is_reported(sample(1.0), sample(1.0, 0x80000000), None, 100.0)
    assert not is_reported(sample(1.0), sample(1.0), None, 0.0)


@shared
async def test_a_percent_deadband_needs_a_range(client: Client) -> None:
    percent = ua.DataChangeFilter(ua.DataChangeTrigger.StatusValue, ua.DeadbandType.Percent, 5.0)
    names = [
        "Line1.Tempering.Process.Zone2Temperature",
        "Line1.Roasting.Status.State",
        "Line1.Roasting.Production.LotId",
    ]
    async with subscription(client) as (id_, _):
        results = await monitor(client, id_, names, filter_=percent)
    assert [r.StatusCode.name for r in results] == ["Good", "BadDeadbandFilterInvalid", "BadFilterNotAllowed"]


@shared
async def test_an_item_revises_sampling_to_what_the_plant_does(client: Client) -> None:
    async with subscription(client) as (id_, _):
        (result,) = await monitor(client, id_, ["Line1.Tempering.Process.Zone2Temperature"], queue=0)
    assert (result.RevisedSamplingInterval, result.RevisedQueueSize) == (1000.0, 1)


@shared
async def test_both_timestamps_come_when_asked_for(client: Client) -> None:
    async with subscription(client) as (id_, inbox):
        await monitor(client, id_, [HEARTBEAT], wanted=ua.TimestampsToReturn.Both)
        (first, *_) = await inbox.values(1)
    assert first.Value.SourceTimestamp is not None
    assert first.Value.ServerTimestamp is not None


async def refused(request: Any) -> str:
    with pytest.raises(UaStatusCodeError) as caught:
        await request
    return ua.StatusCode(caught.value.code).name


@shared
async def test_a_subscription_is_its_own_sessions_only(served: Served, client: Client) -> None:
    async with subscription(client) as (id_, inbox), served.anonymous() as other:
        await monitor(client, id_, [HEARTBEAT])
        (status,) = await other.uaclient.delete_subscriptions([id_])
        assert status.name == "BadSubscriptionIdInvalid"
        assert await refused(monitor(other, id_, [HEARTBEAT])) == "BadSubscriptionIdInvalid"
        assert await refused(other.uaclient.session.republish(id_, 1)) == "BadSubscriptionIdInvalid"
        transfer = ua.TransferSubscriptionsParameters([id_], SendInitialValues=True)
        assert await refused(other.uaclient.transfer_subscriptions(transfer)) == "BadServiceUnsupported"
        assert await inbox.values(5)


@shared
async def test_only_messages_that_are_not_acknowledged_are_republished(client: Client) -> None:
    async with subscription(client) as (id_, _):
        assert await refused(client.uaclient.session.republish(id_, 4711)) == "BadMessageNotAvailable"
