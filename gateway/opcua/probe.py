"""What a server would grant a gateway with these settings: tags are monitored for a moment, then let go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.opcua.subscription import Subscriptions
from gateway.opcua.terms import Conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.opcua.session import Session
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag


@dataclass(frozen=True, slots=True)
class Offer:
    """The terms that a server grants a tag, or why it does not monitor it."""

    publishing_ms: float = 0.0
    sampling_ms: float = 0.0
    queue_size: int = 0
    refused: str = ""


async def probe(session: Session, settings: SourceSettings, tags: Sequence[Tag]) -> list[Offer]:
    """The offer for each tag. Raises NotConnected, SessionLost or ServiceFault."""
    subscriptions = Subscriptions(settings.name, settings.retry_item_s)
    conditions = Conditions(settings)
    wishes = [conditions.wish(replace(tag, id=number)) for number, tag in enumerate(tags, 1)]
    await subscriptions.restart(session, conditions.base, same_session=False)
    await subscriptions.carry_out(session, subscriptions.compare(wishes, conditions.base))
    offers = {number: Offer(refused=rejection.reason) for number, rejection in subscriptions.rejected.items()}
    for one in subscriptions.by_id.values():
        for number, item in one.items.items():
            made = item.revised
            offers[number] = Offer(one.interval_ms, made.sampling_ms, made.queue_size, made.refused)
    await subscriptions.end(session, list(subscriptions.by_id))
    return [offers[wish.tag.id] for wish in wishes]
