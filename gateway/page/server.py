"""The gateway's web server: page, /health and /metrics on one port, inside the gateway's event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from importlib import import_module
from time import time_ns
from typing import TYPE_CHECKING, cast

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from gateway import metrics
from gateway.contract import GatewayError
from gateway.health import health, report
from gateway.page.auth import BasicAuth
from gateway.page.settings import PageSettings
from gateway.page.view import View

if TYPE_CHECKING:
    from gateway.page.site import Site

GRACE_S = 1
"""How long a stop waits for browsers to hang up."""

_BACKLOG = 100
_TICK_S = 1.0
log = structlog.get_logger(__name__)


class WebServer:
    """Serves what the settings ask for. `start` once, `stop` once; neither takes over signals."""

    def __init__(self, settings: PageSettings, view: View, listener: socket.socket) -> None:
        self._settings, self._view, self._listener = settings, view, listener
        self._registry = metrics.registry(view.status)
        self._running = AsyncExitStack()
        self._site: Site | None = None
        self._auth: BasicAuth | None = None
        self.port: int = listener.getsockname()[1]

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Load the page in a thread and serve it on the listener, which is closed with it."""
        routes: list[BaseRoute] = [Route("/health", self._health), Route("/metrics", self._metrics)]
        async with AsyncExitStack() as stack:
            stack.enter_context(self._listener)
            if self._settings.enabled:
                self._site = await asyncio.to_thread(_load_site, self._settings, self._view)
                await stack.enter_async_context(self._site.lifespan())
                routes.append(Mount("/", self._site))
            self._auth = BasicAuth(Starlette(routes=routes), self._settings.password)
            await stack.enter_async_context(_serving(self._auth, self._listener))
            self._running = stack.pop_all()
        log.info("page is served", url=self.url, page=self._settings.enabled)

    def adjust(self, settings: PageSettings, view: View) -> None:
        """Show this from now on; open browsers load the page anew. Where it listens stays."""
        self._settings, self._view = settings, view
        if self._auth is not None:
            self._auth.adjust(settings.password)
        if self._site is not None:
            self._site.adjust(settings, view)

    async def stop(self) -> None:
        """Hang up and free the port. Idempotent."""
        await self._running.aclose()

    async def _health(self, request: Request) -> Response:
        status = self._view.status
        verdict = health(status)
        answer = report(status, time_ns()) if request.state.trusted else {"status": verdict.verdict.value}
        return JSONResponse(answer, verdict.http_status, headers={"Cache-Control": "no-store"})

    async def _metrics(self, _: Request) -> Response:
        return Response(metrics.exposition(self._registry), headers={"Content-Type": metrics.CONTENT_TYPE})


class _Server(uvicorn.Server):
    """Uvicorn in somebody else's event loop: leaves signals alone, tells when it listens, is told when to end."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self._ending = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take over nothing."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self.listening.set()

    async def main_loop(self) -> None:
        """Set the clock of answers once a second; Uvicorn's loop looks ten times a second whether it is to end."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._ending.wait()

    def end(self) -> None:
        """Hang up now."""
        self.should_exit = True
        self._ending.set()


@asynccontextmanager
async def _serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="websockets-sansio",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve([listener]), name="web server")
    await server.listening.wait()
    try:
        yield
    finally:
        server.end()
        await task


def listen(settings: PageSettings) -> socket.socket:
    """Take the page's port. GatewayError when it cannot be had."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise GatewayError(f"page: cannot listen on {host} port {port} ({why}): set page.port") from error


def _load_site(settings: PageSettings, view: View) -> Site:
    """Import NiceGUI, which takes a moment, and make the page."""
    module = import_module("gateway.page.site")
    module.application()
    return cast("Site", module.Site(settings, view))
