"""What a value costs the gateway from end to end, how old it is when it arrives, and what memory that takes.

The gateway is the real one, a process of its own; beside it run a load server, Mosquitto, a Sparkplug host and a
counting database. The cost is the gateway's CPU time (user + system) by the values that came, so that it holds on a
busy machine too. Every value is counted at both sinks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from notifications import Kind
from peers import Peer, SparkplugHost, mosquitto, peer
from report import Figure
from support_certificates import made
from support_demo import free_ports, get_json

ROOT = Path(__file__).parents[2]
WARM_UP_S = 5.0
MEASURE_S = 6.0
FULL_S = 20.0
"""After so long at 100,000 values/s the journal's newest records fill the memory that they may have."""
PATIENCE_S = 240.0
BOTH = ("sparkplug", "influx")


@dataclass(frozen=True)
class Case:
    """What is measured: so many tags, each with so many values a second, to these sinks."""

    tags: int
    hz: int = 10
    sinks: tuple[str, ...] = BOTH
    kind: Kind = Kind.NUMBERS
    encrypted: bool = False
    away: bool = False  # broker and database are
    journal_bytes: int = 2 << 30

    @property
    def name(self) -> str:
        """What a person picks it by."""
        sinks = " + ".join(("journal", *self.sinks))
        more = (", encrypted" if self.encrypted else "") + (", sinks away" if self.away else "")
        return f"{self.tags} {self.kind} x {self.hz} Hz to {sinks}{more}"


LARGE = (Case(10_000, hz=50), Case(100_000, hz=5))
"""Half a million values a second each: what 90,000 tags more take."""
FULL = (Case(10_000, hz=200), Case(10_000, hz=100, kind=Kind.MIXED))
"""Two million numbers a second, and one million of all kinds: as much as one core is to move."""

CASES = (
    Case(1_000),
    Case(1_000, hz=100),
    Case(10_000, sinks=()),
    Case(10_000, sinks=("sparkplug",)),
    Case(10_000, sinks=("influx",)),
    Case(10_000),
    Case(10_000, encrypted=True),
    Case(10_000, kind=Kind.MIXED),
    Case(10_000, kind=Kind.CHANGES),
    *LARGE,
    *FULL,
    Case(10_000, away=True),
)


@dataclass(frozen=True)
class Ports:
    """Where everybody listens."""

    opcua: int
    mqtt: int
    database: int
    page: int


@dataclass(frozen=True)
class Usage:
    """A stretch of the gateway's life."""

    rate: float  # values/s
    cpu_us: float  # a value
    memory_mb: float  # at its end
    growth_mb: float  # in the stretch


def settings(case: Case, ports: Ports, folder: Path, certificate: Path) -> dict[str, Any]:
    """The gateway's settings for a case."""
    known = {
        "sparkplug": {
            "kind": "sparkplug", "broker": {"port": ports.mqtt}, "group": "bench", "device": "{group}",
            "metric": "{tag}",
        },
        "influx": {
            "kind": "influx", "url": f"http://127.0.0.1:{ports.database}", "org": "o", "bucket": "b", "token": "t",
            "tags": ["group", "tag"], "measurement": "load",
        },
    }  # fmt: skip
    security = {"policy": "None"}
    if case.encrypted:
        security = {"policy": "Basic256Sha256", "server_certificate": str(certificate)}
    return {
        "state": str(folder / "state"),
        "sources": [
            {
                "name": "load",
                "url": f"opc.tcp://127.0.0.1:{ports.opcua}",
                "publishing_interval_ms": 1000 / case.hz,
                "events": False,
                "security": security,
            }
        ],
        "naming": {"paths": ["Load/{group}/{tag}"]},
        "sinks": [known[sink] for sink in case.sinks],
        "journal": {"max_bytes": case.journal_bytes},
        "page": {"enabled": False, "port": ports.page},
    }


