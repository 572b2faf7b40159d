"""What must change so that exactly what is wanted is monitored: decided here, done by subscription.py."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gateway.opcua.terms import Pace, Parameters, Wish


class Monitored(Protocol):
    """An item as it was asked for."""

    @property
    def asked(self) -> Parameters:
        """What was asked for."""
        ...


class Running(Protocol):
    """A subscription as far as a plan must know it."""

    id: int
    pace: Pace
    events: bool

    @property
    def items(self) -> Mapping[int, Monitored]:
        """By tag id."""
        ...


@dataclass(slots=True)
class Plan:
    """The steps, in the order in which they are to be done. Items that appear in none of them are not touched."""

    wishes: Mapping[int, Wish]  # what is wanted, by tag id
    base: Pace
    retime: dict[int, Pace] = field(default_factory=dict)  # subscription -> its new pace; it goes on meanwhile
    modify: dict[int, list[int]] = field(default_factory=dict)  # subscription -> tags with other parameters
    delete: dict[int, list[int]] = field(default_factory=dict)  # subscription -> tags that leave it
    create: dict[Pace, list[int]] = field(default_factory=dict)  # pace -> tags that come
    end: list[int] = field(default_factory=list)  # subscriptions that nobody needs any more

    @property
    def is_done(self) -> bool:
        """Whether nothing has to change."""
        return not (self.retime or self.modify or self.delete or self.create or self.end)

    @property
    def moved(self) -> set[int]:
        """Tags that go from one subscription to another: what they do on the way is not reported."""
        leaving = {tag_id for tag_ids in self.delete.values() for tag_id in tag_ids}
        return leaving & {tag_id for tag_ids in self.create.values() for tag_id in tag_ids}


def plan(
    subscriptions: Collection[Running], wishes: Mapping[int, Wish], base: Pace, waiting: Collection[int] = ()
) -> Plan:
    """From what runs to what is wished (by tag id). One subscription of the base pace always stays.

    Where all tags of a pace want the same new one, their subscriptions change and no value is missed. A tag that
    wants another pace than the tags it was with is moved. Tags that are waiting are not created.
    """
    steps = Plan(wishes, base, _retimed(subscriptions, wishes, base))
    missing = dict.fromkeys(tag_id for tag_id in wishes if tag_id not in waiting)
    for one in subscriptions:
        pace = steps.retime.get(one.id, one.pace)
        for tag_id, item in one.items.items():
            wish = wishes.get(tag_id)
            if wish is None or wish.terms.pace != pace:
                steps.delete.setdefault(one.id, []).append(tag_id)
                continue
            missing.pop(tag_id, None)
            if wish.terms.parameters != item.asked:
                steps.modify.setdefault(one.id, []).append(tag_id)
    for tag_id in missing:
        steps.create.setdefault(wishes[tag_id].terms.pace, []).append(tag_id)
    steps.end = _idle(subscriptions, steps)
    return steps


def _retimed(subscriptions: Collection[Running], wishes: Mapping[int, Wish], base: Pace) -> dict[int, Pace]:
    """New paces for whole subscriptions whose own pace nobody wants any more."""
    needed = {base, *(wish.terms.pace for wish in wishes.values())}
    spare = needed - {one.pace for one in subscriptions if not one.events}
    retimed = {one.id: base for one in subscriptions if one.events and one.pace != base}
    by_pace: dict[Pace, list[Running]] = {}
    for one in subscriptions:
        if not one.events and one.pace not in needed:
            by_pace.setdefault(one.pace, []).append(one)
    for together in by_pace.values():
        successor = _successor(together, wishes, base)
        if successor in spare:
            spare.remove(successor)
            retimed |= {one.id: successor for one in together}
    return retimed


def _successor(subscriptions: Sequence[Running], wishes: Mapping[int, Wish], base: Pace) -> Pace:
    """The pace that most of the tags in these subscriptions want now."""
    votes = Counter(wishes[tag_id].terms.pace for one in subscriptions for tag_id in one.items if tag_id in wishes)
    return votes.most_common(1)[0][0] if votes else base


def _idle(subscriptions: Collection[Running], steps: Plan) -> list[int]:
    """Subscriptions that lose their last item and get none; of those with the base pace the first one stays."""
    idle: list[int] = []
    has_base = False
    for one in subscriptions:
        if one.events:
            continue
        pace = steps.retime.get(one.id, one.pace)
        is_first_base = pace == steps.base and not has_base
        has_base |= is_first_base
        is_empty = len(steps.delete.get(one.id, ())) == len(one.items) and pace not in steps.create
        if is_empty and not is_first_base:
            idle.append(one.id)
    return idle
