"""The sinks at work: each with the delivery that serves it, begun and ended while the others go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway.contract import Sink
from gateway.crew import Crew, Task
from gateway.delivery import Delivery, DeliverySettings
from gateway.journal import Journal
from gateway.naming import Naming
from gateway.settings import OWN_SINKS, SinkSettings
from gateway.sinks.historian import Historian, HistorianSettings
from gateway.sinks.influx import Influx, InfluxSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.uns import Uns, UnsSettings
from gateway.status import SinkStatus, Status


def make_sink(settings: SinkSettings, naming: Naming, state: Path) -> Sink:
    """The sink that these settings describe. Nothing is connected yet."""
    match settings:
        case UnsSettings():
            return Uns(settings.name, settings, naming)
        case SparkplugSettings():
            return Sparkplug(settings.name, settings, naming, state / f"{settings.name}.json")
        case InfluxSettings():
            return Influx(settings.name, settings, naming)
        case HistorianSettings():
            return Historian(settings.name, settings, state / f"{settings.name}.sqlite")


def served(name: str, settings: DeliverySettings) -> DeliverySettings:
    """How the sink of this name is served: those of the gateway itself work for people, who look once a second."""
    return settings.calmer() if name in OWN_SINKS else settings


@dataclass(frozen=True, slots=True)
class _Outlet:
    sink: Sink
    delivery: Delivery
    task: Task


class Outlets:
    """By name. A sink that begins under a name goes on in the journal where the last one of that name ended."""

    def __init__(self, crew: Crew, status: Status) -> None:
        self._crew, self._status = crew, status
        self._by_name: dict[str, _Outlet] = {}

    def begin(self, sink: Sink, journal: Journal, settings: DeliverySettings) -> None:
        """Serve this sink from now on."""
        status = self._status.sinks[sink.name] = SinkStatus(sink.name)
        delivery = Delivery(sink, journal, status, served(sink.name, settings))
        task = self._crew.begin(f"delivery to {sink.name}", delivery.run())
        self._by_name[sink.name] = _Outlet(sink, delivery, task)

    async def end(self, names: Iterable[str]) -> None:
        """Close these sinks in good order; their places in the journal are kept."""
        ending = [self._by_name.pop(name) for name in names]
        await self._crew.end(one.task for one in ending)
        for one in ending:
            del self._status.sinks[one.sink.name]

    async def end_all(self) -> None:
        """Close every sink; what is known of them stays to be seen."""
        await self._crew.end(one.task for one in self._by_name.values())

    def adjust(self, settings: DeliverySettings) -> None:
        """Serve all by these settings."""
        for name, one in self._by_name.items():
            one.delivery.adjust(served(name, settings))

    def sink(self, name: str) -> Sink:
        """The sink of this name."""
        return self._by_name[name].sink
