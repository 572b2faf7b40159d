"""Broker and database away for long: what memory that takes, and whether all that is not announced as lost arrives.

10,000 tags with ten values a second each into a journal that is full after three minutes and drops its oldest records
from then on. `make bench ARGS=outage`; it takes eight minutes and is run on demand only.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
from load import Case, Ports, counters, drain, gateway, wait_for_load
from peers import Peer, SparkplugHost, mosquitto, peer
from report import Figure
from support_demo import free_ports

CASE = Case(10_000, away=True, journal_bytes=400 << 20)
AWAY_MIN = 6
"""Minutes."""


def figures() -> Iterator[Figure]:
    """Memory by the minute, then how both catch up."""
    with tempfile.TemporaryDirectory(prefix="conche-outage-") as folder:
        yield from _figures(Path(folder))


def _figures(folder: Path) -> Iterator[Figure]:
    ports = Ports(*free_ports(4))
    with ExitStack() as stack:
        load = stack.enter_context(peer("load_server.py", "--port", str(ports.opcua), "--tags", str(CASE.tags)))
        process = stack.enter_context(gateway(CASE, ports, folder, folder))
        wait_for_load(CASE, ports)
        for minute in range(1, AWAY_MIN + 1):
            time.sleep(60)
            yield Figure(f"outage: memory after {minute} min", _memory_mb(process), "MB")
            print(f"done: minute {minute} of {AWAY_MIN}", file=sys.stderr)
        stack.enter_context(mosquitto(ports.mqtt, folder))
        database, host = Peer("database.py", "--port", str(ports.database)), SparkplugHost(ports.mqtt)
        load.end()
        began, total = time.monotonic(), drain(CASE, ports)
        yield Figure("outage: both caught up after", time.monotonic() - began, "s")
        yield Figure("outage: memory then", _memory_mb(process), "MB")
        lost = counters(ports)["conche_journal_lost_total"]
        host.settle()
    host.end()
    delivered = {"broker": host.metrics, "database": json.loads(database.end())["lines"]}
    yield Figure("outage: values received", total, "values")
    yield Figure("outage: announced as lost", lost, "values")
    for peer_name, count in delivered.items():
        yield Figure(f"outage: {peer_name} got", count, "values")
    yield Figure("outage: missing", max(0, total - lost - min(delivered.values())), "values")


def _memory_mb(process: psutil.Process) -> float:
    return process.memory_info().rss / 1e6
