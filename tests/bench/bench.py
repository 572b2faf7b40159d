"""`make bench`: what the plant costs, and a value in the gateway, from OPC UA to the journal, Sparkplug and InfluxDB.

The gateway is the real one, a process of its own; beside it run a load server, Mosquitto and a counting database. The
cost is the gateway's CPU time (user + system) by the values that came, so that it holds on a busy machine too. Every
value is counted at both sinks. Prints a table and writes build/bench.jsonl, one {name, value, unit} a line.
`make bench ARGS=plant` runs one of them alone.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # a script has only its own folder on the path

import plant  # noqa: E402
from peers import Peer, SparkplugHost, database_count, mosquitto, peer  # noqa: E402
from report import Figure, table, write  # noqa: E402
from support_demo import CONCHE, free_ports, get_json  # noqa: E402

WARM_UP_S = 4.0
MEASURE_S = 8.0
INTERVAL_MS = 100
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Case:
    """What is measured: how many tags, each with a value every INTERVAL_MS, to which sinks."""

    tags: int
    sinks: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.tags} tags x {1000 // INTERVAL_MS} Hz to {' + '.join(('journal', *self.sinks))}"


@dataclass(frozen=True)
class Result:
    """What came out. `missing` counts values that the gateway received and a sink did not get."""

    case: Case
    rate: float  # values/s
    cpu_us: float  # the gateway's CPU time a value
    memory_mb: float
    missing: int


CASES = (
    Case(10_000, ()),
    Case(10_000, ("sparkplug",)),
    Case(10_000, ("influx",)),
    Case(10_000, ("sparkplug", "influx")),
    Case(1_000, ("sparkplug", "influx")),
)


@dataclass(frozen=True)
class Ports:
    """Where everybody listens."""

    opcua: int
    mqtt: int
    database: int
    page: int


def settings(case: Case, ports: Ports, state: Path) -> dict[str, Any]:
    """The gateway's settings for a case."""
    known = {
        "sparkplug": {"kind": "sparkplug", "broker": {"port": ports.mqtt}, "group": "bench", "device": "{group}"},
        "influx": {
            "kind": "influx", "url": f"http://127.0.0.1:{ports.database}", "org": "o", "bucket": "b", "token": "t",
            "tags": ["group", "tag"], "measurement": "load",
        },
    }  # fmt: skip
    known["sparkplug"]["metric"] = "{tag}"
    return {
        "state": str(state),
        "sources": [
            {
                "name": "load",
                "url": f"opc.tcp://127.0.0.1:{ports.opcua}",
                "security": {"policy": "None"},
                "publishing_interval_ms": INTERVAL_MS,
                "events": False,
            }
        ],
        "naming": {"paths": ["Load/{group}/{tag}"]},
        "sinks": [known[sink] for sink in case.sinks],
        "page": {"enabled": False, "port": ports.page},
    }


@contextmanager
def gateway(case: Case, ports: Ports, folder: Path) -> Iterator[psutil.Process]:
    """The gateway with these settings, in a process of its own."""
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(settings(case, ports, folder / "state")))
    with (folder / "gateway.log").open("wb") as log:
        process = subprocess.Popen([CONCHE, "gateway", str(file)], stdout=log, stderr=log, cwd=ROOT)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


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


def measure(case: Case, process: psutil.Process, ports: Ports, load: Peer) -> tuple[float, float, float, float]:
    """(values/s, CPU us a value, resident MB, values in all)."""
    wait_for_load(case, ports)
    time.sleep(WARM_UP_S)
    begin, cpu, values = time.monotonic(), cpu_s(process), received(ports)
    time.sleep(MEASURE_S)
    seconds, cpu, values = time.monotonic() - begin, cpu_s(process) - cpu, received(ports) - values
    memory = process.memory_info().rss / 1e6
    load.end()
    return values / seconds, cpu / values * 1e6, memory, drain(case, ports)


def run(case: Case, folder: Path) -> Result:
    """One case from start to end, everything fresh."""
    ports = Ports(*free_ports(4))
    database = Peer("database.py", "--port", str(ports.database))
    server = ("load_server.py", "--port", str(ports.opcua), "--tags", str(case.tags))
    with mosquitto(ports.mqtt, folder), peer(*server) as load:
        host = SparkplugHost(ports.mqtt)
        with gateway(case, ports, folder) as process:
            rate, cpu_us, memory, total = measure(case, process, ports, load)
            time.sleep(1)  # what the broker still has for the Sparkplug host
        host.end()
    lines = database_count(database)
    missing = max(0, int(total) - host.metrics) if "sparkplug" in case.sinks else 0
    missing += max(0, int(total) - lines) if "influx" in case.sinks else 0
    return Result(case, rate, cpu_us, memory, missing + host.missing_messages)


def figures_of(result: Result) -> list[Figure]:
    """What a case showed."""
    name = f"gateway, {result.case.name}"
    return [
        Figure(f"{name}: rate", round(result.rate), "values/s"),
        Figure(f"{name}: CPU", round(result.cpu_us, 3), "us/value"),
        Figure(f"{name}: a core", round(1e6 / result.cpu_us), "values/s"),
        Figure(f"{name}: memory", round(result.memory_mb), "MB"),
        Figure(f"{name}: missing", result.missing, "values"),
    ]


def gateway_figures() -> Iterator[Figure]:
    """All cases, one after the other."""
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="conche-bench-") as folder:
            yield from figures_of(run(case, Path(folder)))
            print(f"done: {case.name}", file=sys.stderr)


BENCHES = {"gateway": gateway_figures, "plant": plant.figures}


def main() -> None:
    """Run the benches that are named, else all; exit 1 when a value is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "benches", nargs="*", metavar="bench", help=f"{', '.join(BENCHES)}; all of them when none is named"
    )
    named = parser.parse_args().benches or list(BENCHES)
    if unknown := set(named) - BENCHES.keys():
        parser.error(f"there is no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    figures = [figure for name in named for figure in BENCHES[name]()]
    print(table(figures))
    write(figures)
    sys.exit(any(figure.value for figure in figures if figure.name.endswith(": missing")))


if __name__ == "__main__":
    main()
