"""The page in one browser: its layout, and what is told to it every second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nicegui import ui

from gateway.page import tables
from gateway.page.courses import Courses
from gateway.page.model import Model, Stock
from gateway.page.parts import Finding, KpiTile, Lamp, Many, StationCard, StockBar, Table, TopBar, box, text
from gateway.page.plan import Trend
from gateway.page.trends import TrendPanel
from gateway.page.view import View
from gateway.page.wish import THEMES, Wish

_THEME_ICONS = {"auto": "brightness_auto", "dark": "dark_mode", "light": "light_mode"}


class Screen:
    """Made inside a page of NiceGUI; `show`, `offer` and `draw` may be called from anywhere in the event loop."""

    def __init__(self, courses: Courses | None, view: View, wish: Wish) -> None:
        self._wish = wish
        self._dark = ui.dark_mode(THEMES[wish.theme])
        self._top = TopBar()
        with self._top.root:
            self._theme = ui.button(icon=_THEME_ICONS[wish.theme], color=None, on_click=self._next_theme)
            self._theme.props('flat round dense aria-label="theme"').classes("theme")
        with box("div", "board"):
            self._kpis = Many(box("section", "kpis"), KpiTile)
            self._stations = Many(box("section", "line"), StationCard)
            self._trends = TrendPanel(courses, view, wish, self._remember)
            self._stocks = self._stock_panel()
            self._connections_panel()
            self._mails_panel()
            self._silent_panel()

    def show(self, model: Model) -> None:
        """Bring the browser up to date; only what has changed is sent."""
        self._top.show(model.header)
        self._kpis.show(model.kpis)
        self._stations.show(model.stations)
        self._stocks.show(model.stocks)
        self._servers.show(model.servers)
        self._sinks.show(model.sinks)
        self._settings.show(model.settings)
        self._findings.show(model.findings)
        self._journal.show(model.journal)
        self._mails.show(model.mails)
        self._mail_summary.set_text(model.mail_summary)
        self._silent.show(model.silent)
        self._silent_summary.show(model.silent_summary)

    def reload(self) -> None:
        """Have the browser load the page anew: what it is made of has changed."""
        with self._top.root:
            ui.navigate.reload()

    def offer(self, trends: Sequence[Trend]) -> None:
        """Tags for the trends."""
        self._trends.offer(trends)

    async def draw(self) -> None:
        """Draw the trends, when due."""
        await self._trends.draw()

    def _stock_panel(self) -> Many[Stock]:
        with box("section", "card stocks"):
            with box("div", "head"):
                text("h2", words="Stock")
                text("span", "note legend", "reorder point")
            return Many(box("div", "bars"), StockBar)

    def _connections_panel(self) -> None:
        with box("section", "card connections"):
            with box("div", "head"):
                text("h2", words="Connections")
                self._settings = Lamp()
                self._journal = Lamp()
            self._findings = Many(box("ul", "findings"), Finding)
            self._servers = Table(tables.SERVERS)
            self._sinks = Table(tables.SINKS)

    def _mails_panel(self) -> None:
        with box("section", "card mails"):
            with box("div", "head"):
                text("h2", words="Mails")
                self._mail_summary = text("span", "note")
            self._mails = Table(tables.MAILS)

    def _silent_panel(self) -> None:
        with box("section", "card silent"):
            with box("div", "head"):
                text("h2", words="Tags that do not deliver")
                self._silent_summary = Lamp()
            self._silent = Table(tables.SILENT)

    def _next_theme(self) -> None:
        names = list(THEMES)
        theme = names[(names.index(self._wish.theme) + 1) % len(names)]
        self._dark.set_value(THEMES[theme])
        self._theme.set_icon(_THEME_ICONS[theme])
        self._remember(replace(self._wish, theme=theme))

    def _remember(self, wish: Wish) -> None:
        self._wish = wish
        ui.navigate.history.replace(wish.address())
