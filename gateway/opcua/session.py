"""A session with a server: connecting, securing, asking. The library's exceptions end here."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Self

import structlog
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.ua_binary import struct_from_binary

from gateway.contract import GatewayError, NotConnected
from gateway.opcua.certificate import Certificate, NoCertificate
from gateway.opcua.endpoint import POLICIES, Endpoint, choose
from gateway.opcua.errors import ServiceFault, login_refused, translated
from gateway.opcua.link import LinkedClient
from gateway.opcua.nodes import Namespaces, standard
from gateway.opcua.pki import APPLICATION_NAME, PRODUCT_URI, application_uri, own_certificate
from gateway.opcua.trust import TrustFolder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from gateway.opcua.link import Answer
    from gateway.opcua.settings import SourceSettings

_NO_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#None"
_RENEW_AT = 0.75  # of the channel's lifetime (OPC 10000-4, 5.5.2.1)
_CLOSE_S = 2.0
_HIGHEST = 255
_TOO_MUCH = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadRequestTooLarge,
        ua.StatusCodes.BadResponseTooLarge,
        ua.StatusCodes.BadEncodingLimitsExceeded,
        ua.StatusCodes.BadTcpMessageTooLarge,
    }
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What may go into one call: the server's OperationLimits, and our caps that keep the event loop responsive."""

    read: int = 500
    browse: int = 200
    history: int = 100
    items: int = 500
    items_per_subscription: int = 100_000

    @classmethod
    def announced(cls, values: Sequence[Any]) -> Limits:
        """The limits of a server that announces these values, in the order of the fields; what is no limit, is none."""
        caps = cls()
        pairs = zip(cls.__slots__, values, strict=True)
        sane = {name: value for name, value in pairs if isinstance(value, int) and value > 0}
        return cls(**{name: min(value, getattr(caps, name)) for name, value in sane.items()})


_SERVER_FACTS = (
    ua.ObjectIds.Server_ServerArray,
    ua.ObjectIds.Server_NamespaceArray,
    ua.ObjectIds.Server_ServerStatus_StartTime,
    ua.ObjectIds.Server_ServiceLevel,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    ua.ObjectIds.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription,
)


