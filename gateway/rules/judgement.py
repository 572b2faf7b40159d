"""What a batch means to the rules: what they learn, how their states move, and which alerts come of it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from gateway.rules.alerts import Alert, Crossing, names_of, of_event, of_threshold
from gateway.rules.binding import Binding, Instance
from gateway.rules.conditions import Phase, Series, State, constant, due, elapse, in_force, is_quiet, judge, meets, run
from gateway.rules.memory import Memory, Observation, Scalar, TagKey, key_of
from gateway.rules.samples import Samples, gather, news, numbers, series
from gateway.rules.settings import EventRule
from gateway.values import Batch, Event, Tag

_log = structlog.get_logger(__name__)
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be committed together: changes of the memory, and alerts."""

    changes: Memory
    alerts: tuple[Alert, ...]

    def __bool__(self) -> bool:
        return bool(self.changes.seen or self.changes.states or self.alerts)


def learn(binding: Binding, memory: Memory, batch: Batch) -> dict[int, Samples]:
    """Tag id -> the batch's values that are news to the rules."""
    found = gather(batch.columns, binding.watched)
    fresh = {
        tag: news(
            samples, memory.seen.get(key_of(binding.tags[tag])), binding.tags[tag].since, historical=batch.historical
        )
        for tag, samples in found.items()
    }
    return {tag: samples for tag, samples in fresh.items() if samples is not None}


def judge_values(
    binding: Binding, memory: Memory, fresh: Mapping[int, Samples], instances: Iterable[Instance]
) -> Judgement:
    """Move the state of these instances by the fresh values."""
    seen = {key_of(binding.tags[tag]): samples.last() for tag, samples in fresh.items()}
    after = memory.seen | seen
    states, alerts = {}, []
    for one in instances:
        before = memory.states.get(one.key, State())
        if _is_quiet(one, before, memory, fresh):
            continue
        state, crossings = _judge_one(one, before, memory, fresh)
        alerts += [of_threshold(one, crossing, related_values(one, after)) for crossing in crossings]
        if state != before:
            states[one.key] = state
    return Judgement(Memory(seen, states), tuple(alerts))


def judge_events(rules: Sequence[EventRule], batch: Batch, now: int) -> tuple[Alert, ...]:
    """The alerts of the batch's events. Late ones are news up to the rule's max_age_s before `now` (Unix ns)."""
    return tuple(
        of_event(rule, event)
        for event in batch.events
        for rule in rules
        if event.type == rule.type and meets(names_of(event), rule.where) and _is_news(rule, event, batch, now)
    )


def judge_clock(instances: Iterable[Instance], memory: Memory) -> Judgement:
    """The delay of these pending instances has run out and nothing else was heard."""
    states, alerts = {}, []
    for one in instances:
        before = memory.states.get(one.key, State())
        state, alert = elapse(before, due(before, one.timing), one.timing)
        if alert is not None:
            value, limit = (_number(tag, memory.seen) for tag in (one.tag, one.limit))
            crossing = Crossing(alert, before.since, value, limit)
            alerts.append(of_threshold(one, crossing, related_values(one, memory.seen)))
            states[one.key] = state
    return Judgement(Memory({}, states), tuple(alerts))


def remaining(instance: Instance, memory: Memory) -> float | None:
    """Seconds from its last value until a pending instance alerts if nothing else comes; None when none runs."""
    state = memory.states.get(instance.key, State())
    if state.phase is not Phase.PENDING or not state.held:
        return None
    judged_at = max(_judged_at(instance, memory), state.since)  # earlier if the source's clock was set back
    return max(0, due(state, instance.timing) - judged_at) / _NS


def related_values(instance: Instance, seen: Mapping[TagKey, Observation]) -> dict[str, Scalar]:
    """The rule's `with` values; None where no good value is known."""
    known = {name: tag and seen.get(key_of(tag)) for name, tag in instance.related.items()}
    return {name: one.value if one and one.good else None for name, one in known.items()}


def _is_news(rule: EventRule, event: Event, batch: Batch, now: int) -> bool:
    is_news = not batch.historical or now - event.time <= rule.max_age_s * _NS
    if not is_news:
        _log.info("event is too old to alert", rule=rule.name, type=event.type, source=event.source_name)
    return is_news


def _is_quiet(one: Instance, state: State, memory: Memory, fresh: Mapping[int, Samples]) -> bool:
    """Whether its new values surely change nothing. Said only where the limit is known and stays."""
    samples = fresh.get(one.tag.id)
    limit = _standing(one.limit, memory, fresh)
    if samples is None or limit is None:
        return False
    values, below = numbers(samples.value), one.rule.below is not None
    return is_quiet(state, float(values.min()), float(values.max()), limit, one.rule.margin, below=below)


def _standing(limit: Tag | float, memory: Memory, fresh: Mapping[int, Samples]) -> float | None:
    if not isinstance(limit, Tag):
        return limit
    seen = memory.seen.get(key_of(limit))
    return seen.number if seen and seen.good and limit.id not in fresh else None


def _judge_one(
    one: Instance, state: State, memory: Memory, fresh: Mapping[int, Samples]
) -> tuple[State, list[Crossing]]:
    values, limits = (_series(tag, memory, fresh) for tag in (one.tag, one.limit))
    times = np.union1d(values.time, limits.time)  # what was judged last is judged again: the rule may have changed
    value, value_good = in_force(values, times)
    limit, limit_good = in_force(limits, times)
    verdicts = judge(value, limit, value_good & limit_good, one.rule.margin, below=one.rule.below is not None)
    state, alerts = run(state, verdicts, times, one.timing)
    return state, [_crossing(alert, since, values, limits) for alert, since in alerts]


def _crossing(time: int, since: int, values: Series, limits: Series) -> Crossing:
    value, limit = (float(in_force(one, np.array([time]))[0][0]) for one in (values, limits))
    return Crossing(time, since, value, limit)


def _series(tag: Tag | float, memory: Memory, fresh: Mapping[int, Samples]) -> Series:
    if not isinstance(tag, Tag):
        return constant(tag)
    return series(memory.seen.get(key_of(tag)), fresh.get(tag.id))


def _judged_at(one: Instance, memory: Memory) -> int:
    """The newest source time that the instance has been judged at."""
    seen = [memory.seen.get(key_of(tag)) for tag in one.judged_by]
    return max((known.time for known in seen if known), default=0)


def _number(tag: Tag | float, seen: Mapping[TagKey, Observation]) -> float:
    return seen[key_of(tag)].number if isinstance(tag, Tag) else tag
