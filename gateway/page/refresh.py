"""One refresh for all browsers: the view model is made once a second, and not at all while nobody looks."""

from __future__ import annotations

import asyncio
from time import time_ns

import structlog

from gateway.contract import GatewayError
from gateway.page.courses import Courses
from gateway.page.model import Model
from gateway.page.plan import Plan, make_plan
from gateway.page.screen import Screen
from gateway.page.settings import PageSettings
from gateway.page.view import View
from gateway.page.viewmodel import view_model

PERIOD_S = 1.0

log = structlog.get_logger(__name__)


class Refresher:
    """Knows the screens that are open and keeps them up to date."""

    def __init__(self, view: View, settings: PageSettings) -> None:
        self._screens: set[Screen] = set()
        self.adjust(view, settings)
        self._somebody_looks = asyncio.Event()

    def adjust(self, view: View, settings: PageSettings) -> None:
        """Begin anew with these; screens that are open load the page again."""
        self.courses = Courses(view.trend) if view.trend else None
        self._view, self._settings = view, settings
        self._plan = Plan()
        self._sparks: dict[int, tuple[float, ...]] = {}
        for screen in self._screens:
            screen.reload()

    def add(self, screen: Screen) -> None:
        """Show a screen all that is known, and keep it up to date from now on."""
        screen.offer(self._plan.trends)
        screen.show(self._model())
        self._screens.add(screen)
        self._somebody_looks.set()

    def remove(self, screen: Screen) -> None:
        """Forget a screen that was closed."""
        self._screens.discard(screen)
        if not self._screens:
            self._somebody_looks.clear()

    async def prepare(self) -> None:
        """Bring plan and courses up to the catalogue; a first screen calls this, so that nothing jumps later."""
        await self._follow_catalogue()
        await self._follow_courses()

    async def run(self) -> None:
        """Refresh for ever. A failure in it is a bug: it is logged with its traceback and tried again."""
        while True:
            await self._somebody_looks.wait()
            try:
                await self._refresh()
            except Exception:
                log.exception("page cannot be refreshed")
            await asyncio.sleep(PERIOD_S)

    async def _refresh(self) -> None:
        await self.prepare()
        model = self._model()
        for screen in tuple(self._screens):
            screen.show(model)
        for screen in tuple(self._screens):
            await screen.draw()

    async def _follow_catalogue(self) -> None:
        catalogue = self._view.catalogue
        if catalogue.version != self._plan.version:
            version, tags = catalogue.version, tuple(catalogue)
            self._plan = await asyncio.to_thread(make_plan, tags, version, self._settings, self._view.naming)
            for screen in tuple(self._screens):
                screen.offer(self._plan.trends)

    async def _follow_courses(self) -> None:
        if self.courses is None:
            return
        tags = [tag.id for _, tag in self._plan.kpis if tag]
        try:
            self._sparks = await self.courses.sparks(tags, time_ns())
        except GatewayError as error:
            log.warning("course is not available", reason=str(error))

    def _model(self) -> Model:
        return view_model(self._view, self._plan, self._settings, self._sparks, time_ns())
