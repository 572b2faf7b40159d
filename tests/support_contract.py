"""What a sink brings along to run under the contract suite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from support_records import Seen

from gateway.contract import Sink


@dataclass(frozen=True)
class Bench:
    """A sink and its peer, as the suite sees them."""

    sink: Sink
    cut: Callable[[], Awaitable[None]]  # the peer goes away; calls of the sink fail soon
    mend: Callable[[], Awaitable[None]]  # the peer is back, with all that it had
    numbers: Callable[[], Awaitable[set[Seen]]]  # (tag id, time, value) of every number that the peer has


@dataclass(frozen=True)
class Case:
    """A kind of sink under the suite."""

    name: str
    make: Callable[[Path], AbstractAsyncContextManager[Bench]]
    time_unit_ns: int = 1  # resolution of times at the peer
