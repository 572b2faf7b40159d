"""What a server does to a gateway: ends, comes back as another, forgets, refuses, miscounts."""

from __future__ import annotations

from typing import Any

from faults.case import Fault
from faults.scene import Scene


def restart_server(*options: str, away_s: float = 2) -> Fault:
    """SIGKILL, and back after a while with other options."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 3)
        await scene.restart_server(scene.random.uniform(0.2, away_s), *options)
        scene.mend()

    return fault


def orders(*given: dict[str, Any], times: int = 2) -> Fault:
    """The server is told to misbehave, several times at random moments."""

    async def fault(scene: Scene) -> None:
        for _ in range(times):
            await scene.pause(0.5, 3)
            for order in given:
                await scene.server.tell(**order)
        scene.mend()

    return fault


async def only_load(scene: Scene) -> None:
    """Nothing but what the plan of the case says."""
    await scene.pause(4, 6)
    scene.mend()
