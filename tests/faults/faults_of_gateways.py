"""What happens to the gateway itself and to its machine."""

from __future__ import annotations

import os
import resource
import signal

from faults.case import Fault
from faults.scene import Scene


def kill_gateway(times: int, *, ready: bool = False) -> Fault:
    """SIGKILL at random moments under load: also while it starts, unless `ready`."""

    async def fault(scene: Scene) -> None:
        for _ in range(times):
            await scene.pause(4 if ready else 0.5, 6)
            await scene.restart_gateway()
        scene.mend()

    return fault


async def kill_gateway_without_broker(scene: Scene) -> None:
    """What the broker does not have yet is in the journal only when the gateway dies."""
    await scene.pause(1, 2)
    await scene.broker.stop()
    await scene.pause(2, 4)
    await scene.restart_gateway()
    await scene.pause(4, 6)
    await scene.broker.start()
    scene.mend()


async def suspend_gateway(scene: Scene) -> None:
    """SIGSTOP for longer than any server may be silent."""
    await scene.pause(1, 2)
    os.kill(scene.gateway.pid, signal.SIGSTOP)
    await scene.pause(12, 15)
    os.kill(scene.gateway.pid, signal.SIGCONT)
    scene.mend()


async def full_disk(scene: Scene) -> None:
    """No file of the gateway may grow: every write beyond fails, as on a full disk."""
    await scene.pause(1, 2)
    files = (scene.folder / "state").rglob("*")
    largest = max(file.stat().st_size for file in files if file.is_file())
    resource.prlimit(scene.gateway.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    await scene.pause(6, 9)
    failure = (await scene.health())["journal"]["failure"]
    resource.prlimit(scene.gateway.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    scene.mend()
    if not failure:
        raise RuntimeError("the disk was full, and the gateway did not say so")


def step_clock(seconds: float) -> Fault:
    """The gateway's clock is suddenly wrong; then the line is cut, so that it matters."""

    async def fault(scene: Scene) -> None:
        await scene.pause(1, 2)
        scene.clock.write_text(str(seconds))
        await scene.pause(2, 3)
        scene.link.manners.refuses = True
        scene.link.cut()
        await scene.pause(1, 2)
        scene.link.manners.refuses = False
        await scene.pause(1, 2)
        await scene.server.tell(do="end_sessions")
        scene.mend()

    return fault
