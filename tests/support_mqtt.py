"""A connection to a scripted broker."""

from __future__ import annotations

import asyncio

from support_broker import ScriptedBroker

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection

HANGS_S = 30.0
"""Whoever takes so long hangs."""

WILL = Message("gone", b"bye", qos=1, retain=True)


async def lost(link: Connection) -> NotConnected:
    """What a connection says as soon as it knows that it is lost."""
    async with asyncio.timeout(HANGS_S):
        while True:
            try:
                assert link.largest
            except NotConnected as error:
                return error
            await asyncio.sleep(0.01)


def connection(broker: ScriptedBroker, **settings: object) -> Connection:
    return Connection(BrokerSettings.model_validate({"port": broker.port, "timeout_s": 2.0, **settings}), "me")
