"""The trends of one browser: which tags, which window, and the chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import time_ns

import structlog
from nicegui import ui

from gateway.contract import GatewayError
from gateway.page import chart
from gateway.page.courses import POINTS, Courses, step_s
from gateway.page.parts import box, text
from gateway.page.plan import Trend
from gateway.page.view import View
from gateway.page.wish import WINDOWS, Wish

FIRST_STRIPS = 3
"""Tags that a browser shows when it has no wish."""

_NS = 1_000_000_000
log = structlog.get_logger(__name__)


class TrendPanel:
    """Asks the historian for what is chosen, as often as the picture can change."""

    def __init__(self, courses: Courses | None, view: View, wish: Wish, tell: Callable[[Wish], None]) -> None:
        self._courses, self._view = courses, view
        self._wish, self._tell = wish, tell
        self._offered: dict[int, Trend] = {}
        self._drawn = 0
        with box("section", "card trends"):
            with box("div", "head"):
                text("h2", words="Trends")
                self._note = text("span", "note", "" if courses else "no historian is configured")
                self._windows = ui.toggle(WINDOWS, value=wish.window_s).on("update:model-value", self._choose)
                self._windows.props("dense unelevated no-caps")
                self._select = ui.select({}, multiple=True, with_input=True).on("update:model-value", self._choose)
                self._select.props(f'dense outlined options-dense max-values={chart.MOST_STRIPS} aria-label="tags"')
                self._select.classes("tags")
            self._chart = ui.echart({}).classes("chart")

    def offer(self, trends: Sequence[Trend]) -> None:
        """The tags that can be chosen; known wishes stay, otherwise the first ones are chosen."""
        self._offered = {trend.tag.id: trend for trend in trends}
        chosen = [tag_id for tag_id in self._wish.tags if tag_id in self._offered][: chart.MOST_STRIPS]
        names = {tag_id: trend.name for tag_id, trend in self._offered.items()}
        self._select.set_options(names, value=chosen or list(names)[:FIRST_STRIPS])
        self._chosen_anew()

    async def draw(self) -> None:
        """Draw the chart when it is due: about once for each point by which it moves."""
        now = time_ns()
        if self._courses is None or now - self._drawn < step_s(self._wish.window_s) * _NS:
            return
        self._drawn = now
        try:
            strips = [await self._strip(self._courses, tag_id, now) for tag_id in self._chosen()]
        except GatewayError as error:
            log.warning("trend is not available", reason=str(error))
            self._note.set_text(str(error))
            return
        self._note.set_text("")
        self._chart.props["options"] = chart.options(strips, now - self._wish.window_s * _NS, now)

    async def _strip(self, courses: Courses, tag_id: int, now: int) -> chart.Strip:
        series = await courses.get(tag_id, self._wish.window_s, POINTS, now)
        trend = self._offered[tag_id]
        return chart.Strip(trend.tag, trend.name, series, self._view.present(trend.tag))

    def _chosen(self) -> list[int]:
        return [tag_id for tag_id in self._select.value or [] if tag_id in self._offered]

    async def _choose(self) -> None:
        """Somebody chose other tags or another window."""
        self._chosen_anew()
        self._wish = replace(self._wish, tags=tuple(self._chosen()), window_s=self._windows.value)
        self._tell(self._wish)
        await self.draw()

    def _chosen_anew(self) -> None:
        self._select.props.set_optional("display-value", f"Tags ({len(self._chosen())})")
        self._drawn = 0
