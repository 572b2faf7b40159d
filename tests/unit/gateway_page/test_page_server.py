"""The web server over a real socket."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from html import unescape

import httpx
import pytest
from support_page import SETTINGS, FakeGateway

from gateway.contract import GatewayError
from gateway.page.server import WebServer, listen
from gateway.page.settings import PageSettings
from gateway.status import Link

Start = Callable[..., "asyncio.Future[WebServer]"]
PASSWORD = httpx.BasicAuth("conche", "bitter")


@pytest.fixture
async def gateway() -> FakeGateway:
    made = FakeGateway()
    await made.give_all()
    return made


@pytest.fixture
async def start(gateway: FakeGateway) -> AsyncIterator[Start]:
    """Starts a server with settings of the test's choice, and stops it."""
    async with AsyncExitStack() as stack:

        async def serve(**settings: object) -> WebServer:
            asked = PageSettings.model_validate(SETTINGS | settings)
            server = WebServer(asked, gateway.view, listen(asked))
            await server.start()
            stack.push_async_callback(server.stop)
            return server

        yield serve


async def get(url: str, auth: httpx.BasicAuth | None = None) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(url, auth=auth)


def connect_all(gateway: FakeGateway) -> None:
    for sink in gateway.status.sinks.values():
        sink.connection.become(Link.CONNECTED)


