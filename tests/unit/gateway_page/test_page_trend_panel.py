"""The panel of trends in a browser: what is chosen, and why there is no chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from nicegui import Client, ui
from support_page import STOCKS, FakeGateway

from gateway.contract import GatewayError
from gateway.page.chart import MOST_STRIPS
from gateway.page.courses import Courses
from gateway.page.plan import Trend
from gateway.page.trends import FIRST_STRIPS, TrendPanel
from gateway.page.wish import Wish

OFFERED = [FakeGateway().catalogue.find(f"Warehouse/{place}/Level").id for place in STOCKS]
FIRST, SECOND, *_, LAST = OFFERED
GONE = 99_999


class House:
    """A panel in a browser, before a historian that may fail."""

    def __init__(self, browser: Client, *wishes: int) -> None:
        self.gateway = FakeGateway()
        self.failure = ""
        with browser:
            self.panel = TrendPanel(Courses(self._query), self.gateway.view, Wish(wishes), lambda _: None)
        self.panel.offer([Trend(self.gateway.catalogue.tag(tag), f"Tag {tag}") for tag in OFFERED])

    async def _query(self, *asked: Any) -> Any:
        if self.failure:
            raise GatewayError(self.failure)
        return await self.gateway.trend(*asked)

    async def draw(self) -> tuple[str, int]:
        """What the note says, and how many strips the chart has, when it was drawn anew."""
        self.panel._drawn = 0
        self.panel._courses._known.clear()
        await self.panel.draw()
        return self.panel._note.text, len(self.panel._chart.options.get("grid", ()))


@pytest.fixture
def browser() -> Iterator[Client]:
    client = Client(ui.page("/"))
    yield client
    client.delete()


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [
        ((), OFFERED[:FIRST_STRIPS]),
        ((LAST, SECOND), [LAST, SECOND]),
        ((LAST, GONE, SECOND), [LAST, SECOND]),
        ((GONE,), OFFERED[:FIRST_STRIPS]),
        (OFFERED[::-1], OFFERED[::-1][:MOST_STRIPS]),
    ],
    ids=["none", "two", "one is gone", "all are gone", "too many"],
)
async def test_known_wishes_stay_and_without_any_the_first_are_drawn(
    browser: Client, wish: Sequence[int], chosen: list[int]
) -> None:
    house = House(browser, *wish)
    assert house.panel._chosen() == chosen
    assert await house.draw() == ("", len(chosen))


async def test_why_the_historian_does_not_answer_stands_at_the_chart_until_it_does(browser: Client) -> None:
    house = House(browser, FIRST, SECOND)
    assert await house.draw() == ("", 2)
    house.failure = "the historian's disk is full"
    assert await house.draw() == ("the historian's disk is full", 2), "the last picture stays"
    house.failure = ""
    assert await house.draw() == ("", 2)


async def test_without_a_historian_that_is_said(browser: Client) -> None:
    with browser:
        panel = TrendPanel(None, FakeGateway().view, Wish(), lambda _: None)
    await panel.draw()
    assert panel._note.text == "no historian is configured"
