"""What happens to the line between gateway and server."""

from __future__ import annotations

from faults.case import Fault
from faults.proxy import Manners
from faults.scene import Scene


def cut_link(away_s: float) -> Fault:
    """Connections are reset, new ones too."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        scene.link.manners.refuses = True
        scene.link.cut()
        await scene.pause(away_s * 0.9, away_s * 1.1)
        scene.link.manners.refuses = False
        scene.mend()

    return fault


def bad_link(manners: Manners, for_s: float) -> Fault:
    """The line is silent, slow or thin for a while."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        scene.link.manners = manners
        await scene.pause(for_s * 0.9, for_s * 1.1)
        scene.link.manners = Manners()
        scene.mend()

    return fault
