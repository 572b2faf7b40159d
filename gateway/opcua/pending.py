"""The holes still to be filled from history, on disk: a gateway that is killed meanwhile goes on afterwards."""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
import orjson
import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_EVERY_S = 2.0

_log = structlog.get_logger(__name__)


class PendingFile:
    """Tag id -> Unix ns from which on its history is missing, as JSON; no file when nothing is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = 0.0

    def load(self) -> dict[int, int]:
        """What was open when the last run ended. A file that cannot be read is reported and counts as empty."""
        try:
            return {int(tag_id): int(start) for tag_id, start in orjson.loads(self._path.read_bytes()).items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError) as error:
            _log.error(
                "unfinished history is not known: values may be missing", file=str(self._path), reason=str(error)
            )
            return {}

    async def save(self, pending: NDArray[np.int64], *, at_once: bool = False) -> None:
        """Write what is open; every two seconds at most, unless it must be now or nothing is open any more."""
        ids = np.flatnonzero(pending)
        if len(ids) and not at_once and monotonic() < self._saved + _EVERY_S:
            return
        open_now = {str(i): int(pending[i]) for i in ids.tolist()}
        try:
            await asyncio.to_thread(self._write, open_now)
        except OSError as error:
            _log.error("unfinished history cannot be noted", file=str(self._path), reason=str(error))
        self._saved = monotonic()

    def _write(self, pending: dict[str, int]) -> None:
        if not pending:
            self._path.unlink(missing_ok=True)
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(pending))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