async def test_health_is_200_when_all_is_connected_and_503_otherwise(start: Start, gateway: FakeGateway) -> None:
    server = await start(enabled=False)
    answer = await get(f"{server.url}/health")
    assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
    assert "sink sparkplug is waiting" in answer.json()["reasons"][0]
    connect_all(gateway)
    answer = await get(f"{server.url}/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_metrics_are_served_as_prometheus_wants_them(start: Start) -> None:
    server = await start(enabled=False)
    answer = await get(f"{server.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'conche_source_values_total{source="plant"}' in answer.text


async def test_without_the_page_there_is_no_page(start: Start) -> None:
    server = await start(enabled=False)
    assert (await get(server.url)).status_code == 404


async def test_the_page_shows_the_line_from_the_first_byte_on(start: Start) -> None:
    server = await start()
    html = unescape((await get(server.url)).text)
    for word in ("Chocolate line 1", "Roasting", "Conche2", "Cocoa Butter", "Cost per unit", "Execute", "stock-low"):
        assert word in html


async def test_what_is_not_there_is_said_in_one_line(start: Start) -> None:
    server = await start()
    answer = await get(f"{server.url}/metrix")
    assert (answer.status_code, answer.text) == (404, "Nothing is at /metrix: see /, /health, /metrics.\n")


async def test_a_tab_of_the_page_has_its_sign(start: Start) -> None:
    server = await start()
    assert (await get(f"{server.url}/favicon.ico")).text.startswith("<svg")


async def test_the_page_needs_nothing_from_elsewhere(start: Start) -> None:
    server = await start()
    html = (await get(server.url)).text
    assert re.findall(r"""(?:src|href|url\(|import|from)\s*[=(]?\s*["']?(?:https?:)?//[^"'\s)]+""", html) == []
    assets = set(re.findall(r"""["'(](/_nicegui/[^"'()\s]+\.(?:css|js|mjs))["')]""", html))
    assert assets
    for asset in assets:
        found = await get(server.url + asset)
        assert found.status_code == 200, asset
        if asset.endswith(".css"):
            assert "//fonts." not in found.text


async def test_names_from_a_server_cannot_bring_markup_into_the_page(start: Start, gateway: FakeGateway) -> None:
    gateway.status.sources["plant"].silent["</script><img src=x onerror=alert(1)>"] = "`${alert(2)}`"
    server = await start()
    html = (await get(server.url)).text
    assert "onerror=alert(1)" in html
    assert "<img src=x" not in html
    assert "</script><img" not in html
    assert "`${alert(2)}`" not in html


async def test_with_a_password_nobody_sees_anything_without_it(start: Start) -> None:
    server = await start(password="bitter")
    for path in ("/", "/metrics", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        for auth in (None, httpx.BasicAuth("conche", "sweet"), httpx.BasicAuth("root", "bitter")):
            answer = await get(server.url + path, auth)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"].startswith("Basic")
            assert "Roasting" not in answer.text
    assert (await get(server.url, PASSWORD)).status_code == 200
    assert (await get(f"{server.url}/metrics", PASSWORD)).status_code == 200


@pytest.mark.parametrize(
    "claim", ["Basic", "Basic !!!", "Basic Y29uY2hl", "Bearer x", "Basic \xff", "basic Y29uY2hlOg=="]
)
async def test_a_malformed_claim_is_refused(start: Start, claim: str) -> None:
    server = await start(password="bitter", enabled=False)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{server.url}/metrics", headers={"Authorization": claim.encode("latin-1")})
    assert answer.status_code == 401


async def test_a_probe_needs_no_password_but_learns_no_details(start: Start, gateway: FakeGateway) -> None:
    server = await start(password="bitter", enabled=False)
    connect_all(gateway)
    assert (await get(f"{server.url}/health")).json() == {"status": "ok"}
    assert "sources" in (await get(f"{server.url}/health", PASSWORD)).json()


@pytest.mark.parametrize(("claim", "status"), [("", b"403"), ("Authorization: Basic Y29uY2hlOmJpdHRlcg==\r\n", b"101")])
async def test_the_websocket_needs_the_password_too(start: Start, claim: str, status: bytes) -> None:
    server = await start(password="bitter")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        + claim.encode()
        + b"\r\n"
    )
    assert (await reader.readline()).split()[1] == status
    writer.close()


async def test_a_port_in_use_is_said_in_one_line_with_the_setting(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(GatewayError, match=rf"port {port} \(Address already in use\): set page\.port"):
            await start(port=port, enabled=False)


async def test_the_port_is_free_again_after_a_stop(start: Start) -> None:
    first = await start(enabled=False)
    await first.stop()
    await first.stop()
    second = await start(enabled=False, port=first.port)
    assert (await get(f"{second.url}/health")).status_code == 503


async def test_answers_say_when_they_were_made(start: Start) -> None:
    server = await start(enabled=False)
    first = datetime.now(UTC)
    async with asyncio.timeout(20):
        while (said := await made(server)) < first + timedelta(seconds=1):
            await asyncio.sleep(0.1)
    assert said <= datetime.now(UTC)


async def made(server: WebServer) -> datetime:
    return parsedate_to_datetime((await get(f"{server.url}/health")).headers["date"])


async def test_signals_stay_with_their_owner(start: Start) -> None:
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    await start()
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


async def test_a_page_that_was_stopped_can_start_again(start: Start) -> None:
    for _ in range(2):
        server = await start()
        assert (await get(server.url)).status_code == 200
        await server.stop()


async def test_while_nobody_looks_nothing_is_asked(start: Start, gateway: FakeGateway) -> None:
    await start()
    await asyncio.sleep(1.2)
    assert gateway.queries == 0


async def test_other_settings_are_shown_without_a_restart(start: Start, gateway: FakeGateway) -> None:
    server = await start(password="bitter")
    settings = PageSettings.model_validate(SETTINGS | {"title": "Another line", "password": "sweet", "port": 0})
    server.adjust(settings, gateway.view)
    assert (await get(server.url, PASSWORD)).status_code == 401
    html = (await get(server.url, httpx.BasicAuth("conche", "sweet"))).text
    assert "Another line" in html
    assert "Chocolate line 1" not in html


async def test_why_a_settings_file_is_refused_stands_on_the_page(start: Start, gateway: FakeGateway) -> None:
    server = await start()
    assert "Settings of" in unescape((await get(server.url)).text)
    gateway.status.settings.refuse(("gateway.yaml:3: sources.0.url: is missing",))
    html = unescape((await get(server.url)).text)
    assert "Settings file refused" in html
    assert "gateway.yaml:3: sources.0.url: is missing" in html
    metrics = (await get(f"{server.url}/metrics")).text
    assert "conche_reload_refusals_total 1.0" in metrics
    assert "conche_settings_refused 1.0" in metrics
