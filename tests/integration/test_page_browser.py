"""The page in Chromium, as somebody in front of a wall screen or with a phone sees it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support_demo import free_ports

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "tests" / "support_page.py"
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
WALL, PHONE = {"width": 1920, "height": 1080}, {"width": 390, "height": 844}
RECONNECT_MS = 20_000


@contextmanager
def gateway(port: int, *more: str) -> Iterator[str]:
    """A gateway's page in a process of its own; yields its address, then asks it to stop and expects that it does."""
    with gateway_process(port, *more) as (address, _):
        yield address


@contextmanager
def gateway_process(port: int, *more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The same with the process, which takes other settings at SIGHUP."""
    command = [sys.executable, str(DEMO), "--port", str(port), *more]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield next(line.strip() for line in process.stdout if line.startswith("http")), process
        finally:
            process.terminate()
        assert process.wait(5) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=SWITCHES)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gateway(0) as address:
        yield address


@pytest.fixture
def wall(browser: Browser, url: str) -> Iterator[Page]:
    """The page on a wall screen; errors in the browser fail the test."""
    page = browser.new_page(viewport=WALL)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    expect(page.locator(".chart canvas")).to_be_visible()
    yield page
    page.close()
    assert errors == []


def expect_life(page: Page) -> None:
    """The clock runs and values change, without a reload by hand."""
    clock = page.locator(".now").inner_text()
    values = page.locator(".stock-level").all_inner_texts()
    expect(page.locator(".now")).not_to_have_text(clock)
    expect(page.locator(".stock-level")).not_to_have_text(values)


def test_the_line_is_in_sight_with_its_states(wall: Page) -> None:
    names = ["Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding"]
    expect(wall.locator(".station h3")).to_have_text(names)
    states = ["Execute", "Execute", "Suspended", "Execute", "2 of 3 Execute", "Held", "Aborted"]
    expect(wall.locator(".station > .lamp")).to_have_text([re.compile(state) for state in states])
    expect(wall.locator(".unit")).to_have_count(3)
    expect(wall.locator(".stock")).to_have_count(8)
    expect(wall.locator(".kpi .spark polyline")).to_have_count(4)
    expect(wall.locator(".mails tbody tr")).to_have_count(4)


def test_a_wall_screen_shows_all_of_it_without_scrolling(wall: Page) -> None:
    assert wall.evaluate("document.documentElement.scrollHeight") <= WALL["height"]


def test_values_change_by_themselves_and_the_page_stays_where_it_is(wall: Page) -> None:
    wall.set_viewport_size({"width": 1440, "height": 500})
    wall.mouse.wheel(0, 200)
    expect_life(wall)
    before = wall.evaluate("[scrollY, document.documentElement.scrollHeight]")
    expect_life(wall)
    assert wall.evaluate("[scrollY, document.documentElement.scrollHeight]") == before
    assert before[0] > 0


def test_a_phone_scrolls_in_one_direction_only(browser: Browser, url: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(url)
    expect_life(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    hidden = "[...document.querySelectorAll('.scroll')].filter(table => table.scrollWidth > table.clientWidth).length"
    assert page.evaluate(hidden) == 0
    expect(page.get_by_text("connection refused by 127.0.0.1:1883, next try in 4 s", exact=True)).to_be_visible()
    page.close()


def test_on_paper_it_is_light_and_has_no_buttons(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(f"{url}/?theme=dark")
    expect_life(page)
    colour = "getComputedStyle(document.querySelector('.card')).backgroundColor"
    assert page.evaluate(colour) == "rgb(24, 31, 38)"
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"
    expect(page.get_by_role("button", name="theme")).to_be_hidden()
    page.close()


def test_tags_are_found_by_typing_and_chosen_by_keyboard(wall: Page) -> None:
    wall.get_by_role("combobox", name="tags").focus()
    wall.keyboard.type("moist")
    expect(wall.get_by_role("option")).to_have_text(["Conching · Moisture"])
    wall.keyboard.press("ArrowDown")
    wall.keyboard.press("Enter")
    expect(wall.locator(".tags")).to_contain_text("Tags (4)")
    expect(wall).to_have_url(re.compile(r"tags=\d+,\d+,\d+,\d+&"))


def test_the_browser_asks_nobody_else(browser: Browser, url: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url.replace("ws://", "http://")))
    page.goto(url)
    expect_life(page)
    assert len(asked) > 5
    assert [one for one in asked if not one.startswith((url, "data:", "blob:"))] == []
    page.close()


def test_chosen_tags_window_and_theme_survive_a_reload(wall: Page) -> None:
    expect(wall).to_have_url(re.compile(r"/$"))
    wall.get_by_text("1 h", exact=True).click()
    wall.locator(".tags").click()
    wall.get_by_role("option", name="Conching · Moisture").click()
    wall.keyboard.press("Escape")
    wall.get_by_role("button", name="theme").click()
    expect(wall).to_have_url(re.compile(r"tags=\d+,\d+,\d+,\d+&window=3600&theme=dark"))
    wall.reload()
    expect(wall.locator("body.body--dark")).to_have_count(1)
    expect(wall.locator(".trends .q-btn[aria-pressed=true]")).to_have_text("1 h")
    expect(wall.locator(".tags")).to_contain_text("Tags (4)")


def test_it_comes_back_by_itself_when_the_gateway_restarts(browser: Browser) -> None:
    [port] = free_ports(1)
    page = browser.new_page()
    with gateway(port) as address:
        page.goto(address)
        expect_life(page)
    expect(page.locator("#popup")).to_be_visible()
    expect(page.locator("#popup")).to_contain_text("Connection lost")
    with gateway(port):
        expect(page.locator("#popup")).to_be_hidden(timeout=RECONNECT_MS)
        expect(page.locator(".station")).to_have_count(7)
        expect_life(page)
        page.close()


def test_an_open_page_follows_when_its_settings_change(browser: Browser) -> None:
    with gateway_process(0) as (address, process):
        page = browser.new_page()
        page.goto(address)
        expect(page.locator("h1")).to_have_text("Chocolate line 1")
        expect_life(page)
        process.send_signal(signal.SIGHUP)
        expect(page.locator("h1")).to_have_text("Chocolate line 2")
        expect_life(page)
        page.close()


def test_behind_a_password_the_page_lives_as_well(browser: Browser) -> None:
    with gateway(0, "--password", "bitter") as address:
        friend = browser.new_page(http_credentials={"username": "conche", "password": "bitter"})
        sockets: list[str] = []
        friend.on("websocket", lambda socket: sockets.append(socket.url))
        friend.goto(address)
        expect_life(friend)
        assert sockets
        friend.close()
