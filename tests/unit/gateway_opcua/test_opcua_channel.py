"""What we write and read ourselves on a channel is what the library would, and it is checked as strictly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.ua_binary import header_from_binary, struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from gateway.opcua.channel import Channel
from gateway.opcua.chunks import Chunks, Garbage
from gateway.opcua.link import Answer, Link
from gateway.opcua.publish_request import publish_request

UINT32 = st.integers(0, 2**32 - 1)
SMALL = 8_192
TOKENS = st.one_of(
    st.builds(ua.NodeId, st.integers(0, 2**32 - 1), st.integers(0, 2**16 - 1)),
    st.builds(ua.NodeId, st.text(max_size=40), st.integers(0, 2**16 - 1)),
    st.builds(ua.NodeId, st.uuids(), st.integers(0, 2**16 - 1)),
    st.builds(ua.NodeId, st.binary(max_size=64), st.integers(0, 2**16 - 1)),
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def by_library(token: ua.NodeId, handle: int, time: datetime, acknowledge: list[tuple[int, int]]) -> bytes:
    request = ua.PublishRequest()
    request.RequestHeader.AuthenticationToken = token
    request.RequestHeader.RequestHandle = handle
    request.RequestHeader.Timestamp = time
    request.Parameters.SubscriptionAcknowledgements = [ua.SubscriptionAcknowledgement(*one) for one in acknowledge]
    return struct_to_binary(request)


@given(
    TOKENS,
    UINT32,
    st.integers(0, 4 * 10**15),
    st.lists(st.tuples(UINT32, UINT32), max_size=300),
)
def test_a_publish_request_is_the_librarys_byte_for_byte(
    token: ua.NodeId, handle: int, time_us: int, acknowledge: list[tuple[int, int]]
) -> None:
    time = EPOCH + timedelta(microseconds=time_us)
    assert publish_request(token, handle, time_us * 1000, acknowledge) == by_library(token, handle, time, acknowledge)


def librarys(last_sent: int = 0) -> SecureConnection:
    return opened(SecureConnection(SecurityPolicyNone(), TransportLimits(1 << 20, SMALL, 0, 0)), last_sent)


def ours(last_sent: int = 0) -> Channel:
    channel = opened(Channel(SecurityPolicyNone()), last_sent)
    channel._limits.max_send_buffer = SMALL
    return channel


def token(number: int) -> ua.ChannelSecurityToken:
    return ua.ChannelSecurityToken(ChannelId=7, TokenId=number, CreatedAt=datetime.now(UTC), RevisedLifetime=3_600_000)


def opened(connection: Any, last_sent: int) -> Any:
    connection.security_token = token(3)
    connection._sequence_number, connection._peer_sequence_number = last_sent, 40
    return connection


@given(
    st.one_of(st.integers(0, 5), st.integers(2**32 - 5, 2**32 - 1)),
    st.lists(st.one_of(st.integers(1, 64), st.integers(SMALL - 30, SMALL + 30), st.just(3 * SMALL)), max_size=6),
)
def test_requests_go_out_as_the_library_would_send_them(last_sent: int, sizes: list[int]) -> None:
    library, channel = librarys(last_sent), ours(last_sent)
    for number, size in enumerate(sizes):
        body = bytes([number]) * size
        assert channel.request(body, number) == library.message_to_binary(body, request_id=number)


def chunk(part: bytes, channel: int, token: int, sequence: int, request: int, body: bytes) -> bytes:
    numbers = (24 + len(body), channel, token, sequence, request)
    return b"MSG" + part + b"".join(number.to_bytes(4, "little") for number in numbers) + body


CHUNKS = st.builds(
    chunk,
    st.sampled_from([b"F", b"F", b"C", b"A"]),
    st.sampled_from([7, 7, 7, 7, 8]),
    st.sampled_from([3, 3, 3, 4, 2, 9]),
    st.sampled_from([41, 42, 43, 44, 0, 2**32 - 1]),
    st.sampled_from([1, 1, 2]),
    st.one_of(st.binary(min_size=8, max_size=30), st.just(b"\x00\x00\x83\x80\xff\xff\xff\xff")),
)


def outcome(receive: Callable[..., object], connection: SecureConnection, data: bytes) -> object:
    """What becomes of a chunk."""
    try:
        return receive(connection, data)
    except Exception as error:  # noqa: BLE001 - the library raises anything
        return (type(error), str(error))


def received(channel: Channel, data: bytes) -> tuple[int, bytes] | None:
    """What a chunk completes."""
    answer = channel.answer(data)
    if answer is not None:
        return answer[0], bytes(answer[1])
    message = channel.received(data)
    return None if message is None else (message.request_id(), bytes(message.body()))


def by_the_library(connection: SecureConnection, data: bytes) -> tuple[int, bytes] | None:
    buffer = Buffer(data)
    message = connection.receive_from_header_and_body(header_from_binary(buffer), buffer)
    return None if message is None else (message.request_id(), bytes(message.body()))


@given(st.lists(CHUNKS, min_size=1, max_size=5))
def test_whatever_comes_is_taken_or_refused_as_the_library_would(chunks: list[bytes]) -> None:
    library, channel = librarys(), ours()
    for connection in (library, channel):
        connection.next_security_token, connection.prev_security_token = token(4), token(2)
        connection._allow_prev_token = True
    for one in chunks:
        assert outcome(received, channel, one) == outcome(by_the_library, library, one)
    assert channel.security_token.TokenId == library.security_token.TokenId


def test_a_message_in_many_chunks_is_whole() -> None:
    library, channel = librarys(last_sent=40), ours()
    body = bytes(range(256)) * 400
    found = [received(channel, one) for one in Chunks().cut(library.message_to_binary(body, request_id=5))]
    assert found == [*[None] * (len(found) - 1), (5, body)]


def test_a_message_beyond_our_limit_is_garbage() -> None:
    channel = ours()
    channel._limits.max_message_size = 1_000
    assert received(channel, chunk(b"C", 7, 3, 41, 1, bytes(600))) is None
    with pytest.raises(Garbage, match="a message of more than"):
        received(channel, chunk(b"F", 7, 3, 42, 1, bytes(600)))


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        """Nothing to end."""


def linked() -> tuple[Link, Wire]:
    link, wire = Link(1, SecurityPolicyNone()), Wire()
    link._connection = opened(link._connection, 0)
    link.connection_made(wire)
    return link, wire


def requests(wire: Wire) -> list[ua.PublishRequest]:
    library = opened(librarys(), 0)
    library._peer_sequence_number = 0
    found = (by_the_library(library, one) for one in wire.written)
    return [struct_from_binary(ua.PublishRequest, Buffer(message[1])) for message in found if message]


async def test_requests_are_of_the_session_that_there_is_now() -> None:
    link, wire = linked()
    for session in (ua.NodeId(1_000_000, 1), ua.NodeId(b"another session", 0)):
        link.authentication_token = session
        link.publish([(9, 1), (9, 2)], lambda _: None)
    first, second = requests(wire)
    assert first.RequestHeader.AuthenticationToken == ua.NodeId(1_000_000, 1)
    assert second.RequestHeader.AuthenticationToken == ua.NodeId(b"another session", 0)
    assert second.RequestHeader.RequestHandle == first.RequestHeader.RequestHandle + 1
    assert second.RequestHeader.TimeoutHint == 0, "the server may wait as long as it likes"
    assert abs((datetime.now(UTC) - second.RequestHeader.Timestamp).total_seconds()) < 60
    assert [one.SequenceNumber for one in second.Parameters.SubscriptionAcknowledgements] == [1, 2]


async def test_an_answer_is_told_as_it_comes_and_so_is_the_end_of_the_link() -> None:
    link, _ = linked()
    told: list[Answer] = []
    first, second, third = (link.publish([], told.append) for _ in range(3))
    link.data_received(chunk(b"F", 7, 3, 41, 2, b"two"))
    assert told == [second]
    assert bytes(second.result()) == b"two"
    third.cancel()
    link.data_received(b"GARBAGE!" * 2)
    assert told == [second, first]
    with pytest.raises(Garbage, match="GARBAGE!"):
        first.result()
    with pytest.raises(Garbage, match="GARBAGE!"):
        link.publish([], told.append)
