"""A connection to a scripted broker."""

from __future__ import annotations

from support_broker import ScriptedBroker

from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt import Connection

HANGS_S = 30.0
"""Whoever takes so long hangs."""

WILL = Message("gone", b"bye", qos=1, retain=True)


def connection(broker: ScriptedBroker, **settings: object) -> Connection:
    return Connection(BrokerSettings.model_validate({"port": broker.port, "timeout_s": 2.0, **settings}), "me")
