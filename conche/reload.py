"""A gateway that runs follows its settings file: changes are taken over, or refused with every finding."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import structlog

from conche.config import ConfigError, read_text
from conche.site import load_gateway

if TYPE_CHECKING:  # the rooms are slow to import: each command takes what it needs
    from gateway.gateway import Gateway
    from gateway.settings import GatewaySettings

PERIOD_S = 1.0
"""How often the file is looked at. A change is taken over when it has stayed the same for so long."""

Digests = Mapping[Path, bytes]
"""What is in some files; empty where one cannot be read."""

log = structlog.get_logger(__name__)


class Notes:
    """Reads files, and knows what was in them: whoever replaces a file, or turns a link to it, changes that."""

    def __init__(self) -> None:
        self.read_so_far: dict[Path, bytes] = {}

    def read(self, file: Path) -> str:
        """The text of a file, as config.read_text()."""
        self.read_so_far[file] = b""
        text = read_text(file)
        self.read_so_far[file] = _digest(text)
        return text

    def now(self) -> Digests:
        """What is in the same files now."""
        return {file: _look(file) for file in self.read_so_far}


def _look(file: Path) -> bytes:
    try:
        return _digest(read_text(file))
    except (OSError, UnicodeDecodeError):
        return b""


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()


class SettingsFile:
    """A gateway's settings file and the files that it names."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._file, self._environment = file, environment
        self._notes = Notes()
        self._seen: Digests = {}

    def load(self, running: GatewaySettings | None = None) -> GatewaySettings:
        """The settings as they stand in the file. Raises ConfigError."""
        self._notes = Notes()
        try:
            return load_gateway(self._file, self._environment, running, self._notes.read)
        finally:
            self._seen = self._notes.read_so_far

    def has_changed(self) -> bool:
        """Whether other things stand there than load() found, the same at this look as at the last one."""
        before, self._seen = self._seen, self._notes.now()
        return before == self._seen != self._notes.read_so_far


class FollowingGateway:
    """A gateway that keeps to its file (serve.Part). ask() has it look at once, as SIGHUP does."""

    def __init__(self, gateway: Gateway, file: SettingsFile) -> None:
        self._gateway, self._file = gateway, file
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Read the file again, whether it has changed or not."""
        self._asked.set()

    async def start(self) -> None:
        """Start the gateway."""
        await self._gateway.start()

    async def run(self) -> None:
        """Serve and follow until cancelled."""
        tasks = [asyncio.create_task(self._gateway.run()), asyncio.create_task(self._follow())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Stop the gateway."""
        await self._gateway.stop()

    async def _follow(self) -> NoReturn:
        while True:
            if await self._is_asked() or await asyncio.to_thread(self._file.has_changed):
                self._asked.clear()
                await self._reload()

    async def _is_asked(self) -> bool:
        try:
            async with asyncio.timeout(PERIOD_S):
                return await self._asked.wait()
        except TimeoutError:
            return False

    async def _reload(self) -> None:
        status = self._gateway.status.settings
        try:
            settings = await asyncio.to_thread(self._file.load, self._gateway.settings)
        except ConfigError as refusal:
            status.refuse(tuple(map(str, refusal.findings)))
            log.error("settings refused, those before stay", findings=status.findings)  # noqa: TRY400 - it says it all
        else:
            await self._gateway.reload(settings)
            status.take()
