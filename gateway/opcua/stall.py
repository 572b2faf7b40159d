"""Notices that this process itself stood still: suspended, or its event loop held up. Others seemed silent then."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

_TICK_S = 0.25
_STALL_S = 1.0  # what the loop may be late; silence is allowed a larger margin

_log = structlog.get_logger(__name__)


class Stall:
    """Knows when the process last came back to life, on the monotonic clock."""

    def __init__(self) -> None:
        self._ticked = monotonic()
        self._over = 0.0

    @property
    def over(self) -> float:
        """When the last stall was over; now, if nothing has run since. 0.0 without one."""
        now = monotonic()
        return now if now - self._ticked > _TICK_S + _STALL_S else self._over

    async def watch(self, look: Callable[[], None]) -> NoReturn:
        """Look at the clock, for ever, and have others look at it."""
        self._ticked = monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            before, self._over = self._over, self.over
            if self._over != before:
                _log.warning("the gateway itself stood still", for_s=round(self._over - self._ticked, 1))
            self._ticked = monotonic()
            look()
