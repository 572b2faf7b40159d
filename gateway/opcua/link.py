"""The library's client on a connection that believes nothing: memory stays bounded, and what ends it is said."""

from __future__ import annotations

import asyncio
from time import time_ns
from typing import TYPE_CHECKING, Any

from asyncua import Client, ua
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, uatcp_to_binary

from gateway.opcua.channel import Channel
from gateway.opcua.chunks import CHUNK_BYTES, MESSAGE_BYTES, MESSAGE_CHUNKS, Chunks, Garbage
from gateway.opcua.publish_request import publish_request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asyncua.crypto.security_policies import SecurityPolicy

_to_binary: Callable[..., bytes] = uatcp_to_binary  # its annotation of the kind of message is not what it takes


class Answer(asyncio.Future[Buffer]):
    """An answer that may come at any time. `tell` is called as it comes, not one turn of the loop later."""

    def __init__(self, tell: Callable[[Answer], None]) -> None:
        super().__init__()
        self._tell = tell

    def set_result(self, result: Buffer) -> None:
        """It is here."""
        super().set_result(result)
        self._tell(self)

    def set_exception(self, exception: type | BaseException) -> None:
        """It will never come; whoever is told reads why."""
        super().set_exception(exception)
        self.exception()  # only marked as seen: it is met where the answer is read
        self._tell(self)


class Link(UASocketProtocol):
    """One TCP connection. Everything that waits on it gets the reason when it breaks."""

    def __init__(self, timeout: float, security_policy: SecurityPolicy) -> None:
        super().__init__(timeout, security_policy)
        self._connection: Channel = Channel(security_policy)
        self._chunks = Chunks()
        self._broken: Exception | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed, by whom ever."""
        self._broken = self._broken or ua.UaError(f"the connection was closed{f': {exc}' if exc else ''}")
        self._fail_all_pending(self._broken)
        super().connection_lost(self._broken)

    def data_received(self, data: bytes) -> None:
        """Take what arrives; the first thing that makes no sense ends the connection."""
        if self._broken is not None:
            return
        try:
            for chunk in self._chunks.cut(data):
                self._take(chunk)
        except (Garbage, ua.UaStatusCodeError) as error:
            self._end(error)
        except Exception as error:  # noqa: BLE001 - on bytes that make no sense the library raises anything
            self._end(Garbage(f"sends what cannot be understood: {type(error).__name__}: {error}"))

    def _take(self, chunk: bytes) -> None:
        answer = self._connection.answer(chunk)
        if answer is not None:
            self._call_callback(*answer)
            return
        message = self._connection.received(chunk)
        if chunk.startswith(ua.MessageType.SecureOpen):
            self._channel_is_open(message)
        if isinstance(message, ua.ErrorMessage):
            raise _refusal(message)
        self._process_received_message(message)

    def _channel_is_open(self, message: Any) -> None:  # noqa: ANN401
        asked = self._open_secure_channel_exchange
        if message is None or not isinstance(asked, ua.OpenSecureChannelParameters):
            raise Garbage("answers to an OpenSecureChannel that nobody sent")
        response = struct_from_binary(ua.OpenSecureChannelResponse, message.body())
        response.ResponseHeader.ServiceResult.check()
        self._open_secure_channel_exchange = response
        self._connection.set_channel(response.Parameters, asked.RequestType, asked.ClientNonce)

    def _call_callback(self, request_id: int, body: Buffer | ua.Acknowledge) -> None:
        if request_id not in self._callbackmap:
            raise Garbage(f"answers to request {request_id}, which nobody sent")
        super()._call_callback(request_id, body)

    def _end(self, why: Exception) -> None:
        self._broken = why
        self._fail_all_pending(why)
        if self.transport is not None:
            self.transport.abort()

    def _send_request(self, *arguments: Any, **options: Any) -> asyncio.Future[Any]:  # noqa: ANN401 - as the library's
        if self._broken is not None:
            raise self._broken
        future: asyncio.Future[Any] = super()._send_request(*arguments, **options)
        return future

    def publish(self, acknowledge: Sequence[tuple[int, int]], tell: Callable[[Answer], None]) -> Answer:
        """Send a PublishRequest; the server answers when it has something to say. Subscription, sequence number."""
        if self._broken is not None or self.transport is None:
            raise self._broken or ConnectionError("the link is closed")
        self._request_id += 1
        self._request_handle += 1
        request = publish_request(self.authentication_token, self._request_handle, time_ns(), acknowledge)
        self.revolve_security_token()
        message = self._connection.request(request, self._request_id)
        self._callbackmap[self._request_id] = answer = Answer(tell)
        self.transport.write(message)
        return answer

    async def send_hello(self, url: str, max_messagesize: int = 0, max_chunkcount: int = 0) -> ua.Acknowledge:  # noqa: ARG002 - as the library's
        """Say Hello with the limits of this module, whatever the client's are."""
        if self.transport is None:
            raise ConnectionError("the connection was closed at once")
        hello = ua.Hello(
            ReceiveBufferSize=ua.UInt32(CHUNK_BYTES),
            SendBufferSize=ua.UInt32(CHUNK_BYTES),
            MaxMessageSize=ua.UInt32(MESSAGE_BYTES),
            MaxChunkCount=ua.UInt32(MESSAGE_CHUNKS),
            EndpointUrl=ua.String(url),
        )
        answer: asyncio.Future[ua.Acknowledge] = asyncio.get_running_loop().create_future()
        self._callbackmap[0] = answer
        self.transport.write(_to_binary(ua.MessageType.Hello, hello))
        async with asyncio.timeout(self.timeout):
            return await answer


def _refusal(message: ua.ErrorMessage) -> Exception:
    """What an ERR message means."""
    try:
        message.Error.check()
    except ua.UaStatusCodeError as error:
        return error
    return Garbage("sends an error message without an error")


class _LinkedClient(UaClient):
    """Makes the connections."""

    def _make_protocol(self) -> Link:
        self.protocol = Link(self._timeout, self.security_policy)
        self.protocol.on_connection_lost = self._on_transport_lost
        self.protocol.is_session_closing = self._is_session_closing
        return self.protocol


class LinkedClient(Client):
    """The library's client without its own ideas of reconnecting."""

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, timeout=timeout_s)
        self.uaclient = _LinkedClient(timeout_s)

    @property
    def link(self) -> Link:
        """The connection. ConnectionError where there is none."""
        link = self.uaclient.protocol
        if not isinstance(link, Link):
            raise ConnectionError("the link is closed")
        return link
