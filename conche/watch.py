"""`conche watch`: print what a broker carries, like mosquitto_sub -v."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv311, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from conche.failure import MISUSED, Failure

Show = Callable[[str, bytes], bool]
"""Takes topic and payload of a message; False when it has seen enough."""

_KEEPALIVE_S = 30
_SPARKPLUG = "spBv1.0/"


def watch(  # noqa: PLR0913 - the arguments of a command
    topic: Annotated[
        list[str] | None, typer.Argument(help="Topic filters such as `choco/+/#`. Without any: all.")
    ] = None,
    *,
    host: Annotated[str, typer.Option(help="The broker's address.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="CONCHE_MQTT_PORT", min=1, max=65535, help="The broker's port.")] = 1883,
    user: Annotated[str, typer.Option(help="User name; the password is taken from CONCHE_MQTT_PASSWORD.")] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt, and check the broker's certificate.")] = False,
    ca: Annotated[Path | None, typer.Option(help="PEM file of the authority to check it by, with --tls.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Stop after this many messages; 0: never.")] = 0,
) -> None:
    """Print the MQTT messages of a broker as they come: topic, then payload. Ctrl-C ends it.

    Binary payloads (Sparkplug B) are shown by their length.
    """
    subscriber = Subscriber(topic or ["#"], _printer(count))
    if user:
        subscriber.client.username_pw_set(user, os.environ.get("CONCHE_MQTT_PASSWORD"))
    if tls or ca:
        _encrypt(subscriber.client, ca)
    try:
        subscriber.run(host, port)
    except KeyboardInterrupt:
        raise typer.Exit from None


def _encrypt(client: Client, ca: Path | None) -> None:
    try:
        client.tls_set(str(ca) if ca else None)
    except OSError as error:
        raise Failure(f"{ca} cannot be used as --ca: {error.strerror}", MISUSED) from error


def _printer(count: int) -> Show:
    seen = 0

    def show(topic: str, payload: bytes) -> bool:
        nonlocal seen
        seen += 1
        typer.echo(f"{topic} {readable(topic, payload)}")
        return seen != count

    return show


def readable(topic: str, payload: bytes) -> str:
    """A payload in one line: text as it is, anything else by its length."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        text = "\0"
    if text.isprintable() and not (topic.startswith(_SPARKPLUG) and not text.startswith("{")):
        return text
    return f"<{len(payload)} bytes>"


class Subscriber:
    """A client that shows messages until it has seen enough; it reconnects by itself once it was connected."""

    def __init__(self, topics: list[str], show: Show) -> None:
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv311)
        self.client.on_connect = self._on_connect
        self.client.on_message = self._on_message
        self.client.on_disconnect = self._on_disconnect
        self._topics = topics
        self._show = show
        self._done = False
        self._was_connected = False
        self._refused: Failure | None = None

    def run(self, host: str, port: int) -> None:
        """Connect and show messages. Raises Failure when the broker is not there or refuses."""
        try:
            self.client.connect(host, port, _KEEPALIVE_S)
        except ssl.SSLCertVerificationError as error:
            flaw = error.verify_message
            raise Failure(f"the certificate of {host}:{port} is not trusted ({flaw}): see --ca") from error
        except OSError as error:
            why = error.strerror or error
            raise Failure(
                f"no MQTT broker answers on {host}:{port} ({why}): is it running? See --host, --port"
            ) from error
        self.client.loop_forever()
        if self._refused is not None:
            raise self._refused

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        _flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._end(Failure(f"the broker refuses the connection: {reason}. See --user"))
            return
        self._was_connected = True
        try:
            client.subscribe([(topic, 1) for topic in self._topics])
        except ValueError as error:
            self._end(Failure(f"a topic filter is wrong: {error}", MISUSED))

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        # amqtt also sends a newcomer the retained messages that others subscribed to (0.12.1)
        is_wanted = any(topic_matches_sub(topic, message.topic) for topic in self._topics)
        if is_wanted and not self._done and not self._show(message.topic, bytes(message.payload)):
            self._done = True
            self.client.disconnect()

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._refused is not None:
            return
        if not self._was_connected:
            raise Failure("what listens there hangs up: is it an MQTT broker, and without TLS? See --port, --tls")
        if reason.is_failure:
            typer.echo("connection lost: trying again", err=True)

    def _end(self, failure: Failure) -> None:
        self._refused = failure
        self.client.disconnect()
