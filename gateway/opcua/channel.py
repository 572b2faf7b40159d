"""The library's secure channel with limits that stay ours, and chunks without security read in one go."""

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
_HEADERS = Struct("<3scIIIII")  # kind, part, size, channel, token, sequence number, request (OPC 10000-6, 6.7.2)


class _Limits(TransportLimits):
    """What we take stays as our Hello said; the library would take whatever the server's Acknowledge says."""

    def update_client_limits(self, msg: ua.Acknowledge) -> None:
        if msg.ReceiveBufferSize < _SHORTEST_BUFFER:
            raise Garbage(f"says that it takes chunks of {msg.ReceiveBufferSize} bytes at most")
        self.max_send_buffer = min(self.max_send_buffer, msg.ReceiveBufferSize)


class Channel(SecureConnection):
    """Every check is the library's, as are sequence numbers, tokens, signatures and encryption."""

    def __init__(self, security_policy: SecurityPolicy) -> None:
        super().__init__(security_policy, _Limits(CHUNK_BYTES, 65_535, MESSAGE_CHUNKS, MESSAGE_BYTES))

    def received(self, chunk: bytes) -> Any:  # noqa: ANN401 - a message of the library
        """The message that the chunk completes; None if it does not."""
        try:
            if chunk.startswith(ua.MessageType.SecureMessage) and isinstance(self.security_policy, SecurityPolicyNone):
                return self._receive(self._plain(chunk))
            buffer = Buffer(chunk)
            return self.receive_from_header_and_body(header_from_binary(buffer), buffer)
        except ua.UaStatusCodeError as error:  # it means our own limits
            raise Garbage(f"sends a message of more than {MESSAGE_BYTES:,} bytes") from error

    def _plain(self, chunk: bytes) -> MessageChunk:
        """What the library makes of a chunk without security, a field at a time."""
        kind, part, size, channel, token, sequence, request = _HEADERS.unpack_from(chunk)
        read = MessageChunk(self.security_policy.symmetric_cryptography, chunk[_HEADERS.size :], kind, part)
        read.MessageHeader.packet_size, read.MessageHeader.ChannelId = size, channel
        read.SecurityHeader = ua.SymmetricAlgorithmHeader(token)
        read.SequenceHeader = ua.SequenceHeader(sequence, request)
        self._check_sym_header(read.SecurityHeader)
        return read