@contextmanager
def gateway(case: Case, ports: Ports, folder: Path, certificate: Path) -> Iterator[psutil.Process]:
    """The gateway with these settings, in a process of its own."""
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(settings(case, ports, folder, certificate)))
    with (folder / "gateway.log").open("wb") as log:
        command = [sys.executable, "-m", "conche.main", "gateway", str(file)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=environment)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def counters(ports: Ports) -> dict[str, float]:
    """The gateway's own counters."""
    with urllib.request.urlopen(f"http://127.0.0.1:{ports.page}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {key: float(value) for key, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def received(ports: Ports) -> float:
    """Values that came over OPC UA so far."""
    return counters(ports)['conche_source_values_total{source="load"}']


def wait_for_load(case: Case, ports: Ports) -> None:
    """Until every tag delivers."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.5)
        try:
            if get_json(f"http://127.0.0.1:{ports.page}/health")["sources"]["load"]["values"] > 3 * case.tags:
                return
        except OSError:
            continue
    raise SystemExit(f"{case.name}: the gateway did not get going")


def cpu_s(process: psutil.Process) -> float:
    """User and system time so far."""
    times = process.cpu_times()
    return times.user + times.system


def drain(case: Case, ports: Ports) -> float:
    """Wait until the sinks have all; the values that came in all."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        now = counters(ports)
        if all(now[f'conche_sink_behind{{sink="{sink}"}}'] == 0 for sink in case.sinks):
            return now['conche_source_values_total{source="load"}']
        time.sleep(0.2)
    raise SystemExit(f"{case.name}: the sinks did not catch up")


def measure(process: psutil.Process, ports: Ports) -> Usage:
    """What the gateway uses from now on for a while."""
    begin, cpu, values, memory = time.monotonic(), cpu_s(process), received(ports), process.memory_info().rss
    time.sleep(MEASURE_S)
    seconds, cpu, values = time.monotonic() - begin, cpu_s(process) - cpu, received(ports) - values
    now = process.memory_info().rss
    return Usage(values / seconds, cpu / values * 1e6, now / 1e6, (now - memory) / 1e6)


def run(case: Case, folder: Path) -> list[Figure]:
    """One case from start to end, everything fresh."""
    ports = Ports(*free_ports(4))
    certificate, key = made(folder / "server")
    server = ["load_server.py", "--port", str(ports.opcua), "--tags", str(case.tags), "--kind", case.kind]
    server += ["--certificate", str(certificate), "--key", str(key)] if case.encrypted else []
    with ExitStack() as stack:
        load = stack.enter_context(peer(*server))
        if case.away:
            process = stack.enter_context(gateway(case, ports, folder, certificate))
            wait_for_load(case, ports)
            time.sleep(FULL_S)
            return _used(case, measure(process, ports))
        return _delivered(case, ports, load, stack, folder, certificate)


def _delivered(case: Case, ports: Ports, load: Peer, stack: ExitStack, folder: Path, certificate: Path) -> list[Figure]:
    """The figures of a case whose sinks are there."""
    stack.enter_context(mosquitto(ports.mqtt, folder))
    database, host = Peer("database.py", "--port", str(ports.database)), SparkplugHost(ports.mqtt)
    with gateway(case, ports, folder, certificate) as process:
        wait_for_load(case, ports)
        time.sleep(WARM_UP_S)
        database.tell("begin")
        host.latencies.is_open = True
        usage = measure(process, ports)
        database.tell("end")
        host.latencies.is_open = False
        load.end()
        total = drain(case, ports)
        host.settle()
    host.end()
    counted = json.loads(database.end())
    missing = max(0, int(total) - host.metrics) if "sparkplug" in case.sinks else 0
    missing += max(0, int(total) - counted["lines"]) if "influx" in case.sinks else 0
    ages = {"sparkplug": host.latencies.summary(), "influx": counted}
    figures = [Figure(f"{case.name}: missing", missing + host.missing_messages, "values")]
    figures += [Figure(f"{case.name}: {sink} {p}", ages[sink][p], "ms") for sink in case.sinks for p in ("p50", "p99")]
    return _used(case, usage) + figures


def _used(case: Case, usage: Usage) -> list[Figure]:
    return [
        Figure(f"{case.name}: rate", round(usage.rate), "values/s"),
        Figure(f"{case.name}: CPU", usage.cpu_us, "us/value"),
        Figure(f"{case.name}: a core", round(1e6 / usage.cpu_us), "values/s"),
        Figure(f"{case.name}: memory", round(usage.memory_mb), "MB"),
        Figure(f"{case.name}: growth in {MEASURE_S:g} s", usage.growth_mb, "MB"),
    ]


def figures(wanted: str = "") -> Iterator[Figure]:
    """All cases whose names hold this text, one after the other; and the memory that a tag takes."""
    memory: dict[int, float] = {}
    for case in CASES:
        if wanted in case.name:
            with tempfile.TemporaryDirectory(prefix="conche-bench-") as folder:
                found = run(case, Path(folder))
            yield from found
            if case in LARGE:
                memory[case.tags] = next(one.value for one in found if one.unit == "MB")
            print(f"done: {case.name}", file=sys.stderr)
    if len(memory) > 1:
        (few, less), (many, more) = sorted(memory.items())
        yield Figure(f"memory of a tag, from {few} to {many}", (more - less) * 1e3 / (many - few), "kB")
