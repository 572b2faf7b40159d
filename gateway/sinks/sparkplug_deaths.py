"""The birth/death sequence number of an edge node, kept on disk so that no two sessions share one."""

from __future__ import annotations

import os
from pathlib import Path

import orjson
import structlog

from gateway.contract import NotConnected
from gateway.thread import in_thread

log = structlog.get_logger(__name__)

_NUMBERS = 256


class DeathCounter:
    """bdSeq: 0 at the very first CONNECT, then one more each time, 0 again after 255."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def advance(self) -> int:
        """The number for the next CONNECT, on disk when this returns. Raises NotConnected if it cannot be kept."""
        try:
            return await in_thread(self._advance, "sparkplug-bdseq")
        except OSError as error:
            reason = f"cannot keep the Sparkplug sequence number in {self._path}: {error.strerror}; make it writable"
            raise NotConnected(reason) from error

    def _advance(self) -> int:
        number = self._next()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps({"bdSeq": number}))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        return number

    def _next(self) -> int:
        try:
            last = orjson.loads(self._path.read_bytes())["bdSeq"]
            return (int(last) + 1) % _NUMBERS
        except FileNotFoundError:
            return 0
        except (ValueError, TypeError, KeyError) as error:
            log.warning("sparkplug sequence number is damaged, starting at 0", path=str(self._path), reason=str(error))
            return 0
