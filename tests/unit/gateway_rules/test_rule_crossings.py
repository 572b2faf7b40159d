"""What crosses its limit mails once, with all that the reader needs to know."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support_alerts import House
from support_rules import BAD, MATERIALS, UNCERTAIN, contacts


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


async def test_what_is_not_known_on_order_is_said_to_be_unknown(house: House) -> None:
    async with house.running() as engine:
        rows = ("Beans", "ReorderPoint", -1, 100), ("Beans", "OnOrder", -1, 7, BAD), ("Beans", "Level", 0, 50)
        await engine.write(house.plant.batch(*rows))
        (mail,) = await house.mails(1)
    assert "Already on order: unknown\n" in mail.text
