"""NiceGUI as an ASGI application. Importing this module takes a third of a second: server.py does it in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from nicegui import Client, app, ui
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.page.refresh import Refresher
from gateway.page.screen import Screen
from gateway.page.settings import PageSettings
from gateway.page.view import View
from gateway.page.wish import read_wish

RECONNECT_S = 10.0
"""How long a browser that lost its connection finds its page as it was; after that it loads it anew."""

_PRIMARY = "#46759a"
_STYLE = Path(__file__).with_name("page.css")
_ICON = Path(__file__).with_name("icon.svg")
_SITE = "gateway.page.site"  # key in the ASGI scope


class Site:
    """The page for any number of browsers."""

    def __init__(self, settings: PageSettings, view: View) -> None:
        self.title = settings.title
        self.view = view
        self.refresher = Refresher(view, settings)

    def adjust(self, settings: PageSettings, view: View) -> None:
        """Show this from now on; open browsers load the page anew."""
        self.title = settings.title
        self.view = view
        self.refresher.adjust(view, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the page and its assets."""
        await application()({**scope, _SITE: self}, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """NiceGUI and the refresh run inside."""
        inner = application()
        async with inner.router.lifespan_context(inner):
            task = asyncio.create_task(self.refresher.run(), name="page refresh")
            yield
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@cache
def application() -> FastAPI:
    """NiceGUI in its FastAPI application. NiceGUI keeps its state in its modules, so there is one in a process."""
    made = FastAPI(openapi_url=None)
    ui.page("/")(_index)
    ui.add_head_html(f"<style>{_STYLE.read_text(encoding='utf-8')}</style>", shared=True)
    app.colors(primary=_PRIMARY)
    app.add_exception_handler(HTTPStatus.NOT_FOUND, _nothing_here)
    ui.run_with(
        made,
        dark=None,
        favicon=_ICON,
        language="en-US",
        binding_refresh_interval=None,
        reconnect_timeout=RECONNECT_S,
        tailwind=False,
        show_welcome_message=False,
    )
    return made


async def _nothing_here(request: Request, _: Exception) -> Response:
    return PlainTextResponse(f"Nothing is at {request.url.path}: see /, /health, /metrics.\n", HTTPStatus.NOT_FOUND)


async def _index(request: Request, client: Client) -> None:
    site: Site = request.scope[_SITE]
    client.title = site.title
    await site.refresher.prepare()
    with client:
        screen = Screen(site.refresher.courses, site.view, read_wish(request.query_params))
    site.refresher.add(screen)
    client.on_delete(lambda: site.refresher.remove(screen))
