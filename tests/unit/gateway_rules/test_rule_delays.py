"""Delays and cool-downs run by the values' time, on over silence, restarts and a disk that refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support_alerts import House
from support_rules import BAD, rule

from gateway.contract import NotConnected


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
        assert engine._deadlines == {}, "the clock will not ring"
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


async def test_a_clock_that_is_set_back_does_not_stretch_a_delay(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=0.1))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 9_000, 150)))
        await engine.write(house.plant.batch(("Beans", "Level", 5, 50)))
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
