"""The demo among foreign servers, and their own clients: mosquitto_sub, mosquitto_pub, the databases' HTTP."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from support_demo import ROOT
from support_peers import binary

from conche import lifeline

T = TypeVar("T")
PATIENCE_S = 30.0


def until(what: Callable[[], T], patience_s: float = PATIENCE_S, said: Callable[[], object] = str) -> T:
    """Wait until `what()` is true and return it; `said()` tells at the end of patience how things stand."""
    deadline = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < deadline, f"waited {patience_s:g} s in vain: {said()}"
        time.sleep(0.05)
    return found


MODEL = ROOT / "config/plant/choco.yaml"


def site(folder: Path, *sinks: dict[str, Any], model: Path = MODEL, with_broker: bool = True) -> Path:
    """The demo's files with further sinks; without its broker, another one has to serve on the port."""
    folder.mkdir(parents=True)
    demo = yaml.safe_load((ROOT / "config/demo.yaml").read_text())
    gateway = yaml.safe_load((ROOT / "config/gateway/demo.yaml").read_text())
    gateway["sinks"] += sinks
    demo["plant"]["model"] = str(model)
    demo["gateway"] = "gateway.yaml"
    if not with_broker:
        del demo["broker"]
    (folder / "gateway.yaml").write_text(yaml.safe_dump(gateway))
    (folder / "site.yaml").write_text(yaml.safe_dump(demo))
    return folder / "site.yaml"


def influxql(url: str, text: str, database: str = "") -> list[dict[str, Any]]:
    """The series that /query answers, times in nanoseconds; each with name, tags, columns and values."""
    body = urlencode({"q": text, "db": database, "epoch": "ns"}).encode()
    with urlopen(f"{url}/query", body, timeout=20) as answer:
        (result,) = json.load(answer)["results"]
    assert "error" not in result, f"{result['error']}: {text}"
    return list(result.get("series", []))


Points = dict[tuple[str, str], dict[int, float]]
"""Values by millisecond, by station and tag."""


def in_influx(url: str, database: str, measurement: str, start_ms: int, end_ms: int) -> Points:
    """The numbers of a measurement."""
    window = f"time >= {start_ms}ms AND time < {end_ms}ms"
    series = influxql(url, f'SELECT "value" FROM "{measurement}" WHERE {window} GROUP BY "station", "tag"', database)
    return {
        (one["tags"]["station"], one["tags"]["tag"]): {time // 1_000_000: value for time, value in one["values"]}
        for one in series
    }


def in_victoria(url: str, measurement: str, start_ms: int, end_ms: int) -> Points:
    """The same of VictoriaMetrics, where a field is a metric of its own."""
    query = urlencode({"match[]": f"{measurement}_value", "start": start_ms / 1000, "end": (end_ms - 1) / 1000})
    with urlopen(f"{url}/api/v1/export?{query}", timeout=20) as answer:
        series = [json.loads(line) for line in answer]
    return {
        (one["metric"]["station"], one["metric"]["tag"]): dict(zip(one["timestamps"], one["values"], strict=True))
        for one in series
    }


def publish(port: int, topic: str, payload: bytes) -> None:
    """Through mosquitto_pub, over MQTT 5."""
    command = [binary("mosquitto_pub"), "-p", str(port), "-V", "5", "-q", "1", "-t", topic, "-s"]
    subprocess.run(command, input=payload, check=True, timeout=10)


class Heard(NamedTuple):
    """A message as mosquitto_sub printed it."""

    topic: str
    payload: bytes
    retained: bool

    def json(self) -> Any:
        return json.loads(self.payload)


class Subscriber:
    """mosquitto_sub over MQTT 5 with QoS 1; `with` returns when the broker has confirmed the subscriptions."""

    def __init__(self, port: int, *topics: str, options: Sequence[str] = ()) -> None:
        chosen = [word for topic in topics for word in ("-t", topic)]
        self._command = [binary("mosquitto_sub"), "-p", str(port), "-V", "5", "-q", "1", *chosen, *options]
        self._command += ["-d", "-F", "> %r %x %t"]
        self._subscribed = threading.Event()
        self.heard: list[Heard] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - a killed test leaves nothing running
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._subscribed.wait(10), "the broker did not confirm the subscription"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(10)
        self._reader.join(10)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.startswith("Subscribed"):
                    self._subscribed.set()
                elif line.startswith("> "):
                    retained, payload, topic = line[2:].rstrip("\n").split(" ", 2)
                    self.heard.append(Heard(topic, bytes.fromhex(payload), retained == "1"))

    def last(self) -> dict[str, Heard]:
        """The last message of each topic."""
        return {message.topic: message for message in self.heard.copy()}
