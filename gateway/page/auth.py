"""Basic authentication in front of everything the gateway serves, its websocket included."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode

from pydantic import SecretStr
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

USER = "conche"
"""The only user there is."""

OPEN_PATHS = frozenset({"/health"})
"""Answered without a password, so that probes need none; the answer then holds no details."""


class BasicAuth:
    """ASGI application that lets only those through who know the password; `scope["state"]["trusted"]` tells who did.

    Without a password everybody is trusted (the settings allow that on loopback only).
    """

    def __init__(self, app: ASGIApp, password: SecretStr | None) -> None:
        self._app = app
        self.adjust(password)

    def adjust(self, password: SecretStr | None) -> None:
        """Ask for this password from now on."""
        self._expected = f"{USER}:{password.get_secret_value()}".encode() if password else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse: 401 to HTTP, 403 to a websocket's handshake."""
        trusted = self._expected is None or hmac.compare_digest(_credentials(Headers(scope=scope)), self._expected)
        if trusted or scope["path"] in OPEN_PATHS:
            await self._app({**scope, "state": {"trusted": trusted}}, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="Conche", charset="UTF-8"'}
            refusal = PlainTextResponse("Password needed.\n", status_code=401, headers=challenge)
            await refusal(scope, receive, send)


def _credentials(headers: Headers) -> bytes:
    """What the client claims as user:password; empty where it claims nothing that can be read."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
