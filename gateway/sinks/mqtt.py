"""The MQTT connection: opened in the newest version that the broker speaks, cut and closed in good order.

Delivery owns reconnecting: a connection that is lost says so in the next call and is opened anew, with a new will.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from gateway.contract import NotConnected
from gateway.sinks.broker import BrokerSettings
from gateway.sinks.message import Message
from gateway.sinks.mqtt_session import VERSIONS, Receiver, Session, UnsupportedVersion

log = structlog.get_logger(__name__)

_PATIENCE_S = 3.0  # for the answer to a CONNECT, where another version can be tried (amqtt is silent at some of MQTT 5)


class Connection:
    """One client of a broker. Calls must not overlap, except close()."""

    def __init__(
        self, broker: BrokerSettings, client_id: str, receive: Receiver = lambda _topic, _payload: None
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._receive = receive
        self._versions = VERSIONS[broker.protocol]
        self._session: Session | None = None

    @property
    def largest(self) -> int:
        """Bytes of the largest packet that the broker takes, as far as it said. Raises NotConnected."""
        return self._live().max_bytes

    async def open(self, will: Message) -> None:
        """Connect with a clean session. Raises NotConnected with what to change."""
        self.drop()
        known = True
        for version in self._versions:
            is_last = version == self._versions[-1]
            session = Session(self._broker, self._client_id, version, self._receive)
            try:
                await session.connect(will, patience_s=self._broker.timeout_s if is_last else _PATIENCE_S)
            except UnsupportedVersion as error:
                if is_last:
                    raise
                known = error.certain
            else:
                self._session, self._versions = session, (version,) if known else self._versions
                log.info("connected to broker", broker=self._broker.address, client=self._client_id, mqtt=version)
                return

    async def subscribe(self, *topics: str) -> None:
        """Subscribe with QoS 1; returns when the broker agreed. Raises NotConnected, also where it refused."""
        await self._live().subscribe(topics)

    async def publish(self, messages: Iterable[Message], *, fenced: bool = False) -> dict[int, str]:
        """Send all, in order, and wait until the broker has confirmed those of QoS 1. Raises NotConnected.

        `fenced`: wait until it has read those of QoS 0, too; a message whose confirmation proves it is sent behind
        them, as a broker handles a connection's packets in order. Returns the reason by index of the messages that the
        broker refused for good (MQTT 5 only).
        """
        fence = Message(self._broker.fence_topic, self._client_id.encode(), qos=1) if fenced else None
        return await self._live().publish(messages, fence)

    async def close(self, *farewell: Message, with_will: bool = False) -> None:
        """Say good-bye and disconnect. `with_will`: an MQTT 5 broker is asked to publish the will in place of it."""
        session, self._session = self._session, None
        if session is not None:
            await session.close(farewell, with_will=with_will)

    def drop(self) -> None:
        """Cut the connection without a word: the broker publishes the will."""
        session, self._session = self._session, None
        if session is not None:
            session.drop()

    def _live(self) -> Session:
        if self._session is None:
            raise NotConnected(f"not connected to the broker {self._broker.address}")
        if self._session.lost is not None:
            raise self._session.lost
        return self._session
