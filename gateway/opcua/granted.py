"""What servers grant: how many tags are monitored on which terms, as asked and as revised."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gateway.status import Granted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.opcua.subscription import Subscription


def granted(subscriptions: Iterable[Subscription]) -> tuple[Granted, ...]:
    """One entry for all tags with the same terms, fastest first."""
    counts = Counter(
        (one.pace.publishing_ms, one.interval_ms, item.asked, item.revised)
        for one in subscriptions
        for item in one.items.values()
    )
    entries = (
        Granted(
            tags,
            (publishing_ms, interval_ms),
            (asked.sampling_ms, revised.sampling_ms),
            (asked.queue_size, revised.queue_size),
            str(asked.deadband or ""),
            revised.refused,
        )
        for (publishing_ms, interval_ms, asked, revised), tags in counts.items()
    )
    return tuple(sorted(entries, key=lambda entry: (entry.publishing_ms, entry.sampling_ms, entry.queue_size)))
