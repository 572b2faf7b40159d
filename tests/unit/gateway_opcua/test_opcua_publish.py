"""The publish loop with a scripted server: requests in flight, stored before acknowledged, and why it ends."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st
from support_publishing import END, ID, Rig, Script, data_change, fault, published

from gateway.contract import GatewayError, NotConnected
from gateway.journal import Kind
from gateway.opcua.depth import MOST, followed, in_flight
from gateway.opcua.errors import NoAnswer, ServiceFault, SessionLost, SubscriptionLost
from gateway.opcua.event_types import EventField
from gateway.opcua.events import EventReader
from gateway.opcua.subscription import Subscription
from gateway.opcua.terms import Pace
from gateway.opcua.wire import Body, Message, publish_response, republish_response
from gateway.status import Link
from gateway.store.bodies import read_event, read_gap


async def test_values_are_stored_in_order_and_acknowledged_afterwards() -> None:
    rig = Rig(Script(published(1, 1.0, 2.0), published(2, 3.0), END))
    assert await rig.run() is END
    assert rig.values() == [1.0, 2.0, 3.0]
    assert rig.subscription.last == 2
    assert rig.status.values == 3
    assert set(rig.script.acknowledged) <= {1, 2}


async def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    rig = Rig(Script(published(1, 1.0)))
    rig.journal.refuses = True
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: rig.journal.refused >= 2)
    assert rig.script.acknowledged == []
    assert rig.script.touched >= 1
    assert rig.script.outstanding == 2
    assert "disk full" in rig.status.connection.reason
    assert rig.status.connection.link is Link.CONNECTED
    rig.journal.refuses = False
    await rig.journal.until(lambda: rig.script.acknowledged == [1])
    assert rig.status.connection.reason == ""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_subscription_that_is_given_up_while_its_message_is_stored_ends_in_peace() -> None:
    rig = Rig(Script(published(1, 1.0)))
    rig.journal.refuses = True
    running = rig.publisher._subscriptions.by_id
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: rig.journal.refused >= 1)
    running[ID + 1] = Subscription(ID + 1, Pace(10, 1, 60), 10, 1_000)
    del running[ID]
    rig.journal.refuses = False
    await rig.journal.until(lambda: rig.values() == [1.0])
    await rig.journal.until(lambda: rig.script.acknowledged == [1])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_says_now_and_then_something_has_three_requests() -> None:
    rig = Rig(Script(published(1, 1.0)))
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: rig.values() == [1.0])
    await rig.journal.until(lambda: rig.script.outstanding == 3)
    assert rig.script.most_outstanding == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_has_ever_more_to_say_gets_more_requests() -> None:
    rig = Rig(Script(*(published(i, float(i)) for i in range(1, 100)), END))
    await rig.run()
    assert rig.script.most_outstanding == MOST
    assert rig.values() == list(map(float, range(1, 100)))


def test_requests_that_the_server_does_not_need_become_fewer_again() -> None:
    depth = MOST
    for _ in range(MOST):
        depth = followed(depth, left=depth - 1)
    assert depth <= 3
    assert followed(20, left=8) == 20


@pytest.mark.parametrize(
    ("intervals", "round_trip_s", "requests"),
    [((250,), 0.001, 3), ((250, 1000), 0.001, 4), ((100,), 1.3, 16), ((100, 1000), 1.3, 18), ((10,) * 9, 5.0, 30)],
)
def test_requests_in_flight_follow_the_round_trip_and_the_subscriptions(
    intervals: tuple[int, ...], round_trip_s: float, requests: int
) -> None:
    subscriptions = [Subscription(i, Pace(ms, 1, 60), ms, 10) for i, ms in enumerate(intervals)]
    assert in_flight(subscriptions, round_trip_s) == requests


async def test_the_round_trip_is_measured_and_more_requests_go_out_on_a_slow_link() -> None:
    rig = Rig(Script())
    rig.script.round_trip_s = 0.055
    pace = asyncio.ensure_future(rig.publisher.keep_pace())
    await rig.journal.until(lambda: len(rig.publisher._round_trips) > 0)
    run = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: rig.script.most_outstanding >= 8)
    for task in (pace, run):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_server_that_wants_fewer_requests_gets_fewer() -> None:
    rig = Rig(Script(fault(ua.StatusCodes.BadTooManyPublishRequests), published(1, 1.0), published(2, 2.0)))
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: rig.values() == [1.0, 2.0])
    await rig.journal.until(lambda: rig.script.outstanding == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def status_change(code: int) -> ua.StatusChangeNotification:
    return ua.StatusChangeNotification(ua.StatusCode(code))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(fault(ua.StatusCodes.BadNoSubscription), SubscriptionLost, id="no subscription"),
        pytest.param(fault(ua.StatusCodes.BadSubscriptionIdInvalid), SubscriptionLost, id="subscription unknown"),
        pytest.param(fault(ua.StatusCodes.BadSessionIdInvalid), SessionLost, id="session unknown"),
        pytest.param(fault(ua.StatusCodes.BadInternalError), ServiceFault, id="another fault"),
        pytest.param(b"\x01\x00", NotConnected, id="no answer at all"),
        pytest.param(published(1, 1.0)[:-30], NotConnected, id="cut short"),
        pytest.param(published(2, body=status_change(ua.StatusCodes.BadTimeout)), SubscriptionLost, id="timed out"),
        pytest.param(
            published(2, body=status_change(ua.StatusCodes.GoodSubscriptionTransferred)),
            SubscriptionLost,
            id="transferred",
        ),
    ],
)
async def test_what_ends_the_loop_says_what_to_repair(answer: bytes, kind: type[GatewayError]) -> None:
    rig = Rig(Script(published(1, 1.0), answer))
    assert type(await rig.run()) is kind
    assert rig.values() == [1.0]


@pytest.mark.parametrize("handle", [4_000_000, 2**31, 2**32 - 1])
async def test_a_notification_that_makes_no_sense_is_a_loss_and_not_stored(handle: int) -> None:
    strange = data_change(1.0, handle=handle)
    rig = Rig(Script(published(1, body=strange)))
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.losses == 1
    assert rig.journal.records == []
    assert rig.subscription.last == 1


async def test_one_subscription_that_is_silent_among_others_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.opcua.publish.MARGIN_S", 0.05)
    rig = Rig(Script(*(published(i, float(i)) for i in range(1, 5_000))), keepalive=1)
    rig.publisher._subscriptions.by_id[ID + 1] = Subscription(ID + 1, Pace(10, 1, 60), 10, 1)
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.script.answers, "the other one was heard all the time"


async def test_silence_beyond_the_keep_alive_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.opcua.publish.MARGIN_S", 0.05)
    rig = Rig(Script(), keepalive=1)
    assert isinstance(await rig.run(), NoAnswer)


def test_a_time_that_an_event_carries_is_told_as_iso_text() -> None:
    reader = EventReader("plant")
    reader.types.clauses = [EventField(ua.NodeId(1, 2), ua.QualifiedName("DueTime", 2))]
    due = datetime(2026, 3, 1, 12, 30, 5, 250_000, UTC)
    fields = [b"one", ua.NodeId(1, 2), "Line", due, 100, ua.LocalizedText("ordered"), due]
    body = struct_to_binary(ua.EventNotificationList([ua.EventFieldList(0, [ua.Variant(one) for one in fields])]))
    (one,) = reader.read(reader.fields(body), 0)
    told = read_event(one.draft.body, 0)
    assert told.fields == {"DueTime": "2026-03-01T12:30:05.250Z"}
    assert told.time == 1_772_368_205_250_000_000


async def test_an_event_that_comes_twice_is_told_once() -> None:
    fields = [b"id", ua.NodeId(2041), "Line1", datetime.now(UTC), 500, ua.LocalizedText("broken")]
    events = ua.EventNotificationList([ua.EventFieldList(0, [ua.Variant(one) for one in fields])])
    rig = Rig(Script(published(1, body=events), published(2, body=events), END))
    await rig.run()
    assert len(rig.journal.of(Kind.EVENT)) == rig.status.events == 1


async def test_overflows_are_counted() -> None:
    item = ua.MonitoredItemNotification(1, ua.DataValue(ua.Variant(1.0), StatusCode=ua.StatusCode(0x480)))
    rig = Rig(Script(published(1, body=ua.DataChangeNotification([item], [])), END))
    await rig.run()
    assert rig.status.overflows == 1


async def test_what_a_short_queue_dropped_is_announced_with_the_values_that_say_so() -> None:
    item = ua.MonitoredItemNotification(1, ua.DataValue(ua.Variant(1.0), StatusCode=ua.StatusCode(0x480)))
    rig = Rig(Script(published(1, body=ua.DataChangeNotification([item], [])), END))
    await rig.run()
    (gap,) = [read_gap(record.body, 0) for record in rig.journal.of(Kind.GAP)]
    assert gap.tags == (1,)
    assert rig.status.gaps == rig.status.notifications == 1


@given(st.binary(max_size=200))
def test_any_answer_is_read_or_refused(data: bytes) -> None:
    for read in (publish_response, republish_response):
        try:
            read(data)
        except (GatewayError, ValueError):
            continue


@pytest.mark.parametrize("texts", [None, [], ["one", None]])
@pytest.mark.parametrize("diagnostics", [ua.DiagnosticInfo(), ua.DiagnosticInfo(AdditionalInfo="odd")])
@pytest.mark.parametrize("more", [ua.ExtensionObject(), ua.ExtensionObject(ua.NodeId(5, 2), b"more")])
def test_what_else_an_answer_says_of_itself_is_passed_over(
    texts: list[str] | None, diagnostics: ua.DiagnosticInfo, more: ua.ExtensionObject
) -> None:
    response = struct_from_binary(ua.PublishResponse, Buffer(published(5, 1.0, available=(5,))))
    header = response.ResponseHeader
    header.StringTable, header.ServiceDiagnostics, header.AdditionalHeader = texts, diagnostics, more
    cut = publish_response(struct_to_binary(response))
    assert (cut.subscription, cut.available, cut.message.sequence) == (ID, (5,), 5)
    assert [one.kind for one in cut.message.notifications] == [Body.DATA_CHANGE]


def test_bodies_are_cut_as_they_lie() -> None:
    body = data_change(1.0, 2.0)
    cut = publish_response(published(5, body=body, available=(4, 5)))
    assert (cut.subscription, cut.available, cut.message.sequence) == (ID, (4, 5), 5)
    (notification,) = cut.message.notifications
    assert notification.kind == Body.DATA_CHANGE
    assert notification.body == struct_to_binary(body)
    assert struct.unpack_from("<i", notification.body) == (2,)
    assert isinstance(cut.message, Message)
