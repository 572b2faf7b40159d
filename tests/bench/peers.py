"""What the benchmark runs beside the gateway: a load server, a counting database, a broker, and a Sparkplug host."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from latency import Latencies

from gateway.sinks.sparkplug_schema import Payload

HERE = Path(__file__).parent


class Peer:
    """A process that prints "ready" and ends when its input closes."""

    def __init__(self, script: str, *arguments: str) -> None:
        command = [sys.executable, str(HERE / script), *arguments]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        while self._output().readline().strip() != "ready":
            if self._process.poll() is not None:
                raise RuntimeError(f"{script} did not start")

    def _output(self) -> Any:
        assert self._process.stdout is not None
        return self._process.stdout

    def tell(self, command: str) -> None:
        """Give a command on its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()

    def end(self) -> str:
        """What it printed at its end."""
        rest, _ = self._process.communicate("")
        return str(rest)


@contextmanager
def peer(script: str, *arguments: str) -> Iterator[Peer]:
    """A peer for as long as it is needed."""
    process = Peer(script, *arguments)
    try:
        yield process
    finally:
        process.end()


@contextmanager
def mosquitto(port: int, folder: Path) -> Iterator[None]:
    """A Mosquitto on this port, once it listens."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise SystemExit("mosquitto is missing: install it (Debian, Ubuntu: apt install mosquitto)")
    configuration = folder / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    silent = subprocess.DEVNULL
    process = subprocess.Popen([program, "-c", str(configuration)], stdout=silent, stderr=silent)
    while not listens(port):
        if process.poll() is not None:
            raise SystemExit(f"mosquitto does not start on port {port}")
        time.sleep(0.05)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    """Whether anybody takes connections there."""
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


class SparkplugHost:
    """Counts the metrics of all DDATA messages and checks that no message is missing between two births."""

    def __init__(self, port: int) -> None:
        self.metrics = 0
        self.missing_messages = 0
        self.latencies = Latencies()
        self._expected: int | None = None
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("spBv1.0/#", 0)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._take
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._subscribed.wait(10):
            raise RuntimeError("the broker does not let the Sparkplug host subscribe")

    def _take(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        kind = message.topic.split("/")[2]
        if kind not in {"NBIRTH", "DBIRTH", "NDATA", "DDATA"}:
            return
        payload = Payload.FromString(message.payload)
        if kind != "NBIRTH" and self._expected is not None:
            self.missing_messages += (payload.seq - self._expected) % 256
        self._expected = (payload.seq + 1) % 256
        if kind == "DDATA":
            self.metrics += len(payload.metrics)
            times = [payload.metrics[place].timestamp * 1_000_000 for place in (0, -1)]
            self.latencies.arrived(times, len(payload.metrics))

    def settle(self) -> None:
        """Take what the broker still has: until nothing came for a second."""
        seen = -1
        while seen < self.metrics:
            seen = self.metrics
            time.sleep(1)

    def end(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
