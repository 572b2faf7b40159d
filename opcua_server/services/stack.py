"""asyncua's server with our services in place of its own. The one module that knows how they are put together."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from concurrent.futures import Future
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any

import structlog
from asyncua import Server, ua
from asyncua.common.connection import TransportLimits
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.server.internal_server import InternalServer
from asyncua.server.standard_address_space import standard_address_space
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509 import Certificate

from opcua_server.errors import ServerError
from opcua_server.services.attribute import Attributes
from opcua_server.services.limits import CHUNK_BYTES, MAX_MESSAGE_BYTES, MAX_SESSIONS
from opcua_server.services.method import Methods
from opcua_server.services.processor import Listener
from opcua_server.services.session import PlantSession
from opcua_server.services.subscription import Subscriptions
from opcua_server.services.view import View
from opcua_server.uatypes import Foreign

SUPPORTED_ASYNCUA = "2.1."
"""The services override parts of asyncua that it does not promise to keep: another version must be tried first."""
APPLICATION_URI = "urn:conche:server"
PRODUCT_URI = "urn:conche"
_NOBODY = User(role=UserRole.Anonymous)
_log = structlog.get_logger(__name__)


def quiet_asyncua() -> None:
    """Keep asyncua from formatting every message it sends, and from calling every refused request an error."""
    logging.getLogger("asyncua").setLevel(logging.WARNING)
    logging.getLogger("asyncua.server.uaprocessor").addFilter(_is_no_refusal)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("sending service fault response")


def check_version(found: str) -> None:
    """Raise ServerError for an asyncua that these services do not fit."""
    if not found.startswith(SUPPORTED_ASYNCUA):
        raise ServerError(
            f"asyncua {found} is installed, this server needs {SUPPORTED_ASYNCUA}*: install the requirements"
        )


class Services(InternalServer):
    """Address space and services, without a network."""

    def __init__(self, users: Foreign) -> None:
        super().__init__(user_manager=users)
        self.allow_remote_admin = False
        self.disabled_clock = True  # the pacer writes the time of the server status
        self.bind_condition_methods = True
        self.max_connections = 2 * MAX_SESSIONS
        self.attribute_service: Attributes = Attributes(self.aspace)
        self.view_service = View(self.aspace)
        self.method_service.stop()
        self.method_service: Methods = Methods(self.aspace)
        self.subscription_service = Subscriptions(self.aspace, self)
        self.isession.subscription_service = self.subscription_service

    async def load_standard_address_space(
        self,
        shelf_file: Path | None = None,  # noqa: ARG002 - as asyncua calls it
    ) -> None:
        """In a thread that dies with the process: it takes longer than a stop may."""
        filled: Future[None] = Future()
        Thread(target=_fill, args=(self.node_mgt_service, filled), name="address space", daemon=True).start()
        await asyncio.wrap_future(filled)

    def use_history(self, history: Foreign) -> None:
        """Let a history service answer HistoryRead."""
        self.history_manager = history

    def create_session(  # as asyncua calls it
        self,
        name: str,
        user: User = _NOBODY,
        external: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> PlantSession:
        """A session for a client. Raises ServiceError when there are too many."""
        if len(self._external_sessions) >= MAX_SESSIONS:
            raise ServiceError(ua.StatusCodes.BadTooManySessions)
        return PlantSession(self, name, user)


def _fill(nodes: Foreign, filled: Future[None]) -> None:
    filled.set_running_or_notify_cancel()
    try:
        standard_address_space.fill_address_space(nodes)  # type: ignore[no-untyped-call]
    except Exception as error:  # noqa: BLE001 - raised where it is waited for
        filled.set_exception(error)
    else:
        filled.set_result(None)


class Stack(Server):
    """asyncua's server around these services, on a socket bound by the caller."""

    def __init__(self, users: Foreign, url: str) -> None:
        check_version(version("asyncua"))
        self.services = Services(users)
        super().__init__(iserver=self.services)
        self.set_endpoint(url)
        self.name, self.manufacturer_name, self.product_uri = "Conche chocolate plant", "Conche", PRODUCT_URI
        self.application_type = ua.ApplicationType.Server
        self._application_uri = APPLICATION_URI
        self._permission_ruleset: Any = None  # every service knows for itself what a user may
        self.limits = TransportLimits(
            CHUNK_BYTES, CHUNK_BYTES, math.ceil(MAX_MESSAGE_BYTES / CHUNK_BYTES), MAX_MESSAGE_BYTES
        )

    async def init(self, shelf_file: Path | None = None) -> None:
        """Load the standard address space."""
        await super().init(shelf_file)
        await self.set_build_info(
            PRODUCT_URI, self.manufacturer_name, self.name, version("conche"), version("asyncua"), datetime.now(UTC)
        )

    def secure(self, certificate: Certificate, key: RSAPrivateKey, *, plain: bool) -> None:
        """Offer an encrypted endpoint with user names; `plain` adds an open one for anonymous readers."""
        self.iserver.certificate, self.iserver.private_key = certificate, key
        policies = [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt]
        self.set_security_policy([ua.SecurityPolicyType.NoSecurity, *policies] if plain else policies)
        self.set_identity_tokens([ua.AnonymousIdentityToken, ua.UserNameIdentityToken])

    def _set_endpoints(self, policy: Foreign, mode: ua.MessageSecurityMode, level: int) -> None:
        super()._set_endpoints(policy, mode, level)
        wanted = ua.UserTokenType.Anonymous if policy is SecurityPolicyNone else ua.UserTokenType.UserName
        endpoint = self.iserver.endpoints[-1]
        endpoint.UserIdentityTokens = [t for t in endpoint.UserIdentityTokens if t.TokenType == wanted]

    async def listen(self, bound: socket.socket) -> None:
        """Accept clients on a bound socket."""
        await self._setup_server_nodes()
        await self.iserver.start()
        self.bserver = Listener(bound, self.iserver, self.limits)
        self.bserver.set_policies(self._policies)
        await self.bserver.start()
