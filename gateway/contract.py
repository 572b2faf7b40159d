"""What the runtime and its plugins owe each other. The comments are the contract; tests/contract/ checks every one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from gateway.values import Batch, Tag


class GatewayError(Exception):
    """Base of everything the gateway raises on purpose; its text says what to do."""


class NotConnected(GatewayError):  # noqa: N818 - a state, named as users know it
    """The peer is away: the batch is kept, delivery backs off and calls open() again."""


class Rejected(GatewayError):  # noqa: N818 - a verdict, named as users know it
    """The peer will never take these positions: they are counted, logged and skipped; the rest is sent again."""

    def __init__(self, positions: Sequence[int], reason: str) -> None:
        super().__init__(reason)
        self.positions = tuple(positions)
        self.reason = reason


class Catalogue(Protocol):
    """The tags that are known. It lives as long as the journal and changes while the gateway runs."""

    version: int  # rises with every change: a sink that keeps things by tag compares it at each write

    def __len__(self) -> int:
        """How many tags are active now."""
        ...

    def __iter__(self) -> Iterator[Tag]:
        """The tags that their servers have now, by rising id."""
        ...

    def tag(self, tag_id: int) -> Tag:
        """The tag of this id, also when its server no longer has it. KeyError if it never was."""
        ...


class Sink(Protocol):
    """A peer that takes batches. One task of delivery.py calls these methods, never two at a time.

    Order: open, write …, and after NotConnected open again; close at the end, also after a failed open. A sink never
    sleeps, retries or buffers beyond the call; delivery does. It may hold the event loop for milliseconds only.
    """

    name: str

    async def open(self, tags: Catalogue) -> None:
        """Connect and announce. Raises NotConnected. After a return, the next write is a first one."""
        ...

    async def write(self, batch: Batch) -> None:
        """Return only when the peer has all of the batch. Raises NotConnected or Rejected; then nothing is confirmed.

        A value may come a second time (the batch of an interrupted call): same tag, time and value.
        """
        ...

    async def close(self) -> None:
        """Let go of the peer in good order. Idempotent; never raises NotConnected."""
        ...
