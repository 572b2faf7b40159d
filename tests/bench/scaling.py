"""What several servers and many tags cost one gateway: the figures of docs/scaling.md.

Load servers with a value of each tag ten times a second, and the real gateway with its journal, no sinks beside it. The
gateway's CPU time by value, so that it holds on a busy machine too; memory is what its process holds at the end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))  # a script has only its own folder on the path

from peers import peer  # noqa: E402
from support_demo import free_ports, get_json  # noqa: E402

INTERVAL_MS = 100
MEASURE_S = 5.0
PATIENCE_S = 90.0


@dataclass(frozen=True)
class Case:
    """So many servers with so many tags each."""

    servers: int
    tags: int


CASES = (
    Case(1, 100),
    Case(1, 2_000),
    Case(4, 500),
    Case(8, 250),
    Case(1, 10_000),
    Case(1, 30_000),
)


def settings(ports: list[int], page: int, state: Path) -> dict[str, Any]:
    """A gateway of these servers with nothing but its journal."""
    common = {"security": {"policy": "None"}, "publishing_interval_ms": INTERVAL_MS, "events": False}
    sources = [{"name": f"load{port}", "url": f"opc.tcp://127.0.0.1:{port}", **common} for port in ports]
    return {"state": str(state), "sources": sources, "sinks": [], "page": {"enabled": False, "port": page}}


def values(page: int) -> list[int]:
    """How many came from each server; none while the gateway does not answer."""
    try:
        found = get_json(f"http://127.0.0.1:{page}/health")
    except OSError:
        return []
    return [int(source["values"]) for source in found["sources"].values()]


def wait(case: Case, page: int) -> None:
    """Until every tag of every server came twice."""
    deadline = time.monotonic() + PATIENCE_S
    while len(came := values(page)) < case.servers or min(came) < 2 * case.tags:
        if time.monotonic() > deadline:
            raise SystemExit(f"{case}: the gateway did not get going")
        time.sleep(0.5)


def cpu_s(process: psutil.Process) -> float:
    """User and system time so far."""
    times = process.cpu_times()
    return times.user + times.system


def measure(case: Case, process: psutil.Process, page: int) -> tuple[float, float, float]:
    """(us of CPU a value, share of a core, MB)."""
    wait(case, page)
    time.sleep(2.0)
    began, cpu, came = time.monotonic(), cpu_s(process), sum(values(page))
    time.sleep(MEASURE_S)
    seconds, cpu, came = time.monotonic() - began, cpu_s(process) - cpu, sum(values(page)) - came
    return cpu / came * 1e6, cpu / seconds, process.memory_info().rss / 1e6


def run(case: Case, folder: Path) -> tuple[float, float, float]:
    """One case with fresh processes."""
    page, *ports = free_ports(case.servers + 1)
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(settings(ports, page, folder / "state")))
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(peer("load_server.py", "--port", str(port), "--tags", str(case.tags)))
        log = stack.enter_context((folder / "gateway.log").open("wb"))
        command = [sys.executable, "-m", "conche.main", "gateway", str(file)]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        stack.callback(process.wait, 20)
        stack.callback(process.terminate)
        return measure(case, psutil.Process(process.pid), page)


def main() -> None:
    """Print the table."""
    print("| servers | tags each | µs a value | share of a core | resident MB |\n|---|---|---|---|---|")
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="conche-scaling-") as folder:
            cost, share, memory = run(case, Path(folder))
        print(f"| {case.servers} | {case.tags:,} | {cost:.2f} | {share:.1%} | {memory:.0f} |", flush=True)


if __name__ == "__main__":
    main()
