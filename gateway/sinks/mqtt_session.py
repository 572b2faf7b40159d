"""One MQTT session: Paho driven by our event loop, without its thread and without its own reconnecting."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

import structlog
from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings, refusal, unreachable
from gateway.sinks.message import Message, packet
from gateway.sinks.waiting import within
from gateway.thread import in_thread

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike  # exists for type checkers only

log = structlog.get_logger(__name__)

Receiver = Callable[[str, bytes], None]
"""Takes topic and payload of a message that came, in the event loop."""

MQTTv5, MQTTv311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
VERSIONS: dict[str | int, tuple[MQTTProtocolVersion, ...]] = {
    "auto": (MQTTv5, MQTTv311),
    5: (MQTTv5,),
    "5": (MQTTv5,),
    "3.1.1": (MQTTv311,),
}
"""By the setting `protocol`: what to try, in this order."""

_UNSUPPORTED_VERSION = 0x84
_WINDOW = 100  # unconfirmed QoS 1 messages on the way; a broker that wants fewer says so (Receive Maximum)
_NUMBERS = 65535  # of messages of QoS 1, from 1 (MQTT 5, 2.2.1)
_FENCE = -1  # its index
_AWAITED = MQTTMessage()  # stands for every message whose confirmation Paho shall report
_NUMBER = 2  # bytes of the number that a PUBACK begins with; then, with MQTT 5, a reason may come
_FAILURE = b"\x80"  # the first reason that refuses (MQTT 5, 2.4)
_QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_TURN = 64  # messages between two turns of the event loop
_FAREWELL_S = 2.0  # for the last words and the DISCONNECT


class UnsupportedVersion(NotConnected):
    """The broker does not speak this version of MQTT, closed at the sight of it, or (not certain) never answered."""

    def __init__(self, reason: str, *, certain: bool = True) -> None:
        super().__init__(reason)
        self.certain = certain


class _Client(Client):
    """Paho, which takes 100 µs for the reason and the properties of a PUBACK; they matter where it refuses."""

    confirmed: Callable[[int], None]

    def _handle_pubackcomp(self, cmd: Literal["PUBACK", "PUBCOMP"]) -> MQTTErrorCode:
        number, reason = self._in_packet["packet"][:_NUMBER], self._in_packet["packet"][_NUMBER : _NUMBER + 1]
        if len(number) < _NUMBER or reason >= _FAILURE:
            return super()._handle_pubackcomp(cmd)
        mid = int.from_bytes(number, "big")
        self._out_messages.pop(mid, None)
        self.confirmed(mid)
        return MQTTErrorCode.MQTT_ERR_SUCCESS


class Session:
    """One Paho client from CONNECT to the end of its socket."""

    def __init__(self, broker: BrokerSettings, client_id: str, version: MQTTProtocolVersion, receive: Receiver) -> None:
        self.lost: NotConnected | None = None
        self.max_bytes = 268_435_455  # the protocol's own limit (MQTT 5, 1.5.5)
        self._loop = asyncio.get_running_loop()
        self._broker = broker
        self._version = version
        self._with_properties = version == MQTTv5
        self._receive = receive
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._closed = asyncio.Event()
        self._subscribed: asyncio.Future[list[ReasonCode]] | None = None
        self._unconfirmed: dict[int, int] = {}  # packet id -> index of the message in this call
        self._refused: dict[int, str] = {}
        self._number = 0  # of the last message of QoS 1
        self._together: list[bytes] = []  # packets that leave in one write
        self._enough = 0  # unconfirmed messages at which the sender goes on
        self._wake: asyncio.Future[None] | None = None
        self._window = _WINDOW
        self._timer: asyncio.TimerHandle | None = None
        self._client = self._make(client_id)

    def _make(self, client_id: str) -> _Client:
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=True if self._version == MQTTv311 else None,
            protocol=self._version,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # no limit: the window is kept here, with Paho's its cost grows squared
        client.connect_timeout = self._broker.timeout_s
        if self._broker.user is not None or self._broker.password is not None:
            secret = self._broker.password
            client.username_pw_set(self._broker.user or "", secret.get_secret_value() if secret else None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.confirmed = self._confirmed
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    async def connect(self, will: Message, patience_s: float) -> None:
        """From nothing to an accepted CONNECT. Raises NotConnected."""
        self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        try:
            if self._broker.tls is not None:
                self._client.tls_set_context(self._broker.tls.context())
            await in_thread(self._dial, "mqtt-connect", discard=lambda _: self.drop())
            self._attach()
            await self._until_accepted(min(patience_s, self._broker.timeout_s))
        except OSError as error:
            self.drop()
            raise unreachable(self._broker, error) from error
        except BaseException:
            self.drop()
            raise

    async def _until_accepted(self, patience_s: float) -> None:
        try:
            await within(patience_s, self._accepted)
        except TimeoutError as error:
            reason = f"the broker {self._broker.address} did not answer the CONNECT within {patience_s:g} s"
            raise UnsupportedVersion(reason, certain=False) from error

    def _dial(self) -> None:
        self._client.connect(self._broker.host, self._broker.port, self._broker.keep_alive_s)

    def _attach(self) -> None:
        """From here on the event loop drives the client."""
        sock = self._client.socket()
        if sock is None:
            raise self.lost or NotConnected(f"the broker {self._broker.address} closed the connection at once")
        assert isinstance(sock, socket.socket), "neither WebSockets nor a proxy is used"
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.on_socket_close = self._on_socket_close
        self._client.on_socket_register_write = self._on_want_write
        if self._client.want_write():
            self._on_want_write(self._client, None, sock)
        self._loop.add_reader(sock, self._read)
        self._tick()

    def _read(self) -> None:
        try:
            self._client.loop_read()
            self._acknowledge_at_once()
            while isinstance(sock := self._client.socket(), ssl.SSLSocket) and sock.pending():
                self._client.loop_read()  # what TLS has decrypted already, the event loop cannot see
        except Exception as error:  # noqa: BLE001 - Paho trips over garbage in many ways
            self._lose(NotConnected(f"the broker {self._broker.address} sent what is not MQTT: {error!r}"))
            self.drop()

    def _acknowledge_at_once(self) -> None:
        """Brokers confirm in small packets, and many hold back the next one until TCP has acknowledged the last.

        Linux delays that by 40 ms, and forgets at each read that it was told not to.
        """
        sock = self._client.socket()
        if _QUICK_ACK is not None and isinstance(sock, socket.socket):
            sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)

    def _on_socket_close(self, _client: Client, _data: object, sock: SocketLike) -> None:
        self._loop.remove_reader(sock)
        self._loop.remove_writer(sock)

    def _on_want_write(self, _client: Client, _data: object, sock: SocketLike) -> None:
        """Write at once; only what the socket does not take then waits for it."""
        self._client.loop_write()
        if self._client.socket() is sock and self._client.want_write():
            self._loop.add_writer(sock, self._write_rest, sock)

    def _write_rest(self, sock: SocketLike) -> None:
        self._client.loop_write()
        if self._client.socket() is sock and not self._client.want_write():
            self._loop.remove_writer(sock)

    def _tick(self) -> None:
        """Keep-alive: Paho sends a ping when nothing was sent, and closes when the last one was not answered."""
        self._client.loop_misc()
        if self.lost is None:
            self._timer = self._loop.call_later(min(1.0, self._broker.keep_alive_s / 2), self._tick)

    async def subscribe(self, topics: Sequence[str]) -> None:
        """See mqtt.Connection.subscribe()."""
        self._subscribed = self._loop.create_future()
        self._client.subscribe([(topic, 1) for topic in topics])
        try:
            answers = await within(self._broker.timeout_s, self._subscribed)
        except TimeoutError as error:
            raise self._silent() from error
        for topic, answer in zip(topics, answers, strict=False):
            if answer.is_failure:
                raise NotConnected(f"the broker {self._broker.address} does not let us subscribe {topic!r}: {answer}")

    async def publish(self, messages: Iterable[Message], fence: Message | None = None) -> dict[int, str]:
        """See mqtt.Connection.publish(). The fence leaves behind the messages; that it is refused is no matter."""
        self._unconfirmed, self._refused, self._together = {}, {}, []
        for index, message in enumerate(messages):
            self._add(index, message)
            if len(self._unconfirmed) >= self._window:
                self._write()
                await self._until(self._window // 2)
            elif index % _TURN == _TURN - 1:
                self._write()
                await asyncio.sleep(0)
        if fence is not None:
            self._add(_FENCE, fence)
        self._write()
        await self._until(0)
        self._refused.pop(_FENCE, None)
        return self._refused

    def _add(self, index: int, message: Message) -> None:
        number = self._number % _NUMBERS + 1
        whole = packet(message, number, properties=self._with_properties)
        if len(whole) > self.max_bytes:
            self._refused[index] = f"{len(message.payload)} bytes are more than the broker takes ({self.max_bytes})"
            return
        if message.qos:
            self._number = number
            self._unconfirmed[number] = index
            self._client._out_messages[number] = _AWAITED  # noqa: SLF001
        self._together.append(whole)

    def _write(self) -> None:
        """Hand over the packets as one: Paho's publish() costs 50 µs a message, and a system call each.

        Of QoS 1 in name, whatever they are, so that Paho reports confirmations alone, not what it has written.
        """
        if not self._together:
            return
        if self._client.socket() is None:
            raise self._gone()
        packets, self._together = b"".join(self._together), []
        self._client._packet_queue(MessageType.PUBLISH, packets, 0, 1)  # noqa: SLF001

    def _gone(self) -> NotConnected:
        return self.lost or NotConnected(f"the connection to the broker {self._broker.address} is gone")

    async def _until(self, enough: int) -> None:
        """Wait for confirmations until no more than so many are outstanding."""
        if self.lost is not None:
            raise self.lost
        if len(self._unconfirmed) <= enough:
            return
        self._enough, self._wake = enough, self._loop.create_future()
        try:
            await within(self._broker.timeout_s, self._wake)
        except TimeoutError as error:
            raise self._silent() from error

    def _silent(self) -> NotConnected:
        """The broker owes an answer: what it holds of us is unknown, so the connection ends."""
        silent = NotConnected(f"the broker {self._broker.address} confirmed nothing for {self._broker.timeout_s:g} s")
        self._lose(silent)
        self.drop()
        return silent

    async def close(self, farewell: Sequence[Message], *, with_will: bool) -> None:
        """See mqtt.Connection.close()."""
        instead = with_will and self._version == MQTTv5
        code = ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message") if instead else None
        try:
            async with asyncio.timeout(_FAREWELL_S):
                if self.lost is None:
                    await self.publish(() if instead else farewell)
                    self._client.disconnect(code)
                    await self._closed.wait()
        except (NotConnected, TimeoutError) as error:
            log.info("broker did not hear the farewell", broker=self._broker.address, reason=str(error))
        finally:
            self.drop()

    def drop(self) -> None:
        """Close the socket without DISCONNECT and hear nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        client, sock = self._client, self._client.socket()
        client.on_disconnect = client.on_socket_close = client.on_message = None
        client.on_socket_register_write = None
        if sock is not None and sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)
            sock.close()
        self._lose(NotConnected(f"the connection to the broker {self._broker.address} was closed"))

    def _lose(self, reason: NotConnected) -> None:
        """Note the first reason, and have everybody who waits for the broker hear it."""
        self.lost = self.lost or reason
        self._closed.set()
        for waiting in (self._accepted, self._subscribed, self._wake):
            if waiting is not None and not waiting.done():
                waiting.set_exception(self.lost)
                waiting.exception()  # nobody may be waiting any more: this is no news to the event loop

    def _on_connect(
        self, _client: Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            refused = refusal(self._broker, reason.value, str(reason))
            unsupported = reason.value == _UNSUPPORTED_VERSION
            self._accepted.set_exception(UnsupportedVersion(str(refused)) if unsupported else refused)
            return
        self._window = min(_WINDOW, getattr(properties, "ReceiveMaximum", _WINDOW))
        self.max_bytes = getattr(properties, "MaximumPacketSize", self.max_bytes)
        self._accepted.set_result(None)

    def _on_disconnect(
        self, _client: Client, _data: object, flags: DisconnectFlags, reason: ReasonCode, _properties: object
    ) -> None:
        address = self._broker.address
        if flags.is_disconnect_packet_from_server:
            lost = refusal(self._broker, reason.value, str(reason))
        elif not self._accepted.done() and self._version == MQTTv5:
            lost = UnsupportedVersion(f"the broker {address} closed the connection at the CONNECT of MQTT 5")
        elif not self._accepted.done():
            lost = NotConnected(f"what listens at {address} hangs up: is it an MQTT broker, does it want broker.tls?")
        else:
            lost = NotConnected(f"the connection to the broker {address} is lost")
        self._lose(lost)

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure and mid in self._unconfirmed:
            self._refused[self._unconfirmed[mid]] = getattr(properties, "ReasonString", "") or str(reason)
        self._confirmed(mid)

    def _confirmed(self, number: int) -> None:
        self._unconfirmed.pop(number, None)  # it may be of an earlier call that was cancelled
        if len(self._unconfirmed) <= self._enough and self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _on_subscribe(
        self, _client: Client, _data: object, _mid: int, answers: list[ReasonCode], _properties: object
    ) -> None:
        if self._subscribed is not None and not self._subscribed.done():
            self._subscribed.set_result(answers)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._loop.call_soon(self._receive, message.topic, bytes(message.payload))
