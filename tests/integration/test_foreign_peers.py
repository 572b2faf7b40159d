"""The whole demo among real servers: Mosquitto, InfluxDB and VictoriaMetrics get every value, also those of an outage.

One demo serves all tests of this file in their order: the later ones kill the gateway, the broker and the database. The
plant counts a heartbeat every 100 ms, so a lost value is a missing number.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from support_demo import Demo
from support_house import Points, Subscriber, in_influx, in_victoria, influxql, publish, site, until
from support_peers import Server, influxd, mosquitto, victoria_metrics
from support_sparkplug import Host

from gateway.sinks.sparkplug_schema import Datatype, Payload

DATABASE = "conche"
ROOT_TOPIC = "choco/berlin/production"
HEARTBEAT = f"{ROOT_TOPIC}/Simulation/Simulation/Simulation/Heartbeat"
STATUS = f"{ROOT_TOPIC}/_status/conche-uns"
SPARKPLUG_HEARTBEAT = "Simulation.Simulation/Simulation/Heartbeat"
BEATS = 30  # three seconds
DEVICES = 7 + 1 + 8 + 1  # stations, the line itself, materials and finished goods, the simulation


@dataclass
class House:
    """The demo and the foreign servers around it."""

    demo: Demo
    broker: Server
    broker_log: Path
    mqtt_port: int
    influx: Server
    influx_url: str
    victoria_url: str
    listener: Subscriber  # to the heartbeat, in a session that outlives the broker
    begin_ns: int  # from here on the listener hears everything

    def beats_on_mqtt(self) -> set[int]:
        return {message.json()["value"] for message in self.listener.heard.copy()}

    def beats_in_influx(self) -> set[int]:
        where = f"\"tag\" = 'Heartbeat' AND time >= {self.begin_ns}"
        found = influxql(self.influx_url, f'SELECT "value" FROM "Simulation" WHERE {where}', DATABASE)
        return {int(value) for series in found for _, value in series["values"]}

    def catches_up(self, beat: int) -> None:
        """Wait until all beats up to some after `beat` are on MQTT and in InfluxDB."""
        until_whole(self.beats_on_mqtt, beat + BEATS)
        until_whole(self.beats_in_influx, beat + BEATS)

    def tags(self) -> int:
        return int(self.demo.health()["sources"]["plant"]["tags"])

    def link(self, sink: str) -> str:
        return str(self.demo.health()["sinks"][sink]["link"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("house")
    saved = ("persistence true", f"persistence_location {home}/", "autosave_on_changes true", "autosave_interval 100")
    with ExitStack() as stack:
        broker, mqtt_port = stack.enter_context(mosquitto(home, *saved, "max_queued_messages 0"))
        influx, influx_url = stack.enter_context(influxd(home))
        _, victoria_url = stack.enter_context(victoria_metrics(home))
        influxql(influx_url, f'CREATE DATABASE "{DATABASE}"')
        demo = Demo(home, site(home / "config", *databases(influx_url, victoria_url), with_broker=False))
        demo.mqtt_port = mqtt_port
        stack.callback(demo.end)
        demo.start()
        session = ("-i", "listener", "-c", "-x", "3600")
        listener = stack.enter_context(Subscriber(mqtt_port, HEARTBEAT, options=session))
        until(lambda: len(listener.heard) > BEATS)
        begin_ns = time.time_ns()
        yield House(
            demo, broker, home / "mosquitto.log", mqtt_port, influx, influx_url, victoria_url, listener, begin_ns
        )


def databases(influx_url: str, victoria_url: str) -> list[dict[str, object]]:
    """Two sinks: InfluxDB's old endpoint, and the one of version 2 that VictoriaMetrics speaks."""
    old = {"kind": "influx", "version": 1, "url": influx_url, "database": DATABASE}
    new = {"kind": "influx", "name": "victoria", "url": victoria_url, "org": "choco", "bucket": "b", "token": "t"}
    return [old, new]


def missing(beats: set[int]) -> list[int]:
    """The numbers that are not there although a higher and a lower one are."""
    return sorted(set(range(min(beats), max(beats) + 1)) - beats)


class Ear:
    """A Sparkplug host behind mosquitto_sub: it begins with the first birth that it hears."""

    def __init__(self, ear: Subscriber) -> None:
        self._ear = ear
        self._place = 0
        self._host = Host()

    def host(self) -> Host:
        """The host after all that was heard until now."""
        for message in self._ear.heard[self._place :]:
            self._place += 1
            if self._host.births or "/NBIRTH/" in message.topic:
                self._host.hear(message.topic, message.payload)
        return self._host

    def beats(self) -> set[int]:
        """Live and late ones."""
        host = self.host()
        return {beat for heard in (host.history, host.late) for beat in heard.get(SPARKPLUG_HEARTBEAT, ())}


def until_whole(beats: Callable[[], set[int]], last: int) -> None:
    """Wait until no number up to `last` is missing."""
    until(lambda: max(beats()) >= last and not missing(beats()), said=lambda: (missing(beats()), max(beats()), last))


