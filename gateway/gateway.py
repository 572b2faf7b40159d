"""The gateway put together: sources, journal, sinks, rules, mails and page, started, changed and stopped in order."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AsyncExitStack
from socket import socket

import structlog

from gateway.crew import Crew, Task
from gateway.journal import Journal, JournalError
from gateway.naming import Naming
from gateway.notify.notifiers import make_notifier
from gateway.notify.queue import MailQueue
from gateway.notify.texts import Texts
from gateway.opcua.settings import SourceSettings
from gateway.opcua.source import OpcUaSource
from gateway.outlets import Outlets, make_sink
from gateway.page.server import WebServer, listen
from gateway.page.view import View
from gateway.reload import Fate, Plan, chosen, gone, plan, trends_from
from gateway.rules.engine import RuleEngine
from gateway.settings import GatewaySettings
from gateway.sinks.historian import Historian
from gateway.sinks.latest import Latest
from gateway.status import SourceStatus, Status

log = structlog.get_logger(__name__)


class Gateway:
    """One gateway. start(), then run() until cancelled, then stop(), also after a start that failed half-way."""

    _journal: Journal
    _mails: MailQueue
    _rules: RuleEngine
    _web: WebServer

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        """Those in force."""
        self._naming = Naming(settings.naming)
        self.status = Status()
        self._latest = Latest("page")
        self._crew = Crew()
        self._outlets = Outlets(self._crew, self.status)
        self._sources: dict[str, tuple[OpcUaSource, Task]] = {}
        self._mailing: list[Task] = []
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Open what is ours and begin to work. What is not ours (servers, brokers …) may be absent. GatewayError."""
        settings = self.settings
        sinks = [make_sink(sink, self._naming, settings.state) for sink in settings.sinks]
        await self._open_journal()
        listener = self._opened.enter_context(
            listen(settings.page)
        )  # first: one that cannot start disturbs no client of another
        await self._open_mails()
        self._rules = RuleEngine("rules", settings.rules, settings.contacts, self._mails, self._texts())
        for sink in (*sinks, self._rules, self._latest):
            self._outlets.begin(sink, self._journal, settings.delivery)
        await self._journal.retain(list(self.status.sinks))
        await self._retire()
        for source in settings.sources:
            self._listen(source)
        await self._serve_page(listener)

    async def run(self) -> None:
        """Until cancelled. A part that ends by itself is a defect, and ends the gateway with its error."""
        await self._crew.watch()

    async def reload(self, settings: GatewaySettings) -> None:
        """Go on with settings that parse_change() found good. What they do not change goes on untouched."""
        todo = plan(self.settings, settings)
        naming = self._naming if settings.naming == self.settings.naming else Naming(settings.naming)
        sinks = [make_sink(sink, naming, settings.state) for sink in chosen(settings.sinks, todo.sinks)]
        self.settings, self._naming = settings, naming
        await self._stop_listening(gone(todo.sources))
        await self._retire()
        await self._outlets.end(gone(todo.sinks))
        for sink in sinks:
            self._outlets.begin(sink, self._journal, settings.delivery)
        self._adjust_sources(todo)
        for source in chosen(settings.sources, todo.sources):
            self._listen(source)
        await self._adjust_others(todo)
        log.info("settings taken over", changes=todo.words())

    async def stop(self) -> None:
        """Sources first, then sinks, then the journal: what is acknowledged is on disk, what is on disk is kept."""
        await self._crew.end(task for _, task in self._sources.values())
        await self._outlets.end_all()
        await self._crew.end(self._mailing)
        await self._opened.aclose()

    async def _open_journal(self) -> None:
        path = self.settings.state / "journal.sqlite"
        self._journal = await Journal.open(path, self.settings.journal, self.status.journal)
        self._opened.push_async_callback(self._journal.close)

    async def _open_mails(self) -> None:
        notify = self.settings.notify
        path = self.settings.state / "mail.sqlite"
        self._mails = await MailQueue.open(path, make_notifier(notify), notify, self.status.mail)
        self._opened.push_async_callback(self._mails.close)
        self._mailing.append(self._crew.begin("mail queue", self._mails.run()))

    def _texts(self) -> Texts:
        return Texts(self.settings.notify.sender, self.settings.notify.templates)

    def _listen(self, settings: SourceSettings) -> None:
        status = self.status.sources[settings.name] = SourceStatus(settings.name, settings.url)
        source = OpcUaSource(settings, self._journal, status, self.settings.state)
        self._sources[settings.name] = source, self._crew.begin(f"source {settings.name}", source.run())

    async def _stop_listening(self, names: Collection[str]) -> None:
        await self._crew.end([self._sources.pop(name)[1] for name in names])
        for name in names:
            del self.status.sources[name]

    async def _retire(self) -> None:
        """A server that is not read any more has no tags."""
        wanted = {source.name for source in self.settings.sources}
        for name in {tag.source for tag in self._journal.catalogue} - wanted:
            try:
                await self._journal.adopt(name, [])
            except JournalError as error:
                log.warning("tags of a source that is gone stay until the next start", source=name, reason=str(error))

    def _adjust_sources(self, todo: Plan) -> None:
        for settings in self.settings.sources:
            if todo.sources[settings.name] is Fate.ADJUSTED:
                source, _ = self._sources[settings.name]
                source.change(settings)

    async def _adjust_others(self, todo: Plan) -> None:
        settings = self.settings
        if todo.delivery:
            self._outlets.adjust(settings.delivery)
        if todo.page:
            self._web.adjust(settings.page, self._view())
        if todo.rules:
            await self._rules.adjust(settings.rules, settings.contacts, self._texts())
        if todo.notify:
            await self._mails.adjust(make_notifier(settings.notify), settings.notify)

    async def _serve_page(self, listener: socket) -> None:
        self._web = WebServer(self.settings.page, self._view(), listener)
        self._opened.push_async_callback(self._web.stop)
        await self._web.start()

    def _view(self) -> View:
        settings = trends_from(self.settings)
        historian = self._outlets.sink(settings.name) if settings else None
        trend = historian.query if isinstance(historian, Historian) else None
        return View(self.status, self._journal.catalogue, self._naming, self._latest, trend)
