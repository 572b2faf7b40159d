"""The gateway put together: sources, journal, sinks, rules, mails and page, started and stopped in order."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import structlog

from gateway.contract import GatewayError, Sink
from gateway.delivery import Delivery
from gateway.journal import Journal
from gateway.naming import Naming
from gateway.notify.notifiers import make_notifier
from gateway.notify.queue import MailQueue
from gateway.notify.texts import Texts
from gateway.opcua.settings import SourceSettings
from gateway.opcua.source import OpcUaSource
from gateway.page.server import WebServer
from gateway.page.view import View
from gateway.rules.engine import RuleEngine
from gateway.settings import GatewaySettings, SinkSettings
from gateway.sinks.historian import Historian, HistorianSettings
from gateway.sinks.influx import Influx, InfluxSettings
from gateway.sinks.latest import Latest
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.uns import Uns, UnsSettings
from gateway.status import SinkStatus, SourceStatus, Status

Task = asyncio.Task[None]
log = structlog.get_logger(__name__)


class Gateway:
    """One gateway. start(), then run() until cancelled, then stop(), also after a start that failed half-way."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.status = Status()
        self._settings = settings
        self._naming = Naming(settings.naming)
        self._sources: list[Task] = []
        self._deliveries: list[Task] = []
        self._mailing: list[Task] = []
        self._opened = AsyncExitStack()

    async def start(self) -> None:
        """Open what is ours and begin to work. What is not ours (servers, brokers …) may be absent. GatewayError."""
        journal = await self._open_journal()
        sinks = [self._make(sink) for sink in self._settings.sinks]
        mails = await self._open_mails()
        latest = Latest("page")
        for sink in (*sinks, self._rules(mails), latest):
            self._deliver(sink, journal)
        await journal.retain(list(self.status.sinks))
        for source in self._settings.sources:
            self._listen(source, journal)
        await self._serve_page(journal, latest, sinks)

    async def run(self) -> None:
        """Until cancelled. A part that ends by itself is a defect, and ends the gateway with its error."""
        tasks = [*self._sources, *self._deliveries, *self._mailing]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
            raise GatewayError(f"{task.get_name()} ended by itself: please report this defect")

    async def stop(self) -> None:
        """Sources first, then sinks, then the journal: what is acknowledged is on disk, what is on disk is kept."""
        await _end(self._sources)
        await _end(self._deliveries)
        await _end(self._mailing)
        await self._opened.aclose()

    async def _open_journal(self) -> Journal:
        path = self._settings.state / "journal.sqlite"
        journal = await Journal.open(path, self._settings.journal, self.status.journal)
        self._opened.push_async_callback(journal.close)
        return journal

    async def _open_mails(self) -> MailQueue:
        notify = self._settings.notify
        path = self._settings.state / "mail.sqlite"
        mails = await MailQueue.open(path, make_notifier(notify), notify, self.status.mail)
        self._opened.push_async_callback(mails.close)
        self._mailing.append(_begin("mail queue", mails.run()))
        return mails

    def _rules(self, mails: MailQueue) -> RuleEngine:
        texts = Texts(self._settings.notify.sender, self._settings.notify.templates)
        return RuleEngine("rules", self._settings.rules, self._settings.contacts, mails, texts)

    def _make(self, sink: SinkSettings) -> Sink:
        """The sink that these settings describe. Nothing is connected yet."""
        match sink:
            case UnsSettings():
                return Uns(sink.name, sink, self._naming)
            case SparkplugSettings():
                return Sparkplug(sink.name, sink, self._naming, self._settings.state / f"{sink.name}.json")
            case InfluxSettings():
                return Influx(sink.name, sink, self._naming)
            case HistorianSettings():
                return Historian(sink.name, sink, self._settings.state / f"{sink.name}.sqlite")

    def _deliver(self, sink: Sink, journal: Journal) -> None:
        status = self.status.sinks[sink.name] = SinkStatus(sink.name)
        delivery = Delivery(sink, journal, status, self._settings.delivery)
        self._deliveries.append(_begin(f"delivery to {sink.name}", delivery.run()))

    def _listen(self, settings: SourceSettings, journal: Journal) -> None:
        status = self.status.sources[settings.name] = SourceStatus(settings.name, settings.url)
        source = OpcUaSource(settings, journal, self._naming, status, self._settings.state)
        self._sources.append(_begin(f"source {settings.name}", source.run()))

    async def _serve_page(self, journal: Journal, latest: Latest, sinks: list[Sink]) -> None:
        historian = next((sink for sink in sinks if isinstance(sink, Historian)), None)
        view = View(self.status, journal.catalogue, latest, historian.query if historian else None)
        server = WebServer(self._settings.page, view)
        self._opened.push_async_callback(server.stop)
        await server.start()


def _begin(name: str, work: Coroutine[Any, Any, None]) -> Task:
    return asyncio.create_task(work, name=name)


async def _end(tasks: list[Task]) -> None:
    """Cancel them together and wait; an error on the way is said, and does not keep the others from ending."""
    for task in tasks:
        task.cancel()
    for task, outcome in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
        if isinstance(outcome, Exception):
            log.error("ended with an error", part=task.get_name(), error=repr(outcome))
