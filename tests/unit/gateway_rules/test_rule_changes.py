"""Rules that change while the gateway runs, or between its runs, are judged at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from support_alerts import House
from support_rules import contacts, outbox, rule

from gateway.notify.texts import Texts
from gateway.rules.engine import RuleEngine
from gateway.rules.settings import EventRule, ThresholdRule


async def test_a_changed_rule_is_judged_at_the_start(build: Callable[..., House]) -> None:
    before = build(rule(below=100.0))
    async with before.running() as engine:
        await engine.write(before.plant.batch(("Beans", "Level", 0, 150)))
        assert before.status.waiting == 0
    after = build(rule(below=200.0))
    async with after.running():
        await after.mails(1)


async def adjusted(engine: RuleEngine, house: House, *rules: ThresholdRule | EventRule) -> None:
    await engine.adjust(rules, contacts(), Texts(outbox(house.path.parent).sender))


async def test_changed_rules_are_judged_at_once_and_unchanged_ones_mail_nothing_again(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", 0, 50), ("Beans", "Level", 1, 40)))
        await house.mails(1)
        await adjusted(engine, house, *house.rules, rule(name="half", below=45, cool_down_s=0))
        mails = await house.mails(2)
        assert [mail.rule for mail in mails] == ["restock", "half"]
        await engine.write(house.plant.batch(("Beans", "Level", 2, 39)))
        await adjusted(engine, house, *house.rules)
        await house.mails(2)


async def test_a_delay_runs_on_while_other_rules_change(house: House) -> None:
    slow = rule(name="slow", below=50, delay_s=1.0, cool_down_s=0)
    house.rules = (slow,)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 40)))
        began = time.monotonic()
        while not house.postman.mails and time.monotonic() < began + 10:
            await adjusted(engine, house, slow, rule(name=f"other{time.monotonic_ns()}", below=1))
            await asyncio.sleep(0.1)
        assert [mail.rule for mail in await house.mails(1)] == ["slow"]


async def test_a_rule_that_is_taken_out_mails_no_more(house: House) -> None:
    house.rules = (rule(name="slow", below=50, delay_s=60, cool_down_s=0),)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 40)))
        await adjusted(engine, house, rule(name="other", below=10))
        assert engine._deadlines == {}, "the clock will not ring"
        await house.mails(0)
