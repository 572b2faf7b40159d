"""Real servers as subprocesses on free ports: a missing one fails the test that needs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conche import lifeline


def binary(name: str) -> str:
    """The path of an installed server. Fails the test when there is none."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        pytest.fail(f"{name} is not installed: `make integration` as root installs it")
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """One process; start() again after stop() or kill()."""

    def __init__(self, command: list[str], log: Path, is_ready: Callable[[], bool]) -> None:
        self._command = command
        self._log = log
        self._is_ready = is_ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - a killed test leaves nothing running
            )
        deadline = time.monotonic() + 20
        while not self._is_ready():
            assert self._process.poll() is None, self._log.read_text()[-2000:]
            assert time.monotonic() < deadline, self._log.read_text()[-2000:]
            time.sleep(0.05)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(with_signal)
            self._process.wait(20)
            self._process = None


@contextmanager
def mosquitto(folder: Path, *lines: str, port: int | None = None) -> Iterator[tuple[Server, int]]:
    """A Mosquitto with further lines of configuration; anonymous unless these say otherwise."""
    port = port or free_port()
    settings = [f"listener {port} 127.0.0.1", "allow_anonymous true", *lines]
    if os.getuid() == 0:
        settings.append("user root")
    conf = folder / "mosquitto.conf"
    conf.write_text("\n".join(settings) + "\n")
    server = Server([binary("mosquitto"), "-c", str(conf)], folder / "mosquitto.log", lambda: answers(port))
    try:
        server.start()
        yield server, port
    finally:
        server.stop()


def http_ok(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as response:
            return bool(response.status < 300)
    except OSError:
        return False


@contextmanager
def influxd(folder: Path, *http: str) -> Iterator[tuple[Server, str]]:
    """An InfluxDB 1.x; `http` are further lines of its [http] section."""
    port, rpc = free_port(), free_port()
    conf = folder / "influxdb.conf"
    conf.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc}"\n[meta]\ndir = "{folder}/meta"\n'
        f'[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n[monitor]\nstore-enabled = false\n'
        f'[http]\nbind-address = "127.0.0.1:{port}"\nlog-enabled = false\n' + "\n".join(http) + "\n"
    )
    url = f"http://127.0.0.1:{port}"
    server = Server([binary("influxd"), "-config", str(conf)], folder / "influxd.log", lambda: http_ok(f"{url}/ping"))
    try:
        server.start()
        yield server, url
    finally:
        server.stop()


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[tuple[Server, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [binary("victoria-metrics"), f"-storageDataPath={folder}/vm", f"-httpListenAddr=127.0.0.1:{port}"]
    server = Server([*command, "-retentionPeriod=100y"], folder / "vm.log", lambda: http_ok(f"{url}/health"))
    try:
        server.start()
        yield server, url
    finally:
        server.stop()
