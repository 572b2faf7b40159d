"""A supervised child process: started, probed, started again with back-off when it ends, stopped in good time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from conche import lifeline

Probe = Callable[[], Awaitable[bool]]
Say = Callable[[str], None]

_POLL_S = 0.05
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_SETTLED_S = 60.0
_LOG_LIMIT_BYTES = 20_000_000
_TAIL_BYTES = 4_000
_TAIL_LINES = 12


class StartError(Exception):
    """A child ended, or stayed silent, before it was ready; the text shows the end of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a child is: its command, its log, and how to see that it is ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    probe: Probe
    start_s: float  # how long it may take until it is ready
    stop_s: float  # its share of the time to stop
    reloads: bool = False  # SIGHUP has it read its settings again


class Child:
    """One service as a process in a session of its own, so that Ctrl-C reaches the supervisor only."""

    def __init__(self, service: Service, alive: int, say: Say) -> None:
        self.service = service
        self.ready = asyncio.Event()
        self._alive = alive  # the reading end of the lifeline's pipe
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._log_begin = 0  # where this life's part of the log begins

    async def keep(self) -> None:
        """Start the process, and again whenever it ends; never returns. Raises StartError if it was never ready."""
        pause = 0.0
        while True:
            begin = time.monotonic()
            code = await self._live()
            if not self.ready.is_set():
                raise StartError(f"{self.service.name} {describe(code)} while starting:\n{self._last_words()}")
            pause = next_pause(pause, lived_s=time.monotonic() - begin)
            self._say(f"{self.service.name} {describe(code)}: starting it again in {pause:g} s; see {self.service.log}")
            await asyncio.sleep(pause)

    async def stop(self) -> bool:
        """SIGINT, then SIGKILL after the service's share of time. Idempotent.

        False when it had to be killed with something in its hands: while it starts, there is nothing to lose.
        """
        process = self._process
        if process is None or process.returncode is not None:
            return True
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(self.service.stop_s):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            return not self.ready.is_set()
        return True

    def reload(self) -> None:
        """Have the service read its settings again, if it can and is ready."""
        if self.service.reloads and self.ready.is_set() and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    async def _live(self) -> int:
        """One life of the process, from start to end; its exit code."""
        service = self.service
        with service.log.open("ab") as log:
            self._log_begin = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                *service.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(self._alive,),
                env={**service.environment, lifeline.VARIABLE: str(self._alive)},
            )
        probing = asyncio.create_task(self._probe())
        try:
            return await self._process.wait()
        finally:
            probing.cancel()

    def _last_words(self) -> str:
        return tail(self.service.log, self._log_begin)

    async def _probe(self) -> None:
        while not self.ready.is_set():
            if await self.service.probe():
                self.ready.set()
            await asyncio.sleep(_POLL_S)


def next_pause(pause: float, lived_s: float) -> float:
    """Seconds until the next start: doubled each time, short again after a life of a minute."""
    return _FIRST_PAUSE_S if lived_s >= _SETTLED_S or not pause else min(2 * pause, _LONGEST_PAUSE_S)


def describe(code: int) -> str:
    """How a process ended, in words; above 128 it tells how its own child did."""
    number = -code if code < 0 else code - 128
    known = number in signal.valid_signals() and number > 0
    return f"was ended by {signal.Signals(number).name}" if known else f"ended with exit code {code}"


def tail(log: Path, begin: int) -> str:
    """The last lines of a log from a byte on."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - _TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-_TAIL_LINES:])


def keep_log_short(log: Path) -> None:
    """Move a log that grew too long aside and empty it; the process that writes it, always at its end, just goes on."""
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.with_suffix(".1.log").write_bytes(log.read_bytes())
        os.truncate(log, 0)


async def accepts(host: str, port: int) -> bool:
    """Whether someone takes TCP connections there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


async def answers_http(host: str, port: int, path: str) -> bool:
    """Whether an HTTP server answers a GET of this path, with whatever status."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        return (await reader.readline()).startswith(b"HTTP/")
    except OSError:
        return False
    finally:
        writer.close()
