"""A whole gateway among peers that count: server, line, broker, database; each can be hurt."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic, time_ns
from typing import Any, Self

from faults.ledger import Rows, read
from faults.proxy import Proxy
from faults.sinks import CountingBroker, CountingInflux
from faults.tally import Tally, Verdict
from support_demo import free_ports, get_json

ROOT = Path(__file__).parents[2]
NODE = ROOT / "tests" / "integration" / "node"
START_S = 60.0
POLL_S = 0.1
JUDGE_S = 0.3  # broker and database live in this very process: judging must leave them time
RECOVERING_S = 4.0


class Process:
    """A child with its output in a file, or lines in and out."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self._command, self._log = command, log
        self._environment = os.environ | (environment or {})
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, *more: str, talks: bool = False) -> None:
        """Run it; with `talks` wait for the line "ready"."""
        pipe = asyncio.subprocess.PIPE
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *more,
                cwd=ROOT,
                env=self._environment,
                stdin=pipe if talks else asyncio.subprocess.DEVNULL,
                stdout=pipe if talks else log,
                stderr=log,
            )
        if talks:
            await self._answer("ready")

    async def tell(self, **order: Any) -> None:
        """Send an order and wait until it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._answer("done")

    async def _answer(self, expected: str) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(START_S):
            while (line := await self._process.stdout.readline()) != expected.encode() + b"\n":
                if not line:
                    raise RuntimeError(f"{self._command} ended:\n{self.output()}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End it, by SIGKILL unless otherwise said."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(with_signal)
            async with asyncio.timeout(20):
                await self._process.wait()

    def output(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-4000:]


@dataclass
class Plan:
    """How a case is set up."""

    server: str = "asyncua"  # or "node-opcua"
    tags: int = 100
    hz: float = 8.0  # half of the tags change at every tick
    history: bool = True
    server_options: tuple[str, ...] = ()
    source: dict[str, Any] = field(default_factory=dict)
    stepped_clock: bool = False


class Scene:
    """async with Scene(plan, folder, random) as scene: the gateway runs, everything is connected, values change."""

    def __init__(self, plan: Plan, folder: Path, random: Random) -> None:
        self.plan, self.folder, self.random = plan, folder, random
        self.server_port, page = free_ports(2)
        self.broker, self.influx = CountingBroker(plan.tags), CountingInflux(plan.tags)
        self.link = Proxy(self.server_port, random)
        self._ledger = folder / "ledger"
        self._page = page
        self.server = self._server()
        self.clock = folder / "clock"
        starter = [str(ROOT / "tests" / "faults" / "stepped.py"), str(self.clock)] if plan.stepped_clock else []
        command = [sys.executable, *(starter or ["-m", "conche.main"]), "gateway", str(folder / "gateway.yaml")]
        self.gateway = Process(command, folder / "gateway.log", {"PYTHONPATH": str(ROOT)})
        self.mended = 0.0  # on the monotonic clock: when the last fault ended

    def _server(self) -> Process:
        plan = self.plan
        common = ["--port", str(self.server_port), "--ledger", str(self._ledger), "--tags", str(plan.tags)]
        common += ["--seed", str(self.random.randrange(1 << 30)), *(["--history"] if plan.history else [])]
        if plan.server == "node-opcua":
            return Process(["node", str(NODE / "counting_server.js"), *common], self.folder / "server.log")
        script = str(ROOT / "tests" / "faults" / "counting_server.py")
        return Process([sys.executable, script, *common], self.folder / "server.log")

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for peer in (self.broker, self.influx, self.link):
            await self._stack.enter_async_context(peer)
        self.broker_line = await self._stack.enter_async_context(Proxy(self.broker.port, self.random))
        self.clock.write_text("0")
        self._configure()
        try:
            await self.server.start(*self.plan.server_options, talks=True)
            await self.gateway.start()
            await self.until(self._everything_reported, START_S, "the first value of every tag")
            await self.server.tell(do="run", hz=self.plan.hz)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.kill(signal.SIGKILL)
        await self.server.kill(signal.SIGKILL)
        await self._stack.aclose()

    def _configure(self) -> None:
        source = {
            "name": "plant",
            "url": f"opc.tcp://127.0.0.1:{self.link.port}/",
            "security": {"policy": "None"},
            "include": ["Group*/**"],
            "publishing_interval_ms": 100,
            "keepalive_s": 2,
            "timeout_s": 5,
            "lifetime_s": 120,
            "retry_max_s": 2,
            "rebrowse_s": 3,
            "retry_item_s": 0.5,
            "events": False,
            "backfill": {"first_history_s": 0, "settle_s": 0.5},
        }
        broker = {"port": self.broker_line.port, "keep_alive_s": 5, "timeout_s": 4}
        self.settings: dict[str, Any] = {
            "state": str(self.folder / "state"),
            "sources": [source | self.plan.source],
            "naming": {"constants": {"enterprise": "faults"}, "paths": ["{station}/{tag}"]},
            "delivery": {"backoff_cap_s": 2},
            "sinks": [
                {"kind": "uns", "broker": broker, "topic": "uns/{station}/{tag}", "root": "uns"},
                {"kind": "sparkplug", "broker": broker, "node": "conche", "device": "{station}", "metric": "{tag}"},
                {
                    "kind": "influx",
                    "url": self.influx.url,
                    "version": 1,
                    "database": "faults",
                    "measurement": "{station}",
                    "tags": ["tag"],
                    "timeout_s": 4,
                },
            ],
            "page": {"enabled": False, "port": self._page},
        }
        self._write_settings()

    def _write_settings(self) -> None:
        """As editors do: the file is replaced by another one."""
        file = self.folder / "gateway.yaml"
        fresh = file.with_suffix(".new")
        fresh.write_text(json.dumps(self.settings, indent=1))
        fresh.replace(file)

    async def change(self, change: Callable[[dict[str, Any]], object]) -> str:
        """Change the settings file under the running gateway; "reloads" or "refusals", whatever it made of it."""
        before = (await self.health())["settings"]
        change(self.settings)
        self._write_settings()
        deadline = monotonic() + START_S
        while (now := (await self.health())["settings"]) | {"age_s": 0} == before | {"age_s": 0}:
            if monotonic() > deadline:
                raise RuntimeError(f"the settings file has changed, and nobody noticed\n{self.gateway.output()}")
            await asyncio.sleep(POLL_S)
        return "reloads" if now["reloads"] > before["reloads"] else "refusals"

    @property
    def tallies(self) -> tuple[Tally, ...]:
        return self.broker.uns, self.broker.sparkplug, self.influx.tally

    def _everything_reported(self) -> bool:
        return all(tally.reported.sum() >= self.plan.tags - self._silent() for tally in self.tallies)

    def _reported(self) -> str:
        return ", ".join(f"{tally.sink}: {tally.reported.sum()} tags" for tally in self.tallies)

    def _silent(self) -> int:
        return int("--invalid-tag" in self.plan.server_options)

    async def until(self, holds: Callable[[], bool], patience_s: float, what: str) -> None:
        """Wait until something holds. RuntimeError with the gateway's log when it does not in time."""
        deadline = monotonic() + patience_s
        while not holds():
            if monotonic() > deadline:
                raise RuntimeError(f"not within {patience_s:g} s: {what}; {self._reported()}\n{self.gateway.output()}")
            await asyncio.sleep(POLL_S)

    async def pause(self, least_s: float, most_s: float | None = None) -> None:
        """Let time pass, how much is drawn from the seed."""
        await asyncio.sleep(self.random.uniform(least_s, most_s or least_s))

    def changes(self, until: int | None = None) -> Rows:
        """What the server has written down, up to a Unix time in ns."""
        rows = read(self._ledger)
        return rows if until is None else rows[rows["time"] <= until]

    def verdicts(self, until: int | None = None) -> list[Verdict]:
        """What became of the changes at every sink."""
        rows = self.changes(until)
        return [tally.judge(rows) for tally in self.tallies]

    async def finish(self, patience_s: float) -> tuple[list[Verdict], float]:
        """Wait until all is accounted for, or patience ends; the seconds since the fault was mended."""
        mended, began = time_ns(), self.mended or monotonic()
        resting = asyncio.ensure_future(self._rest())
        await self._accounted_for(mended, patience_s)
        recovered = monotonic() - began
        await resting
        await self._accounted_for(time_ns(), patience_s)
        await self.pause(0.5)
        return self.verdicts(), recovered

    async def _rest(self) -> None:
        """Values go on changing for a while after the fault: the gateway must not come back to a plant that stands."""
        await self.pause(RECOVERING_S)
        await self.server.tell(do="run", hz=0)

    async def _accounted_for(self, until: int, patience_s: float) -> None:
        """Return when every change up to a time is delivered or announced, or when nothing comes any more."""
        least, since = self._owed(until), monotonic()
        while least and monotonic() < since + patience_s:
            await asyncio.sleep(JUDGE_S)
            owed = self._owed(until)
            if owed < least:
                least, since = owed, monotonic()

    def _owed(self, until: int) -> int:
        return sum(verdict.lost - verdict.announced for verdict in self.verdicts(until))

    async def health(self) -> Any:
        """What the gateway says of itself."""
        return await asyncio.to_thread(get_json, f"http://127.0.0.1:{self._page}/health")

    def mend(self) -> None:
        """The fault is over: from now on the time to recover is counted."""
        self.mended = monotonic()

    async def restart_gateway(self) -> None:
        """SIGKILL, and start again at once."""
        await self.gateway.kill(signal.SIGKILL)
        await self.gateway.start()

    async def restart_server(self, away_s: float, *options: str) -> None:
        """SIGKILL, and start again after a while; its ledger, and with it its past, it has on disk."""
        await self.server.kill(signal.SIGKILL)
        await asyncio.sleep(away_s)
        await self.server.start(*options, talks=True)
        await self.server.tell(do="run", hz=self.plan.hz)
