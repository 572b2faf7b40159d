"""A Sparkplug edge node, its broker, and a host that follows the rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support_broker import ScriptedBroker
from support_sinks import NAMING, batch, catalogue, column
from support_sparkplug import Host

from gateway.sinks.broker import BrokerSettings
from gateway.sinks.sparkplug import Sparkplug, SparkplugSettings
from gateway.sinks.sparkplug_schema import Metric, Payload
from gateway.values import Batch, Tag

ZONE = "Line1.Tempering/Process/Tag1"
NCMD = "spBv1.0/choco/NCMD/conche"
REBIRTH = Payload(metrics=[Metric(name="Node Control/Rebirth", datatype=11, boolean_value=True)]).SerializeToString()


class World:
    """A sink, its broker, and a host."""

    def __init__(self, broker: ScriptedBroker, state: Path, **settings: Any) -> None:
        self.broker = broker
        self.host = Host()
        self.heard = 0
        link = BrokerSettings.model_validate({"port": broker.port, "timeout_s": 2, **settings})
        self.sink = Sparkplug("sparkplug", SparkplugSettings(broker=link), NAMING, state)

    async def open(self, *tags: Tag) -> Host:
        await self.sink.open(catalogue(*tags))
        return self.listen()

    async def write(self, *batches: Batch) -> Host:
        for data in batches:
            await self.sink.write(data)
        return self.listen()

    def listen(self) -> Host:
        for message in self.broker.messages[self.heard :]:
            self.host.hear(message.topic, message.payload)
        self.heard = len(self.broker.messages)
        return self.host


def value(number: float, **more: Any) -> Batch:
    return batch(column([number], [1], **more))
