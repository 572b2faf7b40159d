"""What must change is decided without a server: exactly what differs, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.opcua.items import Item, Revised
from gateway.opcua.plan import Plan, plan
from gateway.opcua.settings import SourceSettings, is_same_session
from gateway.opcua.subscription import Subscription
from gateway.opcua.terms import Conditions, Deadband, Pace, Parameters, Terms, Wish
from gateway.values import DataType, Tag

BASE, FAST, SLOW = (Pace(ms, 5, 600) for ms in (250, 100, 5000))
PLAIN = Parameters(0, 1000, keeps_newest=True, deadband=None)
DAMPED = replace(PLAIN, deadband=Deadband(0.5, percent=False))


def tag(number: int, name: str = "Speed", kind: DataType = DataType.DOUBLE, **more: object) -> Tag:
    return Tag(number, "plant", f"i={number}", ("Mill", name), kind, **more)  # type: ignore[arg-type]


def wish(number: int, pace: Pace = BASE, parameters: Parameters = PLAIN) -> Wish:
    return Wish(tag(number), Terms(pace, parameters))


def subscription(number: int, pace: Pace, *tags: int, parameters: Parameters = PLAIN, events: bool = False):
    items = {i: Item(1000 + i, parameters, Revised(0, 1000)) for i in tags}
    return Subscription(number, pace, pace.publishing_ms, 20, events, items=items)


def after(subscriptions: list[Subscription], steps: Plan) -> dict[int, tuple[Pace, Parameters]]:
    """Which tags are monitored on which terms once the steps are done."""
    monitored: dict[int, tuple[Pace, Parameters]] = {}
    for one in subscriptions:
        pace = steps.retime.get(one.id, one.pace)
        items = {i: item.asked for i, item in one.items.items() if i not in steps.delete.get(one.id, ())}
        items |= {i: steps.wishes[i].terms.parameters for i in steps.modify.get(one.id, ())}
        assert not (one.id in steps.end and items)
        assert not monitored.keys() & items.keys()
        monitored |= {i: (pace, parameters) for i, parameters in items.items()}
    for pace, tags in steps.create.items():
        assert not monitored.keys() & set(tags)
        monitored |= {i: (pace, steps.wishes[i].terms.parameters) for i in tags}
    return monitored


def wished(wishes: Mapping[int, Wish]) -> dict[int, tuple[Pace, Parameters]]:
    return {i: (one.terms.pace, one.terms.parameters) for i, one in wishes.items()}


paces, parameters = st.sampled_from([BASE, FAST, SLOW]), st.sampled_from([PLAIN, DAMPED])
wanted = st.dictionaries(st.integers(1, 12), st.tuples(paces, parameters))
running = st.lists(st.tuples(paces, parameters, st.sets(st.integers(1, 12))), max_size=4)


@given(running, wanted, paces)
def test_the_steps_lead_to_exactly_what_is_wanted_and_then_nothing_is_left_to_do(
    before: list[tuple[Pace, Parameters, set[int]]], want: dict[int, tuple[Pace, Parameters]], base: Pace
) -> None:
    taken: set[int] = set()
    subscriptions = []
    for number, (pace, asked, tags) in enumerate(before, 1):
        subscriptions.append(subscription(number, pace, *(tags - taken), parameters=asked))
        taken |= tags
    wishes = {i: wish(i, *terms) for i, terms in want.items()}
    steps = plan(subscriptions, wishes, base)
    assert after(subscriptions, steps) == wished(wishes)
    changed = {i for tags in (*steps.delete.values(), *steps.modify.values(), *steps.create.values()) for i in tags}
    for one in subscriptions:
        for i, item in one.items.items():
            if i in want and want[i] == (one.pace, item.asked):
                assert i not in changed, "what is as it should be is not touched"
    left = {one.id for one in subscriptions} - set(steps.end)
    if any(steps.retime.get(one.id, one.pace) == base for one in subscriptions):
        assert any(steps.retime.get(one.id, one.pace) == base for one in subscriptions if one.id in left)


def test_what_is_as_wanted_needs_no_step() -> None:
    steps = plan(
        [subscription(1, BASE, 1, 2), subscription(2, FAST, 3)], {1: wish(1), 2: wish(2), 3: wish(3, FAST)}, BASE
    )
    assert steps.is_done


def test_another_interval_for_all_is_a_modified_subscription_and_nobody_misses_anything() -> None:
    steps = plan([subscription(1, BASE, 1, 2)], {1: wish(1, SLOW), 2: wish(2, SLOW)}, SLOW)
    assert steps.retime == {1: SLOW}
    assert not steps.delete
    assert not steps.create


def test_another_interval_for_some_moves_these_only() -> None:
    steps = plan([subscription(1, BASE, 1, 2)], {1: wish(1), 2: wish(2, SLOW)}, BASE)
    assert (steps.delete, steps.create, steps.moved) == ({1: [2]}, {SLOW: [2]}, {2})
    assert not steps.end


def test_other_parameters_are_modified_in_place() -> None:
    steps = plan([subscription(1, BASE, 1, 2)], {1: wish(1), 2: wish(2, parameters=DAMPED)}, BASE)
    assert (steps.modify, steps.delete, steps.create) == ({1: [2]}, {}, {})


def test_an_empty_subscription_ends_but_not_the_one_that_stands_for_the_source_nor_that_of_events() -> None:
    running = [subscription(1, BASE), subscription(2, FAST, 1), subscription(3, BASE, events=True)]
    assert plan(running, {}, BASE).end == [2]


def test_a_rejected_tag_waits() -> None:
    assert plan([subscription(1, BASE)], {1: wish(1)}, BASE, waiting={1}).is_done


SETTINGS = {
    "name": "plant",
    "url": "opc.tcp://127.0.0.1:4840",
    "queue_size": 50,
    "deadband": "2 %",
    "items": [
        {"match": ["**/Power", "**/Speed"], "publishing_interval_ms": 1000, "deadband": 0.5, "discard": "newest"},
        {"match": ["Mill/*"], "sampling_interval_ms": 100, "queue_size": 5},
    ],
}


def terms(one: Tag) -> Terms:
    return Conditions(SourceSettings.model_validate(SETTINGS)).wish(one).terms


def test_the_first_pattern_that_fits_decides_and_the_rest_is_as_for_the_server() -> None:
    speed = terms(tag(1, "Speed"))
    assert speed.pace.publishing_ms == 1000
    assert speed.parameters == Parameters(0, 50, keeps_newest=False, deadband=Deadband(0.5, percent=False))
    heat = terms(tag(2, "Heat", low=0.0, high=200.0))
    assert heat.pace.publishing_ms == 250
    assert heat.parameters == Parameters(100, 5, keeps_newest=True, deadband=Deadband(2, percent=True))


@pytest.mark.parametrize(
    "one",
    [
        tag(1, "Heat"),
        tag(1, "Heat", low=5.0, high=5.0),
        tag(1, "Text", DataType.STRING, low=0.0, high=1.0),
        tag(1, "State", DataType.INT32, enum=("off", "on"), low=0.0, high=1.0),
        tag(1, "On", DataType.BOOLEAN, low=0.0, high=1.0),
    ],
    ids=["no range", "empty range", "text", "enumeration", "boolean"],
)
def test_a_deadband_is_asked_for_only_where_it_can_have_a_meaning(one: Tag) -> None:
    assert terms(one).parameters.deadband is None


def test_a_deadband_may_come_out_of_an_environment_variable() -> None:
    settings = SourceSettings.model_validate(SETTINGS | {"deadband": "2.5"})
    assert Deadband.parsed(settings.deadband) == Deadband(2.5, percent=False)
    assert [str(Deadband.parsed(text)) for text in (0.5, "2 %", "1.5%")] == ["0.5", "2 %", "1.5 %"]


@pytest.mark.parametrize("deadband", [-1, "x %", "200 %", True, float("inf"), float("nan"), [1]])
def test_a_deadband_that_is_none_is_refused(deadband: object) -> None:
    with pytest.raises(ValidationError, match="a deadband is a number"):
        SourceSettings.model_validate(SETTINGS | {"deadband": deadband})


def test_counts_of_a_subscription_follow_from_its_interval() -> None:
    assert (BASE.keepalive, BASE.lifetime) == (20, 2400)
    assert (SLOW.keepalive, SLOW.lifetime) == (1, 120)
    assert Pace(60_000, 5, 15).lifetime == 3, "three keep-alives at least"


def test_what_a_running_source_cannot_change_is_told() -> None:
    before = SourceSettings.model_validate(SETTINGS)
    assert is_same_session(before, SourceSettings.model_validate(SETTINGS | {"queue_size": 7, "include": ["A/**"]}))
    assert not is_same_session(before, SourceSettings.model_validate(SETTINGS | {"url": "opc.tcp://127.0.0.1:4841"}))
