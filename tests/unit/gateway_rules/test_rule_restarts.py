"""One mail for each occasion, whatever is repeated, restarted or refused by the disk."""

from __future__ import annotations

import sqlite3

import pytest
from support_alerts import House
from support_rules import Postman, contacts, order, outbox

from gateway.contract import NotConnected
from gateway.notify.queue import MailQueue
from gateway.notify.texts import Texts
from gateway.rules.engine import RuleEngine


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


async def test_close_may_be_called_twice_and_open_again(house: House) -> None:
    async with house.running() as engine:
        await engine.close()
        await engine.close()
        await engine.open(house.tags)
        await engine.open(house.tags)
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50)))
        await house.mails(1)