def sizes(points: Points) -> dict[tuple[str, str], int]:
    return {name: len(values) for name, values in points.items()}


def ask_for_births(house: House) -> None:
    command = Payload()
    command.timestamp = time.time_ns() // 1_000_000
    command.metrics.add(name="Node Control/Rebirth", datatype=Datatype.BOOLEAN, boolean_value=True)
    publish(house.mqtt_port, "spBv1.0/choco/NCMD/conche", command.SerializeToString())


def presences(ear: Subscriber) -> list[bool]:
    return [message.json()["online"] for message in ear.heard.copy() if message.topic == STATUS]


def test_the_broker_serves_both_sinks_over_mqtt_5(house: House) -> None:
    log = house.broker_log.read_text()
    assert "as conche-uns (p5," in log
    assert "as conche-sparkplug (p5," in log


def test_every_tag_is_a_retained_topic_that_says_value_unit_quality_and_time(house: House) -> None:
    tags = house.tags()
    with Subscriber(house.mqtt_port, f"{ROOT_TOPIC}/#", options=("--retained-only",)) as newcomer:
        until(lambda: len(newcomer.last()) == tags + 1, said=lambda: f"{len(newcomer.last())} topics of {tags} and one")
    last = {topic: message.json() for topic, message in newcomer.last().items()}
    assert last.pop(STATUS)["online"] is True
    for topic, message in last.items():
        assert {"value", "unit", "quality", "status", "ts", "type"} <= message.keys(), topic
    zone = last[f"{ROOT_TOPIC}/ChocolateLine1/Tempering/Process/Zone2Temperature"]
    assert (zone["unit"], zone["quality"], zone["type"]) == ("°C", "GOOD", "Double")
    assert last[f"{ROOT_TOPIC}/ChocolateLine1/Tempering/Status/State"]["text"]


def test_a_sparkplug_host_gets_births_when_it_asks_and_no_sequence_number_is_missing(house: House) -> None:
    """The host insists on the rules, message by message, until the sequence numbers have begun anew."""
    with Subscriber(house.mqtt_port, "spBv1.0/#") as subscriber:
        ear = Ear(subscriber)
        ask_for_births(house)
        until(lambda: ear.host().data_messages > 256, said=lambda: ear.host().data_messages)
        host = ear.host()
        assert (host.births, host.alive) == (1, True)
        assert len(host.devices) == DEVICES
        assert len(host.metrics) == house.tags()
        assert missing(ear.beats()) == []
        zone = host.find("ChocolateLine1.Tempering/Process/Zone2Temperature")
        assert (zone.datatype, zone.quality) == (Datatype.DOUBLE, 192)
        assert 20 < zone.value < 60


def test_both_databases_have_the_same_numbers(house: House) -> None:
    """InfluxDB by its old endpoint, VictoriaMetrics by that of version 2: ten minutes, history included."""
    end_ms = time.time_ns() // 1_000_000
    window = ("Process", end_ms - 600_000, end_ms)

    def both() -> tuple[Points, Points]:
        return in_influx(house.influx_url, DATABASE, *window), in_victoria(house.victoria_url, *window)

    def same() -> bool:
        ours, theirs = both()
        return sizes(ours) == sizes(theirs)

    until(same)
    ours, theirs = both()
    assert ours.keys() == theirs.keys()
    assert len(ours) > 60
    assert theirs == {name: pytest.approx(values) for name, values in ours.items()}


def test_a_killed_gateway_is_offline_at_once_and_loses_nothing(house: House) -> None:
    with Subscriber(house.mqtt_port, STATUS, "spBv1.0/#") as subscriber:
        ear = Ear(subscriber)
        ask_for_births(house)
        until(lambda: presences(subscriber) == [True] and ear.host().alive)
        first = ear.host().bd_seq
        process = house.demo.gateway()
        process.kill()
        process.wait(10)
        until(lambda: presences(subscriber) == [True, False] and not ear.host().alive, patience_s=5)
        last = max(house.beats_on_mqtt())
        until(lambda: presences(subscriber) == [True, False, True] and ear.host().alive)
        assert first is not None
        assert ear.host().bd_seq == (first + 1) % 256
        house.catches_up(last)
        until_whole(ear.beats, last + BEATS)


def test_a_broker_that_is_killed_gets_what_it_missed(house: House) -> None:
    house.broker.stop(signal.SIGKILL)
    until(lambda: house.link("uns") != "connected")
    beat = max(house.beats_in_influx())
    until(lambda: max(house.beats_in_influx()) > beat + BEATS)
    house.broker.start()
    house.catches_up(max(house.beats_in_influx()))


def test_a_database_that_is_killed_gets_what_it_missed(house: House) -> None:
    house.influx.stop(signal.SIGKILL)
    until(lambda: house.link("influx") != "connected")
    beat = max(house.beats_on_mqtt())
    until(lambda: max(house.beats_on_mqtt()) > beat + BEATS)
    house.influx.start()
    house.catches_up(max(house.beats_on_mqtt()))
