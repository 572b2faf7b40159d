"""Rules over a stream of batches: one mail for each occasion, whatever is repeated, restarted or late."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs
from support_rules import (
    BAD,
    MATERIALS,
    NOW,
    UNCERTAIN,
    Plant,
    Postman,
    S,
    Tags,
    contacts,
    event_rule,
    order,
    outbox,
    rule,
    tag,
    until,
)

from gateway.contract import NotConnected
from gateway.notify.message import Message
from gateway.notify.queue import MailQueue
from gateway.notify.texts import Texts
from gateway.rules.engine import RuleEngine
from gateway.rules.settings import EventRule, ThresholdRule
from gateway.status import MailStatus
from gateway.values import Batch, Column, DataType


class House:
    """A rule engine with its mail queue over one file, which outlives restarts."""

    def __init__(self, folder: Path, *rules: ThresholdRule | EventRule, tags: Tags | None = None) -> None:
        self.path = folder / "mail.sqlite"
        self.rules = rules or (rule(cool_down_s=0), event_rule())
        self.tags = tags or Tags()
        self.plant = Plant(self.tags)
        self.postman = Postman()
        self.status = MailStatus()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RuleEngine]:
        settings = outbox(self.path.parent)
        queue = await MailQueue.open(self.path, self.postman, settings, self.status)
        engine = RuleEngine("rules", self.rules, contacts(), queue, Texts(settings.sender), latency_s=0.05)
        sender = asyncio.create_task(queue.run())
        try:
            await engine.open(self.tags)
            yield engine
        finally:
            await engine.close()
            sender.cancel()
            await asyncio.wait({sender})
            await queue.close()

    async def mails(self, count: int) -> list[Message]:
        """All mails, once nothing waits any more."""
        await until(lambda: len(self.postman.mails) >= count and not self.status.waiting)
        assert len(self.postman.mails) == count
        return self.postman.mails


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., House]:
    return lambda *rules, tags=None: House(tmp_path, *rules, tags=tags)


async def test_a_stock_below_its_reorder_point_mails_its_supplier_all_it_needs_to_know(house: House) -> None:
    async with house.running() as engine:
        limit, on_order = ("CocoaButter", "ReorderPoint", -9999, 24_000), ("CocoaButter", "OnOrder", -9999, 0)
        await engine.write(house.plant.batch(limit, on_order, ("CocoaButter", "Level", 0, 24_100)))
        assert house.status.waiting == 0
        await engine.write(house.plant.batch(("CocoaButter", "Level", 5, 23_412.5)))
        (mail,) = await house.mails(1)
    assert (mail.name, mail.email) == ("Rotterdam Butter & Fats", "orders@rotterdam-butter.example")
    assert mail.subject == "Restock request: cocoa butter is at 23,412 kg, reorder point 24,000 kg"
    for fact in (
        "In stock: 23,412 kg",
        "Reorder point: 24,000 kg",
        "Already on order: 0 kg",
        "2026-09-21 14:13:25 UTC",
    ):
        assert fact in mail.text


async def test_every_raw_material_mails_and_no_finished_product_does(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(*((m, "ReorderPoint", -1, 100) for m in MATERIALS)))
        await engine.write(house.plant.batch(*((m, "Level", 0, 50) for m in MATERIALS)))
        mails = await house.mails(5)
    assert {mail.name for mail in mails} == {contact.name for contact in contacts()["suppliers"].values()}
    assert house.status.dead == 0


async def test_a_noisy_stock_around_its_reorder_point_mails_once(house: House) -> None:
    noise = np.random.default_rng(7).uniform(-4.9, 4.9, 5000)  # within the hysteresis of 5 %
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100)))
        for start in range(0, 5000, 500):
            rows = (("Beans", "Level", i, 100 + noise[i]) for i in range(start, start + 500))
            await engine.write(house.plant.batch(*rows))
        await house.mails(1)
        await engine.write(house.plant.batch(("Beans", "Level", 6000, 105), ("Beans", "Level", 6001, 99)))
        await house.mails(2)


async def test_within_one_batch_every_crossing_counts(house: House) -> None:
    levels = itertools.cycle((50.0, 200.0))
    async with house.running() as engine:
        rows = [("Beans", "Level", i, next(levels)) for i in range(6)]
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), *rows))
        await house.mails(3)


async def test_a_raised_reorder_point_is_a_crossing_too(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 100), ("Beans", "ReorderPoint", -50, 80)))
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", 10, 120)))
        (mail,) = await house.mails(1)
    assert "In stock: 100 kg" in mail.text
    assert "Reorder point: 120 kg" in mail.text


async def test_a_limit_that_is_older_than_the_level_counts_when_it_becomes_known(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50)))
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -86_400, 100)))
        await house.mails(1)


@pytest.mark.parametrize("status", [BAD, UNCERTAIN])
async def test_bad_and_uncertain_values_neither_alert_nor_clear(house: House, status: int) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 0, status)))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 1, 50)))
        await engine.write(house.plant.batch(("Beans", "Level", 2, 500, status), ("Beans", "Level", 3, 50)))
        await house.mails(1)


async def test_a_batch_that_comes_again_mails_nothing_new(house: House) -> None:
    batches = [
        house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 150)),
        house.plant.batch(("Beans", "Level", 1, 50), events=[order()]),
        house.plant.batch(("Beans", "Level", 2, 150), ("Beans", "Level", 3, 50)),
    ]
    async with house.running() as engine:
        for batch in (batches[0], batches[1], batches[0], batches[1], *batches, *batches):
            await engine.write(batch)
        await house.mails(3)


async def test_a_restart_between_the_alert_and_its_mail_sends_it_once(house: House) -> None:
    batch = house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50), events=[order()])
    settings = outbox(house.path.parent)
    queue = await MailQueue.open(house.path, Postman(), settings, house.status)
    engine = RuleEngine("rules", house.rules, contacts(), queue, Texts(settings.sender))
    await engine.open(house.tags)
    await engine.write(batch)  # the sender never ran: as if the gateway had been killed here
    assert house.status.waiting == 2
    await engine.close()
    await queue.close()
    async with house.running() as engine:
        await engine.write(batch)  # the cursor had not moved
        await house.mails(2)
    async with house.running() as engine:
        await engine.write(batch)
        await engine.write(house.plant.batch(("Beans", "Level", 5, 49)))
        await house.mails(2)


async def test_an_alert_that_was_given_is_remembered_over_a_restart_until_it_clears(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50)))
        await engine.write(house.plant.batch(("Beans", "Level", 1, 102)))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 2, 99)))
        await house.mails(1)
        await engine.write(house.plant.batch(("Beans", "Level", 3, 105), ("Beans", "Level", 4, 99)))
        await house.mails(2)


async def test_a_limit_that_was_heard_before_the_restart_is_still_known(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 150)))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 5, 50)))
        await house.mails(1)


async def test_a_new_journal_with_other_tag_ids_does_not_mix_the_tags_up(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 1000), ("Beans", "Level", 0, 1500)))
    house.tags = Tags(("OnOrder", "Level", "ReorderPoint"))
    house.plant = Plant(house.tags)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 5, 1200)))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 6, 900)))
        await house.mails(1)


async def test_a_changed_rule_is_judged_at_the_start(build: Callable[..., House]) -> None:
    before = build(rule(below=100.0))
    async with before.running() as engine:
        await engine.write(before.plant.batch(("Beans", "Level", 0, 150)))
        assert before.status.waiting == 0
    after = build(rule(below=200.0))
    async with after.running():
        await after.mails(1)


async def test_a_delay_is_the_time_that_the_condition_must_hold(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=60, cool_down_s=0))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50), ("Beans", "Level", 59, 150)))
        await engine.write(house.plant.batch(("Beans", "Level", 100, 50), ("Beans", "Level", 159.9, 49)))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 160, 48)))
        (mail,) = await house.mails(1)
    assert "In stock: 48 kg" in mail.text


async def test_a_delay_runs_out_also_when_no_further_value_comes(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.1))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50), ("Sugar", "Level", 0, 50)))
        await engine.write(house.plant.batch(("Sugar", "Level", 0.05, 150)))
        (mail,) = await house.mails(1)
        assert engine._deadlines == {}  # the clock sleeps again
    assert "In stock: 50 kg" in mail.text
    assert mail.name == "Hamburg Cocoa Trading"


async def test_a_delay_that_was_running_at_the_stop_runs_out_after_the_restart(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.5))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50)))
    assert house.status.waiting == house.status.sent == 0
    async with house.running():
        await house.mails(1)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 9, 50)))
        await house.mails(1)


async def test_no_delay_runs_out_while_the_value_is_bad(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.1))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50), ("Beans", "Level", 0.05, 0, BAD)))
        await asyncio.sleep(0.3)
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 0.3, 50)))
        await house.mails(1)


async def test_a_crossing_within_the_cool_down_is_mailed_at_its_end_if_it_still_holds(
    build: Callable[..., House],
) -> None:
    house = build(rule(below=100.0, cool_down_s=600))
    levels = [(0, 50), (10, 150), (20, 50), (30, 150), (40, 50), (599, 49)]
    async with house.running() as engine:
        await engine.write(house.plant.batch(*(("Beans", "Level", second, level) for second, level in levels)))
        await house.mails(1)
        await engine.write(house.plant.batch(("Sugar", "Level", 700, 50)))
        await house.mails(2)  # the cool-down is the material's own
        await engine.write(house.plant.batch(("Beans", "Level", 601, 48)))
        mails = await house.mails(3)
    assert "In stock: 49 kg" in mails[-1].text  # what was in force when the cool-down ended


async def test_late_values_that_were_overtaken_change_nothing(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 100, 150)))
        dip = [("Beans", "Level", second, 50.0) for second in range(10, 90, 10)]
        await engine.write(house.plant.batch(*dip, historical=True))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 110, 50), historical=True))
        await house.mails(1)


async def test_history_from_before_the_tag_was_known_is_no_news(build: Callable[..., House]) -> None:
    house = build(tags=Tags(since=NOW))
    async with house.running() as engine:
        await engine.write(
            house.plant.batch(("Beans", "ReorderPoint", -9, 100), ("Beans", "Level", -5, 50), historical=True)
        )
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -9, 100)))
        assert house.status.waiting == house.status.sent == 0


async def test_a_live_value_counts_although_later_history_came_first(house: House) -> None:
    async with house.running() as engine:
        live = house.plant.batch(("Beans", "Level", 20, 50))
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100)))
        await engine.write(house.plant.batch(("Beans", "Level", 10, 150), historical=True))
        await engine.write(live)
        await house.mails(1)


async def test_a_clock_that_is_set_back_at_the_source_does_not_blind_the_rule(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 9_000, 150)))
        await engine.write(house.plant.batch(("Beans", "Level", 5, 50)))
        await house.mails(1)


async def test_a_clock_that_is_set_back_does_not_stretch_a_delay(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.1))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 9_000, 150)))
        await engine.write(house.plant.batch(("Beans", "Level", 5, 50)))
        await house.mails(1)


async def test_a_tag_that_is_gone_does_not_alert_any_more(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.1))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50), ("Sugar", "Level", 0, 50)))
        del house.tags._tags[house.tags.id("Beans", "Level")]
        house.tags.version = 2
        await engine.write(Batch((), (), (), 2))
        (mail,) = await house.mails(1)
        await asyncio.sleep(0.1)
        await house.mails(1)
    assert mail.name == "Uelzen Sugar"


async def test_tags_that_appear_later_are_watched(house: House) -> None:
    everything, house.tags._tags = house.tags._tags, {}
    async with house.running() as engine:
        await engine.write(Batch((), (), (), 1))
        house.tags._tags, house.tags.version = everything, 2
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50)))
        await house.mails(1)


async def test_a_tag_without_a_limit_or_of_text_is_left_alone(build: Callable[..., House]) -> None:
    house = build(tags=Tags(("Level", "OnOrder")))
    house.tags._tags[99] = tag(99, ("Warehouse", "Glue", "Level"), data_type=DataType.STRING)
    house.tags._tags[100] = tag(100, ("Warehouse", "Glue", "ReorderPoint"))
    texts = Column(
        *(np.array([value], dtype=t) for value, t in ((1, "i8"), (99, "i4"), ("low", "O"), (0, "u4"), (NOW, "i8")))
    )
    with capture_logs() as logs:
        async with house.running() as engine:
            await engine.write(Batch((texts,), (), (), 1))
            await engine.write(house.plant.batch(("Beans", "Level", 0, 50)))
    assert house.status == MailStatus()
    said = {(line["event"], line["tag"]) for line in logs}
    assert ("rule has no limit for a tag", "Warehouse/Beans/Level") in said
    assert ("rule compares numbers only", "Warehouse/Glue/Level") in said
    assert ("rule watches no tag", "Warehouse/{material}/Level") in said


async def test_what_is_not_known_on_order_is_said_to_be_unknown(house: House) -> None:
    async with house.running() as engine:
        rows = ("Beans", "ReorderPoint", -1, 100), ("Beans", "OnOrder", -1, 7, BAD), ("Beans", "Level", 0, 50)
        await engine.write(house.plant.batch(*rows))
        (mail,) = await house.mails(1)
    assert "Already on order: unknown\n" in mail.text


async def test_values_that_no_rule_watches_are_not_looked_at(house: House) -> None:
    """A million of them in a few milliseconds: the engine goes by the array of tag ids."""
    count = 1_000_000
    column = Column(
        np.arange(count),
        np.full(count, 40_000, np.int32),
        np.zeros(count),
        np.zeros(count, np.uint32),
        np.zeros(count, int),
    )
    async with house.running() as engine:
        started = time.process_time()
        await engine.write(Batch((column,), (), (), 1))
        assert time.process_time() - started < 0.2


async def test_while_the_disk_refuses_nothing_is_confirmed_and_nothing_is_lost(house: House) -> None:
    batch = house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50))
    async with house.running() as engine:
        blocker = sqlite3.connect(house.path)
        await engine._mails.transaction(lambda connection: connection.execute("PRAGMA busy_timeout = 1"))
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotConnected, match="mail queue"):
            await engine.write(batch)
        blocker.execute("ROLLBACK")
        blocker.close()
        await engine.write(batch)
        await house.mails(1)


async def test_a_delay_that_runs_out_while_the_disk_refuses_alerts_later(
    build: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.rules.engine._DISK_RETRY_S", 0.02)
    house = build(rule(below=100.0, delay_s=0.05))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50)))
        real, refused = engine._mails.enqueue, asyncio.Event()

        async def refuse(*_: object, **__: object) -> None:
            refused.set()
            raise NotConnected("disk full")

        monkeypatch.setattr(engine._mails, "enqueue", refuse)
        await asyncio.wait_for(refused.wait(), 5)
        monkeypatch.setattr(engine._mails, "enqueue", real)
        await house.mails(1)


async def test_a_bulk_order_mails_the_customer_at_the_address_of_the_order(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(events=[order(120), order(49, OrderId="B-0043")]))
        (mail,) = await house.mails(1)
    assert (mail.name, mail.email) == ("Hotel Adler", "office@adler.example")
    assert mail.subject == "We have received your order B-0042: 120 units of Dark"
    for fact in ("Order number: B-0042", "Product: Dark", "Quantity: 120 units"):
        assert fact in mail.text


async def test_a_customer_in_the_book_is_written_to_at_the_address_of_the_book(house: House) -> None:
    book = contacts()
    book["customers"]["Hotel Adler"] = book["suppliers"]["Beans"]
    async with house.running() as engine:
        engine._contacts = book
        await engine.write(house.plant.batch(events=[order()]))
        (mail,) = await house.mails(1)
    assert mail.email == "orders@hamburg-cocoa.example"


async def test_the_same_event_read_twice_from_the_server_mails_once(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(events=[order()]))
        await engine.write(house.plant.batch(events=[order()], historical=True))
        await engine.write(house.plant.batch(events=[order(OrderId="B-0044")]))
        await house.mails(2)


async def test_events_from_history_are_news_for_a_day(house: House) -> None:
    ago = (time.time_ns() - NOW) / S
    late = [order(seconds=ago - 86_000, OrderId="late"), order(seconds=ago - 86_800, OrderId="too late")]
    async with house.running() as engine:
        await engine.write(house.plant.batch(events=late, historical=True))
        (mail,) = await house.mails(1)
    assert "late" in mail.subject
    assert "too late" not in mail.subject


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"Address": "1 Main Street"},
            "no contact for 'Hotel Adler' in customers, and '1 Main Street' is not a mail address",
        ),
        (
            {"Address": None, "Customer": None},
            "no contact for '{Customer}' in customers, and '{Address}' is not a mail",
        ),
        ({"Address": "a@b.example\nBcc: all@b.example"}, "is not a mail address"),
    ],
)
async def test_an_alert_that_reaches_nobody_is_kept_and_shown(
    house: House, fields: dict[str, str], reason: str
) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(events=[order(**fields)]))
    assert (house.status.dead, house.status.waiting, house.status.sent) == (1, 0, 0)
    (shown,) = house.status.recent
    assert shown.state == "dead"
    assert reason in shown.reason
    assert "B-0042" in shown.subject


async def test_an_alert_whose_text_fails_is_kept_with_its_facts(house: House) -> None:
    event = order()
    del event.fields["Product"]  # type: ignore[attr-defined]
    async with house.running() as engine:
        await engine.write(house.plant.batch(events=[event]))
    (shown,) = house.status.recent
    assert shown.state == "dead"
    assert "bulk_order" in shown.reason
    assert "Product" in shown.reason
    assert house.path.read_bytes().count(b"B-0042") or (house.path.parent / "mail.sqlite-wal").read_bytes().count(
        b"B-0042"
    )


async def test_close_may_be_called_twice_and_open_again(house: House) -> None:
    async with house.running() as engine:
        await engine.close()
        await engine.close()
        await engine.open(house.tags)
        await engine.open(house.tags)
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50)))
        await house.mails(1)


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
    house.rules = (rule(name="slow", below=50, delay_s=0.2, cool_down_s=0),)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 40)))
        await adjusted(engine, house, rule(name="other", below=10))
        await asyncio.sleep(0.5)
        await house.mails(0)
