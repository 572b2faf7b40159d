"""No message is passed over: the missing are had again by number, or their loss is noticed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_publishing import END, LAST, Rig, Script, published

from gateway.contract import NotConnected
from gateway.opcua.errors import SubscriptionLost
from gateway.opcua.sequence import due, following, missing


async def test_missing_messages_are_had_again_and_keep_their_place() -> None:
    kept = {2: (2.0,), 3: (3.0,)}
    rig = Rig(Script(published(1, 1.0), published(4, 4.0, available=(2, 3, 4)), END, kept=kept))
    await rig.run()
    assert rig.script.republished == [2, 3]
    assert rig.values() == [1.0, 2.0, 3.0, 4.0]
    assert rig.losses == 0


async def test_a_keep_alive_gives_a_lost_message_away() -> None:
    rig = Rig(Script(published(1, 1.0), published(3, available=(2,)), published(3, 3.0), END, kept={2: (2.0,)}))
    await rig.run()
    assert rig.values() == [1.0, 2.0, 3.0]


async def test_numbers_roll_over_to_one() -> None:
    answers = (published(LAST, 1.0), published(1), published(1, 2.0), published(2, 3.0), END)
    rig = Rig(Script(*answers), last=LAST - 1)
    assert await rig.run() is END
    assert rig.values() == [1.0, 2.0, 3.0]
    assert rig.script.republished == []


async def test_a_gap_across_the_roll_over_is_filled() -> None:
    kept = {LAST: (1.0,), 1: (2.0,)}
    rig = Rig(Script(published(2, 3.0, available=(LAST, 1, 2)), END, kept=kept), last=LAST - 1)
    await rig.run()
    assert rig.script.republished == [LAST, 1]
    assert rig.values() == [1.0, 2.0, 3.0]


async def test_a_message_that_comes_twice_is_stored_once_and_acknowledged_again() -> None:
    rig = Rig(Script(published(1, 1.0), published(1, 1.0), published(2, 2.0)))
    task = asyncio.ensure_future(rig.publisher.run())
    await rig.journal.until(lambda: sorted(rig.script.acknowledged) == [1, 1, 2])
    assert rig.values() == [1.0, 2.0]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("available", [(), (2, 4)])
async def test_messages_that_nobody_has_are_a_loss_after_all_else_is_stored(available: tuple[int, ...]) -> None:
    rig = Rig(Script(published(1, 1.0), published(4, 4.0, available=available), kept={2: (2.0,)}))
    error = await rig.run()
    assert isinstance(error, SubscriptionLost)
    assert "message 3 is lost" in str(error)
    assert rig.losses == 1
    assert rig.values() == ([1.0, 2.0, 4.0] if available else [1.0, 4.0])
    assert rig.subscription.last == 4


async def test_a_message_that_was_announced_but_is_refused_is_a_loss() -> None:
    rig = Rig(Script(published(1, 1.0), published(3, 3.0, available=(2, 3))))
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.script.republished == [2]


async def test_a_server_that_does_not_count_from_one_is_believed() -> None:
    rig = Rig(Script(published(700, 1.0), published(701, 2.0), END))
    assert await rig.run() is END
    assert rig.losses == 0


def test_a_server_may_begin_to_count_anywhere() -> None:
    assert missing(0, LAST - 5) == missing(0, 20_000) == ()
    assert missing(0, 3) == (1, 2)


@given(st.integers(1, LAST), st.integers(1, 50))
def test_missing_are_exactly_the_numbers_between(last: int, steps: int) -> None:
    between = []
    number = last
    for _ in range(steps):
        number = following(number)
        between.append(number)
    assert missing(last, number) == tuple(between[:-1])
    assert missing(number, last) is None


async def test_of_a_transferred_subscription_comes_what_is_not_stored_yet_and_only_that() -> None:
    rig = Rig(Script(published(6, 6.0), NotConnected("over"), kept={3: (3.0,), 4: (4.0,), 5: (5.0,)}), last=3)
    rig.subscription.available = (3, 2, 4, 5)
    await rig.run()
    assert rig.values() == [4.0, 5.0, 6.0]
    assert rig.script.republished == [4, 5]
    assert rig.script.acknowledged == [3, 2, 4, 5]
    assert rig.journal.numbers == {rig.subscription.token: 6}
    assert rig.status.repairs["republish"].count == 2


async def test_what_a_transferred_subscription_has_lost_is_noticed_and_never_passed_over() -> None:
    rig = Rig(Script(kept={7: (7.0,)}), last=3)
    rig.subscription.available = (7,)
    assert isinstance(await rig.run(), SubscriptionLost)
    assert rig.losses == 1
    assert rig.journal.numbers == {}, "after a kill it would be noticed again"


@given(last=st.integers(0, LAST), steps=st.lists(st.booleans(), max_size=50))
def test_what_is_due_has_every_number_in_order(last: int, steps: list[bool]) -> None:
    numbers, number = [], last
    for _ in steps:
        number = following(number)
        numbers.append(number)
    available = [number for number, kept in zip(numbers, steps, strict=True) if kept]
    wanted = due(last, reversed(available))
    assert [number for number in wanted if number in available] == available
    assert list(wanted) == (numbers[: len(wanted)] if last else available)
