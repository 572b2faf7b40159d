"""A source that loses its server and comes back, in this process or as a gateway of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import yaml
from support_opcua import Proxy, Run

from gateway.status import Link

ROOT = Path(__file__).parents[1]


def numbers(run: Run, name: str = "Count") -> list[float]:
    return [float(value) for _, value, _ in run.journal.values(name)]  # type: ignore[arg-type]


def held(run: Run) -> dict[str, int]:
    """How often each rung of the repair ladder held; whether messages had to be republished is chance."""
    return {rung: repairs.count for rung, repairs in run.status.repairs.items() if rung != "republish"}


async def ready(run: Run) -> None:
    """Connected, every value known, and the subscription noted."""
    status = run.status
    await run.journal.until(lambda: status.connection.link is Link.CONNECTED and run.source._takeover._noted)
    await run.journal.until(lambda: status.values >= status.tags or "transfer" in status.repairs)


@asynccontextmanager
async def cut_off(proxy: Proxy, run: Run) -> AsyncIterator[None]:
    """Without link to the server."""
    proxy.refuses = True
    proxy.cut()
    await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
    yield
    proxy.refuses = False


async def leave_cut_off(proxy: Proxy, run: Run) -> None:
    """End without a word to the server."""
    await ready(run)
    proxy.refuses = True
    proxy.cut()
    await run.journal.until(lambda: run.status.connection.link is Link.WAITING)


def metrics_of(port: int) -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())
    except URLError:
        return ""


async def until_metric(port: int, line: str) -> None:
    async with asyncio.timeout(60):
        while line not in await asyncio.to_thread(metrics_of, port):
            await asyncio.sleep(0.05)


async def until_file(path: Path) -> None:
    async with asyncio.timeout(60):
        while not path.exists():
            await asyncio.sleep(0.05)


def gateway_file(folder: Path, page: int, **source: object) -> Path:
    """Settings of a gateway with this source and nothing else; its metrics are at this port."""
    plain = {"name": "plant", "security": {"policy": "None"}, "events": False, **source}
    settings = {
        "state": str(folder / "state"),
        "sources": [plain],
        "sinks": [],
        "page": {"enabled": False, "port": page},
    }
    file = folder / "gateway.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@asynccontextmanager
async def gateway_process(file: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway in a process of its own, killed at the end."""
    gateway = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "conche.main", "gateway", str(file), "--log-level", "warning"),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield gateway
    finally:
        gateway.send_signal(signal.SIGKILL)
        await gateway.communicate()
