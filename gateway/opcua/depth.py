"""How many PublishRequests are kept at a server: as many as it takes that it never waits for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from gateway.opcua.subscription import Subscription

MOST = 30
"""PublishRequests at the server; many servers allow 20 to 100 a session, and those that allow fewer say so."""


def in_flight(subscriptions: Collection[Subscription], round_trip_s: float) -> int:
    """How many PublishRequests keep every subscription answerable: one for it, and those that are under way.

    Two more, so that the server can answer while the last answers are being stored.
    """
    under_way = sum(1 + int(round_trip_s * 1000 / one.interval_ms) for one in subscriptions)
    return min(2 + under_way, MOST)


def followed(depth: int, left: int) -> int:
    """How many there should be from now on, when so many of `depth` are left behind the last answers.

    Twice as many where the server has used up all: it has more to say, or storing takes long. One fewer where most are
    left.
    """
    if not left:
        return min(2 * depth, MOST)
    return depth - 1 if left > depth // 2 else depth
