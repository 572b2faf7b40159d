"""What brokers and databases do to a gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from faults.case import Fault
from faults.ledger import tag_name
from faults.proxy import Manners
from faults.scene import Scene
from support_influx import Answer


class Peer(Protocol):
    """What listens for a sink, and can go and come back."""

    async def start(self) -> object: ...

    async def stop(self) -> object: ...


def kill_broker(away_s: float) -> Fault:
    """The broker is gone, comes back, and has kept what it had confirmed."""
    return _gone(lambda scene: scene.broker, away_s)


def influx_down(away_s: float) -> Fault:
    """Nobody listens where the database was."""
    return _gone(lambda scene: scene.influx, away_s)


def _gone(peer: Callable[[Scene], Peer], away_s: float) -> Fault:
    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        await peer(scene).stop()
        await scene.pause(away_s * 0.9, away_s * 1.1)
        await peer(scene).start()
        scene.mend()

    return fault


def silent_broker(for_s: float) -> Fault:
    """Half-open: what goes to the broker and back vanishes, connections stay up."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        scene.broker_line.manners.silent = True
        await scene.pause(for_s * 0.9, for_s * 1.1)
        scene.broker_line.manners = Manners()
        scene.mend()

    return fault


def influx_answers(answer: Answer, for_s: float) -> Fault:
    """Every write gets the same answer for a while."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        scene.influx.says = lambda _: answer
        await scene.pause(for_s * 0.9, for_s * 1.1)
        scene.influx.says = lambda _: None
        scene.mend()

    return fault


async def influx_refuses_a_line(scene: Scene) -> None:
    """Lines of one tag are refused with 400, and with them the whole body; the gateway must count exactly these."""
    await scene.pause(1, 2)
    scene.influx.refuses = tag_name(scene.random.randrange(scene.plan.tags))
    await scene.pause(4, 6)
    scene.influx.refuses = ""
    scene.mend()
    await scene.pause(1)
    rejected = (await scene.health())["sinks"]["influx"]["rejected"]
    refused = len(scene.influx.tally.refused)
    if rejected != refused:
        raise RuntimeError(f"the database refused {refused} lines, the gateway has counted {rejected}")