class Session:
    """An activated session. Its methods raise NotConnected, SessionLost or ServiceFault."""

    def __init__(self, url: str, settings: SourceSettings, pki: Path) -> None:
        self.url = url
        self.namespaces = Namespaces(())
        self.limits = Limits()
        self.life: tuple[str, ...] = ()  # server URI, start time, namespaces: with these all numbers keep their meaning
        self.service_level = _HIGHEST  # as it was at the start, 0 … 255
        self._settings = settings
        self._pki = pki
        self._client = _client(url, settings)
        self._endpoint: Endpoint | None = None  # None: without security, as the settings say

    @classmethod
    async def connect(cls, settings: SourceSettings, pki: Path, url: str = "") -> Self:
        """Connect as the settings say, or raise: nothing less secure is ever tried. `url`: one of settings.urls."""
        session = cls(url or settings.url, settings, pki)
        with translated(session.url):
            try:
                await session._secure()
                await session._open()
                await session._create()
                await session._activate()
                await session._learn()
            except BaseException:
                session.abandon()
                raise
            return session

    async def reopen(self) -> bool:
        """Take the session up again on a new channel (OPC 10000-4, 6.7). False when the server has it no more.

        NotConnected when the server cannot be reached; then the session may still be there.
        """
        self.abandon()
        known = self.life
        with translated(self.url):
            if not await self._is_as_it_was():
                return False
            await self._open()
        try:
            with translated(self.url):
                self._client.uaclient.session.rebind_authentication_token()
                await self._activate()
                await self._learn()
        except GatewayError as error:
            self.abandon()
            _log.info("session cannot be taken up again", url=self.url, reason=str(error))
            return False
        if known != self.life:
            self.abandon()
            _log.info("the server was restarted", url=self.url)
            return False
        return True

    async def _secure(self) -> None:
        """Choose an endpoint and believe its certificate, or raise."""
        if self._settings.security.policy == "None":
            return
        self._endpoint = endpoint = await self._trusted_endpoint()
        certificate, key = await asyncio.to_thread(own_certificate, self._pki)
        await self._client.set_security(
            POLICIES[endpoint.policy],
            certificate,
            key,
            server_certificate=CertProperties(endpoint.certificate, "der"),
            mode=ua.MessageSecurityMode[endpoint.mode],
        )

    async def _trusted_endpoint(self) -> Endpoint:
        """What the server offers, asked on a channel of its own; Untrusted, NotConnected."""
        asking = _client(self.url, self._settings)
        endpoint = choose(await asking.connect_and_get_server_endpoints(), self._settings.security)
        await asyncio.to_thread(self._check_certificate, endpoint)
        return endpoint

    def _check_certificate(self, endpoint: Endpoint) -> None:
        pinned = self._settings.security.server_certificate
        TrustFolder(self._pki).check(
            Certificate.read(endpoint.certificate),
            self.url,
            endpoint.application_uri,
            _readable(endpoint.issuers),
            None if pinned is None else Certificate.read(pinned.read_bytes()),
        )

    async def _is_as_it_was(self) -> bool:
        """Whether the server shows the certificate of before; with another a new session must be made."""
        return self._endpoint is None or await self._trusted_endpoint() == self._endpoint

    async def _create(self) -> None:
        """Create the session; the endpoints that come with it must be those that were chosen from (5.7.2.1)."""
        answer = await self._client.create_session()
        if self._endpoint is not None and choose(answer.ServerEndpoints, self._settings.security) != self._endpoint:
            raise NotConnected(f"{self.url} told of other endpoints before: somebody may be in between")

    async def _open(self) -> None:
        try:
            await self._client.connect_socket()
            await self._client.send_hello()
            await self._client.open_secure_channel()
        except BaseException:
            self.abandon()
            raise

    async def _activate(self) -> None:
        user, password = self._settings.security.user, self._settings.security.password.get_secret_value()
        if password and self._is_readable_on_the_wire():
            raise NotConnected(f"{self.url} would get the password in clear text: set security.policy")
        try:
            await self._client.activate_session(user or None, password or None)
        except ua.UaStatusCodeError as error:
            raise login_refused(error.code) from error

    def _is_readable_on_the_wire(self) -> bool:
        token = self._client.server_policy(ua.UserTokenType.UserName)
        encrypted = self._client.security_policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        return token.SecurityPolicyUri in (None, "", _NO_POLICY) and not encrypted

    async def _learn(self) -> None:
        """Read what depends on the server's present life: namespaces, start time, limits."""
        nodes = [standard(fact) for fact in _SERVER_FACTS]
        servers, uris, started, level, *limits = [_plain(value) for value in await self.values(nodes)]
        self.service_level = _level(level)
        self.namespaces = Namespaces(uris or ())
        self.life = (*(servers or ())[:1], str(started), *self.namespaces.uris)
        self.limits = Limits.announced(limits)

    async def ask_service_level(self) -> int:
        """The server's ServiceLevel now, 0 … 255 (OPC 10000-4, 6.6.2.4.3); 255 of a server that does not say."""
        (value,) = await self.values([standard(ua.ObjectIds.Server_ServiceLevel)])
        return _level(_plain(value))

    async def values(self, nodes: Sequence[ua.NodeId]) -> list[ua.DataValue]:
        """The values of some nodes, not more than fit one call."""
        wanted = [ua.ReadValueId(NodeId=node, AttributeId=ua.AttributeIds.Value) for node in nodes]
        values: list[ua.DataValue] = await self.ask(self.services.read, ua.ReadParameters(NodesToRead=wanted))
        return values

    async def ask(self, service: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:  # noqa: ANN401 - as the service
        """Call one of the library's services, `session.services.read` for instance."""
        with translated(self.url):
            return await service(*arguments)

    @property
    def services(self) -> Any:  # noqa: ANN401 - the library's session
        """The library's service calls, to be used through ask()."""
        return self._client.uaclient.session

    async def call(self, request: Any, timeout_s: float | None = None) -> bytes:  # noqa: ANN401 - any request of the library
        """Send a request; the bytes of the answer, not decoded."""
        with translated(self.url):
            answer = await self._client.link.send_request(request, timeout_s)
            return answer.read(len(answer))

    def publish(self, acknowledge: Sequence[tuple[int, int]], tell: Callable[[Answer], None]) -> Answer:
        """Ask for the next message, say which ones are stored: subscription, sequence number. NotConnected.

        `tell` is called when the server has something to say; what the answer raises is not translated.
        """
        with translated(self.url):
            return self._client.link.publish(acknowledge, tell)

    async def create_subscription(self, parameters: ua.CreateSubscriptionParameters) -> ua.CreateSubscriptionResult:
        """Create a subscription. The library's own call would start its publish loop too."""
        answer = await self.call(ua.CreateSubscriptionRequest(Parameters=parameters))
        with translated(self.url):
            response = struct_from_binary(ua.CreateSubscriptionResponse, Buffer(answer))
            response.ResponseHeader.ServiceResult.check()
            result: ua.CreateSubscriptionResult = response.Parameters
            return result

    async def transfer(self, subscriptions: Sequence[int], *, initial_values: bool) -> list[ua.TransferResult]:
        """Make subscriptions of other sessions those of this one (OPC 10000-4, 5.14.7)."""
        wanted = ua.TransferSubscriptionsParameters(
            SubscriptionIds=list(subscriptions), SendInitialValues=initial_values
        )
        results: list[ua.TransferResult] = await self.ask(self.services.transfer_subscriptions, wanted)
        return results

    async def keep_channel(self) -> NoReturn:
        """Renew the secure channel before it expires, for ever."""
        while True:
            await asyncio.sleep(self._client.secure_channel_timeout / 1000 * _RENEW_AT)
            with translated(self.url):
                await self._client.open_secure_channel(renew=True)
                self._client.uaclient.revolve_security_token()

    async def close(self) -> None:
        """Say good-bye: the server deletes session and subscriptions. Never raises, never takes long."""
        if self._client.uaclient.protocol is None:
            return  # the link is down; the server forgets us by itself
        with suppress(GatewayError), translated(self.url):  # the peer may be going, too
            async with asyncio.timeout(_CLOSE_S):
                await self._client.uaclient.close_session(delete_subscriptions=True)
                await self._client.close_secure_channel()
        self.abandon()

    def abandon(self) -> None:
        """Drop the link at once; the session lives on at the server until its timeout."""
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        self._client.disconnect_socket()


async def in_chunks(
    items: Sequence[Any], size: int, call: Callable[[Sequence[Any]], Awaitable[list[Any]]]
) -> list[Any]:
    """The results of a call for all items, `size` at a time, halved whenever the server finds that too many."""
    results: list[Any] = []
    while len(results) < len(items):
        part = items[len(results) : len(results) + size]
        try:
            got = await call(part)
        except ServiceFault as fault:
            if fault.code not in _TOO_MUCH or len(part) == 1:
                raise
            size = len(part) // 2
            continue
        if len(got) != len(part):
            raise NotConnected(f"the server answers {len(got)} times to {len(part)} questions")
        results += got
    return results


def _readable(certificates: Sequence[bytes]) -> list[Certificate]:
    """Those that are certificates: what a server sends along may be anything."""
    found: list[Certificate] = []
    for one in certificates:
        with suppress(NoCertificate):
            found.append(Certificate.read(one))
    return found


def _plain(value: ua.DataValue) -> Any:  # noqa: ANN401 - whatever the server says
    return value.Value.Value if value.Value else None


def _level(value: object) -> int:
    return value if isinstance(value, int) else _HIGHEST


def _client(url: str, settings: SourceSettings) -> LinkedClient:
    client = LinkedClient(url, settings.timeout_s)
    client.name = client.description = APPLICATION_NAME
    client.application_uri, client.product_uri = application_uri(), PRODUCT_URI
    client.session_timeout = round(settings.lifetime_s * 1000)
    return client
