"""The connection does what MQTT asks, says why it cannot, and confirms only what the broker confirmed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError
from support_broker import Manners, ScriptedBroker

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection

HANGS_S = 30.0
"""Whoever takes so long hangs."""

WILL = Message("gone", b"bye", qos=1, retain=True)


@pytest.fixture
async def broker() -> AsyncIterator[ScriptedBroker]:
    async with ScriptedBroker() as running:
        yield running


def connection(broker: ScriptedBroker, **settings: object) -> Connection:
    return Connection(BrokerSettings.model_validate({"port": broker.port, "timeout_s": 2.0, **settings}), "me")


@asynccontextmanager
async def serving(greeting: bytes) -> AsyncIterator[int]:
    """The port of a server that greets everybody and says nothing more."""
    writers: list[asyncio.StreamWriter] = []

    def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(greeting)

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)


def messages(count: int) -> list[Message]:
    return [Message(f"t/{i}", b"x", qos=1) for i in range(count)]


@pytest.mark.parametrize(("protocol", "version"), [(5, 5), ("5", 5), ("3.1.1", 4), ("auto", 5)])
async def test_it_connects_with_a_clean_session_and_its_will(
    broker: ScriptedBroker, protocol: object, version: int
) -> None:
    link = connection(broker, protocol=protocol, user="u", password="secret", keep_alive_s=7)
    await link.open(WILL)
    (connect,) = broker.connects
    assert (connect.version, connect.client_id, connect.clean, connect.keep_alive) == (version, "me", True, 7)
    assert connect.will is not None
    assert (connect.will.topic, connect.will.payload, connect.will.qos, connect.will.retain) == (
        "gone",
        b"bye",
        1,
        True,
    )
    assert (connect.user, connect.password) == ("u", b"secret")
    assert link.connected
    await link.close()
    assert not link.connected


@pytest.mark.parametrize("manners", [Manners(versions=(4,)), Manners(ends_at_connect=(5,))])
async def test_a_broker_that_refuses_mqtt_5_gets_3_1_1_and_that_is_remembered(manners: Manners) -> None:
    async with ScriptedBroker(manners) as broker:
        link = connection(broker)
        await link.open(WILL)
        assert [connect.version for connect in broker.connects] == [5, 4]
        await link.open(WILL)
        assert [connect.version for connect in broker.connects] == [5, 4, 4]
        await link.close()


async def test_a_broker_without_the_version_asked_for_is_named(broker: ScriptedBroker) -> None:
    broker.manners.versions = (4,)
    with pytest.raises(NotConnected, match=r"broker\.protocol"):
        await connection(broker, protocol=5).open(WILL)


@pytest.mark.parametrize(
    ("protocol", "code", "words"),
    [
        (5, 0x86, r"Bad user name or password.*broker\.user and broker\.password"),
        ("3.1.1", 4, r"Bad user name or password.*broker\.password"),
        (5, 0x87, r"Not authorized.*access list"),
        ("3.1.1", 5, r"Not authorized"),
        (5, 0x85, r"client_id"),
        (5, 0x88, r"Server unavailable"),
    ],
)
async def test_a_refusal_says_what_to_change(broker: ScriptedBroker, protocol: object, code: int, words: str) -> None:
    broker.manners.connack = code
    link = connection(broker, protocol=protocol)
    with pytest.raises(NotConnected, match=words):
        await link.open(WILL)
    assert not link.connected


async def test_a_port_where_nothing_listens_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(NotConnected, match=rf"127\.0\.0\.1:{port}: nothing listens there"):
        await Connection(BrokerSettings(port=port), "me").open(WILL)


async def test_an_unknown_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", unknown)
    with pytest.raises(NotConnected, match=r"'brocker'.*correct broker\.host"):
        await Connection(BrokerSettings(host="brocker"), "me").open(WILL)


async def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    async with serving(b"") as port, asyncio.timeout(HANGS_S):
        with pytest.raises(NotConnected, match=r"did not answer the CONNECT within 0\.2 s"):
            await Connection(BrokerSettings(port=port, timeout_s=0.2), "me").open(WILL)


async def test_a_broker_that_is_silent_at_mqtt_5_gets_3_1_1_but_mqtt_5_is_tried_again(
    broker: ScriptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sinks.mqtt._PATIENCE_S", 0.1)
    broker.manners.silent_at_connect = (5,)
    link = connection(broker)
    await link.open(WILL)
    broker.manners.silent_at_connect = ()
    await link.open(WILL)
    assert [connect.version for connect in broker.connects] == [5, 4, 5]
    await link.close()


async def test_something_that_is_no_broker_is_told() -> None:
    async with serving(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        with pytest.raises(NotConnected):
            await Connection(BrokerSettings(port=port, timeout_s=0.5), "me").open(WILL)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # Paho leaves the socket to the collector
async def test_a_port_without_tls_is_told() -> None:
    async with serving(b"this is no TLS") as port:
        settings = BrokerSettings.model_validate({"port": port, "tls": {}, "timeout_s": 2})
        with pytest.raises(NotConnected, match="does the port speak TLS"):
            await Connection(settings, "me").open(WILL)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A PEM file with key and certificate of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "broker.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return file


def serving_tls(certificate: Path) -> ScriptedBroker:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return ScriptedBroker(tls=context)


async def test_messages_travel_over_tls(certificate: Path) -> None:
    async with serving_tls(certificate) as broker:
        link = connection(broker, tls={"ca_path": certificate})
        await link.open(WILL)
        sent = [Message(f"t/{i}", bytes([i]) * 20_000, qos=1) for i in range(120)]
        assert await link.publish(sent) == {}
        assert [message.payload for message in broker.messages] == [message.payload for message in sent]
        await link.close()


async def test_a_certificate_that_is_not_trusted_is_told(certificate: Path) -> None:
    async with serving_tls(certificate) as broker:
        with pytest.raises(NotConnected, match=r"not trusted.*broker\.tls\.ca_path"):
            await connection(broker, tls={}).open(WILL)


async def test_a_missing_certificate_file_is_told(broker: ScriptedBroker) -> None:
    settings = BrokerSettings.model_validate({"port": broker.port, "tls": {"ca_path": "no/such.pem"}})
    with pytest.raises(NotConnected, match="No such file"):
        await Connection(settings, "me").open(WILL)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_messages_arrive_in_order_with_qos_and_retain(broker: ScriptedBroker, protocol: str) -> None:
    link = connection(broker, protocol=protocol)
    await link.open(WILL)
    sent = [Message(f"t/{i}", b"%d" % i * (i % 50), qos=i // 7 % 2, retain=i % 3 == 0) for i in range(300)]
    assert await link.publish(sent) == {}
    await link.fence()
    seen = [(m.topic, m.payload, m.qos, m.retain) for m in broker.messages]
    assert seen[:-1] == [(m.topic, m.payload, m.qos, m.retain) for m in sent]
    assert seen[-1] == ("conche/fence", b"me", 1, False)
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
    assert not link.connected
    with pytest.raises(NotConnected, match="confirmed nothing"):
        await link.fence()


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
    async with asyncio.timeout(5):
        while link.connected:
            await asyncio.sleep(0.01)
    with pytest.raises(NotConnected, match="lost"):
        await link.publish(messages(1))


async def test_an_idle_connection_is_kept_alive_and_its_silence_noticed(broker: ScriptedBroker) -> None:
    link = connection(broker, keep_alive_s=1)
    await link.open(WILL)
    await broker.until(lambda: broker.pings >= 1)
    assert link.connected
    broker.manners.silent = True
    async with asyncio.timeout(6):
        while link.connected:
            await asyncio.sleep(0.05)


async def test_being_replaced_by_another_client_says_so(broker: ScriptedBroker) -> None:
    link = connection(broker, protocol=5)
    await link.open(WILL)
    broker.send_raw(b"\xe0\x01\x8e")
    async with asyncio.timeout(5):
        while link.connected:
            await asyncio.sleep(0.01)
    with pytest.raises(NotConnected, match="another client uses this client_id"):
        await link.fence()


async def test_garbage_ends_the_connection_with_a_reason(broker: ScriptedBroker) -> None:
    link = connection(broker)
    await link.open(WILL)
    broker.send_raw(b"\x30\x02\xff\xff")
    async with asyncio.timeout(5):
        while link.connected:
            await asyncio.sleep(0.01)
    with pytest.raises(NotConnected):
        await link.fence()


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
        await link.fence()


async def test_a_cancelled_open_leaves_no_client_behind(broker: ScriptedBroker) -> None:
    opening = asyncio.create_task(connection(broker).open(WILL))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(0.2)
    assert broker._sessions == []


def test_the_password_is_in_no_text_of_the_settings() -> None:
    settings = BrokerSettings(password="hush")
    assert "hush" not in f"{settings!r}{settings}{settings.model_dump_json()}"


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"protocol": 3}, {"hots": "x"}, {"keep_alive_s": 0}, {"fence_topic": "a/#"}]
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BrokerSettings.model_validate(wrong)
