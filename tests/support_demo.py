"""`conche run` as a subprocess on free ports with a state folder of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from conche import lifeline

ROOT = Path(__file__).parents[1]
CONCHE = Path(sys.executable).with_name("conche")


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, each another."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get_json(url: str) -> Any:
    """The JSON a URL answers, whatever the status."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


class Demo:
    """One demo: start, look at, stop. `site` is a file for it other than config/demo.yaml."""

    def __init__(self, home: Path, site: Path | None = None) -> None:
        self._arguments = [site] if site else []
        self.state = home / "var"
        self.opcua_port, self.mqtt_port, self.page_port = free_ports(3)
        self.opcua_url = f"opc.tcp://127.0.0.1:{self.opcua_port}"
        self.mqtt_url = f"mqtt://127.0.0.1:{self.mqtt_port}"
        self.page_url = f"http://127.0.0.1:{self.page_port}"
        self._log = home / "run.log"
        self._process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "CONCHE_STATE": str(self.state),
            "CONCHE_OPCUA_PORT": str(self.opcua_port),
            "CONCHE_MQTT_PORT": str(self.mqtt_port),
            "CONCHE_PAGE_PORT": str(self.page_port),
        }

    def start(self, patience_s: float = 120) -> float:
        """Start and wait until the gateway is healthy; the seconds that took."""
        begin = time.monotonic()
        with self._log.open("ab") as log:
            command = [CONCHE, "run", *self._arguments]
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lifeline.die_with_parent,  # noqa: PLW1509 - a killed test leaves nothing running
            )
        while not self.is_healthy():
            assert self._process.poll() is None, f"conche run ended:\n{self.output()}"
            assert time.monotonic() - begin < patience_s, f"not healthy after {patience_s} s:\n{self.output()}"
            time.sleep(0.1)
        return time.monotonic() - begin

    def is_healthy(self) -> bool:
        try:
            return bool(self.health()["status"] == "ok")
        except OSError:
            return False

    def health(self) -> Any:
        return get_json(f"{self.page_url}/health")

    def output(self) -> str:
        return self._log.read_text()

    def operator_password(self) -> str:
        return (self.state / "plant" / "operator.password").read_text().strip()

    def processes(self) -> list[psutil.Process]:
        """Every process of this demo that lives, found by its environment and so also when orphaned."""
        return [p for p in psutil.process_iter() if _environment(p).get("CONCHE_STATE") == str(self.state)]

    def gateway(self) -> psutil.Process:
        (process,) = [p for p in self.processes() if "gateway" in p.cmdline()]
        return process

    def interrupt(self, patience_s: float = 10) -> tuple[int, float]:
        """Ctrl-C: the exit code and the seconds until it came."""
        assert self._process is not None
        begin = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(patience_s), time.monotonic() - begin

    def end(self) -> None:
        """Whatever still lives of it is killed."""
        for process in self.processes():
            process.kill()
        if self._process is not None:
            self._process.wait(10)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return {}
