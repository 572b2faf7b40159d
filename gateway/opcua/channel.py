"""The library's secure channel with limits that stay ours, and a short way for messages that need no security."""

from __future__ import annotations

from struct import Struct
from typing import Any

from asyncua import ua
from asyncua.common.connection import MessageChunk, SecureConnection, TransportLimits
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicy, SecurityPolicyNone
from asyncua.ua.ua_binary import header_from_binary

from gateway.opcua.chunks import CHUNK_BYTES, MESSAGE_BYTES, MESSAGE_CHUNKS, Garbage

_SHORTEST_BUFFER = 1_024  # of a server; 8,192 but for ECC (OPC 10000-6, 7.1.2.3)
_LAST = 0xFFFF_FFFF
_HEADERS = Struct("<3scIIIII")  # kind, part, size, channel, token, sequence number, request (OPC 10000-6, 6.7.2)


class _Limits(TransportLimits):
    """What we take stays as our Hello said; the library would take whatever the server's Acknowledge says."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        if msg.ReceiveBufferSize < _SHORTEST_BUFFER:
            raise Garbage(f"says that it takes chunks of {msg.ReceiveBufferSize} bytes at most")
        self.max_send_buffer = min(self.max_send_buffer, msg.ReceiveBufferSize)


class Channel(SecureConnection):
    """Tokens, signatures and encryption are the library's, and so are all verdicts on what is not as it should be."""

    def __init__(self, security_policy: SecurityPolicy) -> None:
        super().__init__(security_policy, _Limits(CHUNK_BYTES, 65_535, MESSAGE_CHUNKS, MESSAGE_BYTES))

    @property
    def _is_plain(self) -> bool:
        return isinstance(self.security_policy, SecurityPolicyNone)

    def request(self, body: bytes, request_id: int) -> bytes:
        """The chunks of a request."""
        size, token = _HEADERS.size + len(body), self.security_token
        if not self._is_plain or size > self._limits.max_send_buffer:
            return self.message_to_binary(body, request_id=request_id)
        self._sequence_number = self._sequence_number % _LAST + 1
        headers = (b"MSG", b"F", size, token.ChannelId, token.TokenId, self._sequence_number, request_id)
        return _HEADERS.pack(*headers) + body

    def answer(self, chunk: bytes) -> tuple[int, Buffer] | None:
        """The request and the body, where a chunk is a whole message without security and in every way what is due.

        None for all others: received() takes them, or says what is wrong.
        """
        if not self._is_plain or self._incoming_parts or len(chunk) <= _HEADERS.size:
            return None
        *headers, request_id = _HEADERS.unpack_from(chunk)
        token, sequence = self.security_token, (self._peer_sequence_number or 0) + 1
        if headers != [b"MSG", b"F", len(chunk), token.ChannelId, token.TokenId, sequence]:
            return None
        self._peer_sequence_number = sequence
        return request_id, Buffer(chunk, _HEADERS.size)

    def received(self, chunk: bytes) -> Any:  # noqa: ANN401 - a message of the library
        """The message that any chunk completes; None if it does not."""
        try:
            if self._is_plain and chunk.startswith(ua.MessageType.SecureMessage):
                return self._receive(self._read(chunk))
            rest = Buffer(chunk)
            return self.receive_from_header_and_body(header_from_binary(rest), rest)
        except ua.UaStatusCodeError as error:  # it means our own limits
            raise Garbage(f"sends a message of more than {MESSAGE_BYTES:,} bytes") from error

    def _read(self, chunk: bytes) -> Any:  # noqa: ANN401 - a chunk of the library
        """A chunk without security as the library reads it, but its headers in one go: large messages have many."""
        kind, part, size, channel, token, sequence, request_id = _HEADERS.unpack_from(chunk)
        read: Any = MessageChunk(self.security_policy.symmetric_cryptography, chunk[_HEADERS.size :], kind, part)
        read.MessageHeader.packet_size, read.MessageHeader.ChannelId = size, channel
        read.SecurityHeader = ua.SymmetricAlgorithmHeader(token)
        read.SequenceHeader = ua.SequenceHeader(sequence, request_id)
        self._check_sym_header(read.SecurityHeader)
        return read
