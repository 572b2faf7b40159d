"""An event mails the person it names; what reaches nobody is kept and shown."""

from __future__ import annotations

import time

import pytest
from support_alerts import House
from support_rules import NOW, S, contacts, order


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
