"""The publish loop with a scripted server: numbers checked, the missing asked for again, acknowledged when stored."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given
from hypothesis import strategies as st
from support_opcua import FakeJournal

from gateway.contract import GatewayError, NotConnected
from gateway.journal import Draft, Kind
from gateway.opcua.decode import Part
from gateway.opcua.errors import NoAnswer, ServiceFault, SessionLost, SubscriptionLost
from gateway.opcua.event_types import EventField
from gateway.opcua.events import EventReader, event_field
from gateway.opcua.intake import Intake
from gateway.opcua.marks import Marks
from gateway.opcua.overflow import dropped_before
from gateway.opcua.publish import Publisher, in_flight
from gateway.opcua.sequence import due, following, missing
from gateway.opcua.subscription import Subscription, Subscriptions
from gateway.opcua.terms import Pace
from gateway.opcua.wire import Body, Message, event_fields, publish_response, republish_response
from gateway.status import Link, SourceStatus
from gateway.store.bodies import gap_body, read_event, read_gap
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
        assert isinstance(request, ua.PublishRequest)
        self.acknowledged += [a.SequenceNumber for a in request.Parameters.SubscriptionAcknowledgements]
        self.outstanding += 1
        self.most_outstanding = max(self.most_outstanding, self.outstanding)
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        await asyncio.sleep(0)
        self.outstanding -= 1
        if isinstance(answer, GatewayError):
            raise answer
        return answer

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


async def test_several_requests_are_in_flight() -> None:
    rig = Rig(Script(*(published(i, float(i)) for i in range(1, 20)), END))
    await rig.run()
    assert rig.script.most_outstanding == 3
    assert rig.values() == list(map(float, range(1, 20)))


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


async def test_missing_messages_are_had_again_and_keep_their_place() -> None:
    kept = {2: (2.0,), 3: (3.0,)}
    rig = Rig(Script(published(1, 1.0), published(4, 4.0, available=(2, 3, 4)), END, kept=kept))
    await rig.run()
    assert rig.script.republished == [2, 3]
    assert rig.values() == [1.0, 2.0, 3.0, 4.0]
    assert rig.losses == 0


async def test_a_keep_alive_gives_a_lost_message_away() -> None:
    rig = Rig(Script(published(1, 1.0), published(3, available=(2,)), published(3, 3.0), END, kept={2: (2.0,)}))
    await rig.run()
    assert rig.values() == [1.0, 2.0, 3.0]


async def test_numbers_roll_over_to_one() -> None:
    answers = (published(LAST, 1.0), published(1), published(1, 2.0), published(2, 3.0), END)
    rig = Rig(Script(*answers), last=LAST - 1)
    assert await rig.run() is END
    assert rig.values() == [1.0, 2.0, 3.0]
    assert rig.script.republished == []


async def test_a_gap_across_the_roll_over_is_filled() -> None:
    kept = {LAST: (1.0,), 1: (2.0,)}
    rig = Rig(Script(published(2, 3.0, available=(LAST, 1, 2)), END, kept=kept), last=LAST - 1)
    await rig.run()
    assert rig.script.republished == [LAST, 1]
    assert rig.values() == [1.0, 2.0, 3.0]


async def test_a_message_that_comes_twice_is_stored_once_and_acknowledged_again() -> None:
    rig = Rig(Script(published(1, 1.0), published(1, 1.0), published(2, 2.0)))
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: sorted(rig.script.acknowledged) == [1, 1, 2])
    assert rig.values() == [1.0, 2.0]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("available", [(), (2, 4)])
async def test_messages_that_nobody_has_are_a_loss_after_all_else_is_stored(available: tuple[int, ...]) -> None:
    rig = Rig(Script(published(1, 1.0), published(4, 4.0, available=available), kept={2: (2.0,)}))
    error = await rig.run()
    assert isinstance(error, SubscriptionLost)
    assert "message 3 is lost" in str(error)
    assert rig.losses == 1
    assert rig.values() == ([1.0, 2.0, 4.0] if available else [1.0, 4.0])
    assert rig.subscription.last == 4


async def test_a_message_that_was_announced_but_is_refused_is_a_loss() -> None:
    rig = Rig(Script(published(1, 1.0), published(3, 3.0, available=(2, 3))))
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.script.republished == [2]


async def test_a_server_that_does_not_count_from_one_is_believed() -> None:
    rig = Rig(Script(published(700, 1.0), published(701, 2.0), END))
    assert await rig.run() is END
    assert rig.losses == 0


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


async def test_a_notification_that_makes_no_sense_is_a_loss_and_not_stored() -> None:
    strange = data_change(1.0, handle=4_000_000)
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
    (one,) = reader.read(event_fields(body, event_field), 0)
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


def test_a_server_may_begin_to_count_anywhere() -> None:
    assert missing(0, LAST - 5) == missing(0, 20_000) == ()
    assert missing(0, 3) == (1, 2)


@given(st.integers(1, LAST), st.integers(1, 50))
def test_missing_are_exactly_the_numbers_between(last: int, steps: int) -> None:
    between = []
    number = last
    for _ in range(steps):
        number = following(number)
        between.append(number)
    assert missing(last, number) == tuple(between[:-1])
    assert missing(number, last) is None


@given(st.binary(max_size=200))
def test_any_answer_is_read_or_refused(data: bytes) -> None:
    for read in (publish_response, republish_response):
        try:
            read(data)
        except (GatewayError, ValueError):
            continue


def test_bodies_are_cut_as_they_lie() -> None:
    body = data_change(1.0, 2.0)
    cut = publish_response(published(5, body=body, available=(4, 5)))
    assert (cut.subscription, cut.available, cut.message.sequence) == (ID, (4, 5), 5)
    (notification,) = cut.message.notifications
    assert notification.kind == Body.DATA_CHANGE
    assert notification.body == struct_to_binary(body)
    assert struct.unpack_from("<i", notification.body) == (2,)
    assert isinstance(cut.message, Message)


async def test_of_a_transferred_subscription_comes_what_is_not_stored_yet_and_only_that() -> None:
    rig = Rig(Script(published(6, 6.0), NotConnected("over"), kept={3: (3.0,), 4: (4.0,), 5: (5.0,)}), last=3)
    rig.subscription.available = (3, 2, 4, 5)
    await rig.run()
    assert rig.values() == [4.0, 5.0, 6.0]
    assert rig.script.republished == [4, 5]
    assert rig.script.acknowledged == [3, 2, 4, 5]
    assert rig.journal.numbers == {rig.subscription.token: 6}
    assert rig.status.repairs["republish"].count == 2


async def test_what_a_transferred_subscription_has_lost_is_noticed_and_never_passed_over() -> None:
    rig = Rig(Script(kept={7: (7.0,)}), last=3)
    rig.subscription.available = (7,)
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.losses == 1
    assert rig.journal.numbers == {}, "after a kill it would be noticed again"


@given(last=st.integers(0, LAST), steps=st.lists(st.booleans(), max_size=50))
def test_what_is_due_has_every_number_in_order(last: int, steps: list[bool]) -> None:
    numbers, number = [], last
    for _ in steps:
        number = following(number)
        numbers.append(number)
    available = [number for number, kept in zip(numbers, steps, strict=True) if kept]
    wanted = due(last, reversed(available))
    assert [number for number in wanted if number in available] == available
    assert list(wanted) == (numbers[: len(wanted)] if last else available)
