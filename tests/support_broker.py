"""A broker of a few lines that does as it is told: it records what comes, refuses, is silent, counts."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Will:
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True)
class Connect:
    version: int
    client_id: str
    clean: bool
    keep_alive: int
    will: Will | None
    user: str | None
    password: bytes | None


@dataclass(frozen=True)
class Received:
    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass
class Manners:
    """How the broker behaves; change it while it runs."""

    versions: tuple[int, ...] = (4, 5)
    connack: int = 0
    properties: bytes = b""  # of an MQTT 5 CONNACK
    suback: int = 1
    puback: Callable[[Received], int] = lambda _: 0
    silent: bool = False  # reads, but confirms no message
    hangs_up: Callable[[Received], bool] = lambda _: False
    silent_at_connect: tuple[int, ...] = ()  # versions at whose CONNECT it says nothing
    ends_at_connect: tuple[int, ...] = ()  # versions at whose CONNECT it closes without an answer


@dataclass
class Session:
    writer: asyncio.StreamWriter
    version: int = 0


class ScriptedBroker:
    """async with ScriptedBroker() as broker: … broker.port, .connects, .messages, .subscriptions, .manners."""

    def __init__(self, manners: Manners | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._tls = tls
        self.manners = manners or Manners()
        self.connects: list[Connect] = []
        self.messages: list[Received] = []
        self.subscriptions: list[tuple[str, int]] = []
        self.disconnects: list[int] = []
        self.pings = 0
        self.unconfirmed = 0
        self.most_unconfirmed = 0
        self.log: list[str] = []
        self.changed = asyncio.Condition()
        self._sessions: list[Session] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen: on a free port at first, later on the same again. What was recorded stays."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Leave: nobody listens any more, all connections are cut."""
        self._server.close()
        self.drop()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    def drop(self) -> None:
        """Cut all connections."""
        for session in self._sessions:
            session.writer.close()

    def send(self, topic: str, payload: bytes) -> None:
        """Publish to every client, QoS 0."""
        for session in self._sessions:
            body = _string(topic) + (b"\0" if session.version == 5 else b"") + payload
            session.writer.write(_packet(0x30, body))

    def send_raw(self, data: bytes) -> None:
        for session in self._sessions:
            session.writer.write(data)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(condition)

    def topics(self) -> list[str]:
        return [message.topic for message in self.messages]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(writer)
        self._sessions.append(session)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while True:
                head = (await reader.readexactly(1))[0]
                body = await reader.readexactly(await _remaining(reader))
                self._answer(session, head, body)
                async with self.changed:
                    self.changed.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._sessions.remove(session)
            writer.close()

    def _answer(self, session: Session, head: int, body: bytes) -> None:
        kind = head >> 4
        if kind == 1:
            self._connect(session, body)
        elif kind == 3:
            self._publish(session, head, body)
        elif kind == 8:
            self._subscribe(session, body)
        elif kind == 12:
            self.pings += 1
            if not self.manners.silent:
                session.writer.write(b"\xd0\x00")
        elif kind == 14:
            self.log.append("DISCONNECT")
            self.disconnects.append(body[0] if body else 0)

    def _connect(self, session: Session, body: bytes) -> None:
        connect = _parse_connect(body)
        session.version = connect.version
        self.connects.append(connect)
        self.log.append("CONNECT")
        if connect.version in self.manners.silent_at_connect:
            return
        if connect.version in self.manners.ends_at_connect:
            session.writer.close()
            return
        code = self.manners.connack
        if connect.version not in self.manners.versions:
            session.writer.write(b"\x20\x02\x00\x01")
            session.writer.close()
            return
        extra = _length(len(self.manners.properties)) + self.manners.properties if connect.version == 5 else b""
        session.writer.write(_packet(0x20, bytes([0, code]) + extra))
        if code:
            session.writer.close()

    def _publish(self, session: Session, head: int, body: bytes) -> None:
        qos, retain = head >> 1 & 3, bool(head & 1)
        topic, at = _take_string(body, 0)
        mid = 0
        if qos:
            (mid,) = struct.unpack_from("!H", body, at)
            at += 2
        if session.version == 5:
            size, at = _take_length(body, at)
            at += size
        message = Received(topic, body[at:], qos, retain)
        if self.manners.hangs_up(message):
            session.writer.close()
            return
        self.messages.append(message)
        self.log.append(f"PUBLISH {topic}")
        if qos and not self.manners.silent:
            self.unconfirmed += 1
            self.most_unconfirmed = max(self.most_unconfirmed, self.unconfirmed)
            asyncio.get_running_loop().call_soon(self._confirm, session, mid, message)

    def _confirm(self, session: Session, mid: int, message: Received) -> None:
        self.unconfirmed -= 1
        code = self.manners.puback(message)
        session.writer.write(_packet(0x40, struct.pack("!H", mid) + (bytes([code]) if code else b"")))

    def _subscribe(self, session: Session, body: bytes) -> None:
        mid, at = body[:2], 2
        if session.version == 5:
            size, at = _take_length(body, at)
            at += size
        count = 0
        while at < len(body):
            topic, at = _take_string(body, at)
            self.subscriptions.append((topic, body[at] & 3))
            self.log.append(f"SUBSCRIBE {topic}")
            at += 1
            count += 1
        properties = b"\0" if session.version == 5 else b""
        session.writer.write(_packet(0x90, mid + properties + bytes([self.manners.suback]) * count))


def _parse_connect(body: bytes) -> Connect:
    _, at = _take_string(body, 0)
    version, flags, keep_alive = struct.unpack_from("!BBH", body, at)
    at = _skip_properties(body, at + 4, version)
    client_id, at = _take_string(body, at)
    will = None
    if flags & 4:
        at = _skip_properties(body, at, version)
        topic, at = _take_string(body, at)
        payload, at = _take_bytes(body, at)
        will = Will(topic, payload, flags >> 3 & 3, bool(flags & 32))
    user = password = None
    if flags & 128:
        user, at = _take_string(body, at)
    if flags & 64:
        password, at = _take_bytes(body, at)
    return Connect(version, client_id, bool(flags & 2), keep_alive, will, user, password)


def _skip_properties(body: bytes, at: int, version: int) -> int:
    if version != 5:
        return at
    size, at = _take_length(body, at)
    return at + size


def _take_bytes(body: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from("!H", body, at)
    return body[at + 2 : at + 2 + size], at + 2 + size


def _take_string(body: bytes, at: int) -> tuple[str, int]:
    data, at = _take_bytes(body, at)
    return data.decode(), at


def _take_length(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (body[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not body[at - 1] & 0x80:
            return value, at


async def _remaining(reader: asyncio.StreamReader) -> int:
    value = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7


def _length(size: int) -> bytes:
    out = bytearray()
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size])


def _string(text: str) -> bytes:
    return struct.pack("!H", len(text.encode())) + text.encode()


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _length(len(body)) + body
