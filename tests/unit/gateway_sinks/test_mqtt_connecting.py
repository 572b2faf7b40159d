"""A connection opens with the version, will and security that were asked for, or says what to change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import ValidationError
from support_broker import Manners, ScriptedBroker
from support_mqtt import HANGS_S, WILL, connection, lost
from support_tls import loopback_pem, serving_with

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection


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
    assert link.largest
    await link.close()
    assert "not connected" in str(await lost(link))


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
    assert "not connected" in str(await lost(link))


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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loopback_pem(tmp_path_factory.mktemp("pki"))


async def test_a_port_that_hangs_up_at_every_connect_is_told() -> None:
    """As one that wants TLS does."""
    async with ScriptedBroker(Manners(ends_at_connect=(4, 5))) as broker:
        with pytest.raises(NotConnected, match=r"hangs up: is it an MQTT broker, does it want broker\.tls"):
            await connection(broker).open(WILL)


async def test_messages_travel_over_tls(certificate: Path) -> None:
    async with ScriptedBroker(tls=serving_with(certificate)) as broker:
        link = connection(broker, tls={"ca_path": certificate})
        await link.open(WILL)
        sent = [Message(f"t/{i}", bytes([i]) * 20_000, qos=1) for i in range(120)]
        assert await link.publish(sent) == {}
        assert [message.payload for message in broker.messages] == [message.payload for message in sent]
        await link.close()


async def test_a_certificate_that_is_not_trusted_is_told(certificate: Path) -> None:
    async with ScriptedBroker(tls=serving_with(certificate)) as broker:
        with pytest.raises(NotConnected, match=r"not trusted.*broker\.tls\.ca_path"):
            await connection(broker, tls={}).open(WILL)


async def test_a_missing_certificate_file_is_told(broker: ScriptedBroker) -> None:
    settings = BrokerSettings.model_validate({"port": broker.port, "tls": {"ca_path": "no/such.pem"}})
    with pytest.raises(NotConnected, match="No such file"):
        await Connection(settings, "me").open(WILL)


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
