"""The connection does what MQTT asks, says why it cannot, and confirms only what the broker confirmed."""

from __future__ import annotations

import asyncio

import pytest
from paho.mqtt.client import Client
from support_broker import ScriptedBroker
from support_mqtt import HANGS_S, WILL, connection, lost

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection


def messages(count: int) -> list[Message]:
    return [Message(f"t/{i}", b"x", qos=1) for i in range(count)]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_messages_arrive_in_order_with_qos_and_retain(broker: ScriptedBroker, protocol: str) -> None:
    link = connection(broker, protocol=protocol)
    await link.open(WILL)
    sent = [Message(f"t/{i}", b"%d" % i * (i % 50), qos=i // 7 % 2, retain=i % 3 == 0) for i in range(300)]
    assert await link.publish(sent, fenced=True) == {}
    seen = [(m.topic, m.payload, m.qos, m.retain) for m in broker.messages]
    assert seen[:-1] == [(m.topic, m.payload, m.qos, m.retain) for m in sent]
    assert seen[-1] == ("conche/fence", b"me", 1, False)
    await link.close()


async def test_messages_and_the_fence_behind_them_leave_in_one_write(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connection(broker)
    await link.open(WILL)
    writes: list[int] = []
    send = Client._sock_send
    monkeypatch.setattr(Client, "_sock_send", lambda client, data: writes.append(len(data)) or send(client, data))
    await link.publish([Message(f"t/{i}", b"x") for i in range(10)], fenced=True)
    assert len(writes) == 1
    assert broker.topics() == [*(f"t/{i}" for i in range(10)), "conche/fence"]
    await link.close()


async def test_what_the_socket_does_not_take_at_once_follows(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    await link.publish([Message(f"t/{i}", bytes([i]) * 200_000) for i in range(100)], fenced=True)
    assert [message.payload for message in broker.messages[:-1]] == [bytes([i]) * 200_000 for i in range(100)]
    assert broker.messages[-1].topic == "conche/fence"
    await link.close()


async def test_a_fence_that_is_refused_proves_as_much(broker: ScriptedBroker) -> None:
    broker.manners.puback = lambda _: 0x87
    link = connection(broker, protocol=5)
    await link.open(WILL)
    assert await link.publish([Message("t", b"x"), Message("u", b"x", qos=1)], fenced=True) == {1: "Not authorized"}
    assert broker.topics() == ["t", "u", "conche/fence"]
    await link.close()


async def test_numbers_of_messages_begin_anew(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    assert link._session is not None
    link._session._number = 65_500
    assert await link.publish(messages(250)) == {}
    assert broker.topics() == [f"t/{i}" for i in range(250)]
    await link.close()


async def test_publish_returns_only_when_everything_is_confirmed(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    await link.publish(messages(250))
    assert len(broker.messages) == 250
    assert broker.unconfirmed == 0
    await link.close()


async def test_no_more_than_the_receive_maximum_is_ever_unconfirmed(broker: ScriptedBroker) -> None:
    broker.manners.properties = b"\x21\x00\x03"  # Receive Maximum 3
    link = connection(broker)
    await link.open(WILL)
    await link.publish(messages(50))
    assert len(broker.messages) == 50
    assert broker.most_unconfirmed <= 3
    await link.close()


async def test_what_the_broker_refuses_is_named_and_the_rest_goes_through(broker: ScriptedBroker) -> None:
    broker.manners.puback = lambda message: 0x87 if message.topic in ("t/3", "t/7") else 0
    link = connection(broker)
    await link.open(WILL)
    assert await link.publish(messages(20)) == {3: "Not authorized", 7: "Not authorized"}
    assert len(broker.messages) == 20
    await link.close()


async def test_a_message_that_nobody_wants_is_confirmed(broker: ScriptedBroker) -> None:
    broker.manners.puback = lambda _: 0x10
    link = connection(broker, protocol=5)
    await link.open(WILL)
    assert await link.publish(messages(3), fenced=True) == {}
    await link.close()


async def test_a_confirmation_that_is_cut_short_ends_the_connection(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    broker.manners.silent = True
    publishing = asyncio.create_task(link.publish(messages(1)))
    await broker.until(lambda: len(broker.messages) == 1)
    broker.send_raw(b"\x40\x01\x00")
    with pytest.raises(NotConnected, match="is lost"):
        await publishing
    with pytest.raises(NotConnected, match="is lost"):
        await link.publish([])


async def test_what_is_larger_than_the_broker_takes_is_not_sent(broker: ScriptedBroker) -> None:
    broker.manners.properties = b"\x27\x00\x00\x00\x64"  # Maximum Packet Size 100
    link = connection(broker)
    await link.open(WILL)
    refused = await link.publish([Message("small", b"x", 1), Message("large", bytes(200), 1), Message("end", b"x", 1)])
    assert list(refused) == [1]
    assert "200 bytes are more than the broker takes (100)" in refused[1]
    assert broker.topics() == ["small", "end"]
    await link.close()


async def test_a_broker_that_confirms_nothing_is_not_believed(broker: ScriptedBroker) -> None:
    link = connection(broker, timeout_s=0.2)
    await link.open(WILL)
    broker.manners.silent = True
    with pytest.raises(NotConnected, match=r"confirmed nothing for 0\.2 s"):
        await link.publish(messages(3))
    with pytest.raises(NotConnected, match="confirmed nothing"):
        await link.publish([], fenced=True)


async def test_a_connection_lost_in_the_middle_is_told_and_opened_anew(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    broker.manners.hangs_up = lambda message: message.topic == "t/30"
    with pytest.raises(NotConnected, match="lost"):
        await link.publish(messages(200))
    broker.manners.hangs_up = lambda _: False
    await link.open(WILL)
    assert await link.publish(messages(5)) == {}
    await link.close()


async def test_a_connection_lost_while_idle_is_noticed(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    broker.drop()
    await lost(link)
    with pytest.raises(NotConnected, match="lost"):
        await link.publish(messages(1))


async def test_an_idle_connection_is_kept_alive_and_its_silence_noticed(broker: ScriptedBroker) -> None:
    link = connection(broker, keep_alive_s=1)
    await link.open(WILL)
    await broker.until(lambda: broker.pings >= 1)
    assert await link.publish(messages(1)) == {}
    broker.manners.silent = True
    await lost(link)


async def test_being_replaced_by_another_client_says_so(broker: ScriptedBroker) -> None:
    link = connection(broker, protocol=5)
    await link.open(WILL)
    broker.send_raw(b"\xe0\x01\x8e")
    await lost(link)
    with pytest.raises(NotConnected, match="another client uses this client_id"):
        await link.publish([], fenced=True)


async def test_garbage_ends_the_connection_with_a_reason(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    broker.send_raw(b"\x30\x02\xff\xff")
    await lost(link)
    with pytest.raises(NotConnected):
        await link.publish([], fenced=True)


async def test_commands_reach_the_receiver(broker: ScriptedBroker) -> None:
    heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    link = Connection(BrokerSettings(port=broker.port), "me", lambda topic, payload: heard.put_nowait((topic, payload)))
    await link.open(WILL)
    await link.subscribe("cmd/+", "other")
    assert broker.subscriptions == [("cmd/+", 1), ("other", 1)]
    broker.send("cmd/a", b"go")
    assert await asyncio.wait_for(heard.get(), 5) == ("cmd/a", b"go")
    await link.close()


@pytest.mark.parametrize(("protocol", "suback"), [(5, 0x87), ("3.1.1", 0x80)])
async def test_a_refused_subscription_is_told(broker: ScriptedBroker, protocol: object, suback: int) -> None:
    broker.manners.suback = suback
    link = connection(broker, protocol=protocol)
    await link.open(WILL)
    with pytest.raises(NotConnected, match="does not let us subscribe 'cmd'"):
        await link.subscribe("cmd")
    await link.close()


async def test_a_good_bye_is_heard_before_the_disconnect(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    await link.close(Message("status", b"offline", 1, retain=True))
    await broker.until(lambda: bool(broker.disconnects))
    assert broker.log[-2:] == ["PUBLISH status", "DISCONNECT"]
    assert broker.disconnects == [0]
    await link.close()


async def test_mqtt_5_can_leave_the_good_bye_to_the_will(broker: ScriptedBroker) -> None:
    link = connection(broker, protocol=5)
    await link.open(WILL)
    await link.close(Message("status", b"offline", 1), with_will=True)
    await broker.until(lambda: bool(broker.disconnects))
    assert broker.disconnects == [4]
    assert broker.messages == []


async def test_closing_never_fails_and_never_hangs(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.close()
    await link.open(WILL)
    broker.manners.silent = True
    async with asyncio.timeout(HANGS_S):
        await link.close(Message("status", b"offline", 1))
    with pytest.raises(NotConnected, match="not connected"):
        await link.publish([], fenced=True)
