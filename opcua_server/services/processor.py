"""Requests on a secure channel: tokens checked, BrowseNext served, unsupported services said to be so."""

from __future__ import annotations

import asyncio
import socket

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

from opcua_server.uatypes import Foreign


def _requests(*names: str) -> frozenset[ua.NodeId]:
    return frozenset(ua.NodeId(getattr(ua.ObjectIds, f"{name}Request_Encoding_DefaultBinary")) for name in names)


_WITHOUT_SESSION = _requests("CreateSession", "ActivateSession", "FindServers", "GetEndpoints", "CloseSecureChannel")
_UNSUPPORTED = _requests(
    *("AddNodes", "AddReferences", "DeleteNodes", "DeleteReferences"),  # the address space is the plant's
    *("RegisterServer", "RegisterServer2"),  # this is no discovery server
    "TransferSubscriptions",  # asyncua's answers Good and then delivers nothing
)
_CREATE_SESSION, _ACTIVATE_SESSION = _requests("CreateSession"), _requests("ActivateSession")
_BROWSE_NEXT = _requests("BrowseNext")


class Processor(UaProcessor):
    """asyncua's processor of one connection, with what it lacks."""

    session: Foreign  # a PlantSession, once there is one

    async def _process_message(self, typeid: ua.NodeId, requesthdr: Foreign, seqhdr: Foreign, body: Foreign) -> bool:
        if typeid in _UNSUPPORTED:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        if typeid in _CREATE_SESSION:
            self._check_policy()
        if typeid in _ACTIVATE_SESSION:
            self._prepare_activation(requesthdr.AuthenticationToken)
        elif typeid not in _WITHOUT_SESSION:
            self._check_session(requesthdr.AuthenticationToken)
        if typeid in _BROWSE_NEXT:
            return await self._browse_next(requesthdr, seqhdr, body)
        handled: bool = await super()._process_message(typeid, requesthdr, seqhdr, body)  # type: ignore[no-untyped-call]
        return handled

    def _check_policy(self) -> None:
        """An unencrypted channel is open to everyone for discovery, for sessions only where it is an endpoint."""
        if self._connection.security_policy.URI not in {edp.SecurityPolicyUri for edp in self.iserver.endpoints}:
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)

    def _prepare_activation(self, token: ua.NodeId) -> None:
        """Tell the session how its channel is secured. It may be one that comes back on a new channel."""
        if self.session is not None:
            self._check_session(token)
        session: Foreign = self.session or self.iserver.lookup_external_session(token)
        if session is not None:
            mode = self._connection.security_policy.Mode
            session.is_encrypted = mode == ua.MessageSecurityMode.SignAndEncrypt

    def _check_session(self, token: ua.NodeId) -> None:
        if self.session is None or self.session.auth_token != token:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if self.session.state.name == "Closed":
            raise ServiceError(ua.StatusCodes.BadSessionClosed)

    async def _browse_next(self, requesthdr: Foreign, seqhdr: Foreign, body: Foreign) -> bool:
        if not self.session.is_activated():
            raise ServiceError(ua.StatusCodes.BadSessionNotActivated)
        self.session.touch()
        params = struct_from_binary(ua.BrowseNextParameters, body)
        response = ua.BrowseNextResponse()
        response.Parameters.Results = await self.session.browse_next(params)
        self.send_response(requesthdr.RequestHandle, seqhdr, response)  # type: ignore[no-untyped-call]
        return True


class Connection(OPCUAProtocol):
    """asyncua's connection with our processor."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, self.transport, self.limits)
            self.processor.set_policies(self.policies)  # type: ignore[no-untyped-call]


class Listener(BinaryServer):
    """asyncua's TCP server on a socket that is bound already."""

    def __init__(self, bound: socket.socket, iserver: Foreign, limits: Foreign) -> None:
        host, port = bound.getsockname()[:2]
        super().__init__(iserver, host, port, limits)
        self._socket = bound

    def _make_protocol(self) -> Connection:
        return Connection(self.iserver, self._policies, self.clients, self.closing_tasks, self.limits)

    async def start(self) -> None:
        """Accept clients."""
        self._server = await asyncio.get_running_loop().create_server(self._make_protocol, sock=self._socket)
        self.cleanup_task = asyncio.create_task(self._close_task_loop())
