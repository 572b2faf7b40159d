"""The settings file changes while values come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from faults.scene import Scene

Change = Callable[[dict[str, Any]], object]


async def _takes(scene: Scene, change: Change) -> None:
    if await scene.change(change) != "reloads":
        raise RuntimeError(f"good settings were refused: {(await scene.health())['settings']['findings']}")
    await scene.pause(0.3, 1.0)


async def _refuses(scene: Scene, change: Change) -> None:
    if await scene.change(change) != "refusals":
        raise RuntimeError("bad settings were taken over")
    await scene.pause(0.3, 1.0)


async def change_everything_else(scene: Scene) -> None:
    """Terms of all tags, every sink, rules, other tags, another server, a file with errors: no value of these tags."""
    source, uns, sparkplug, influx = scene.settings["sources"][0], *scene.settings["sinks"]
    elsewhere = {"name": "elsewhere", "url": "opc.tcp://127.0.0.1:1/"}
    rule = {"kind": "event", "name": "r", "type": "T", "mail": {"template": "bulk_order", "address": "a@b.example"}}
    await scene.pause(1, 2)
    await _takes(scene, lambda _: uns.update(topic="uns/{station}/of/{tag}"))
    await _takes(scene, lambda _: source.update(queue_size=500, sampling_interval_ms=20, retry_max_s=1))
    await _takes(scene, lambda _: source.update(publishing_interval_ms=150, exclude=["Group*/None*"]))
    await _refuses(scene, lambda s: (s["sources"].append({"name": "x"}), s.update(colour="red")))
    await _takes(scene, lambda s: (s["sources"].pop(), s.pop("colour"), s["sources"].append(elsewhere)))
    await _takes(scene, lambda s: (s["sinks"].remove(sparkplug), influx.update(timeout_s=3)))
    await _takes(scene, lambda s: (s["sources"].pop(), s["sinks"].append(sparkplug | {"metric": "v/{tag}"})))
    await _takes(scene, lambda s: s.update(rules=[rule], delivery={"backoff_cap_s": 1}))
    await _takes(scene, lambda s: s["naming"]["constants"].update(enterprise="faults", site="here"))
    scene.mend()


async def leave_tags_out_for_a_while(scene: Scene) -> None:
    """Half of the tags are taken out and put back: what they did meanwhile is in the server's history."""
    source = scene.settings["sources"][0]
    first_half = [f"**/T00{ten}?" for ten in range(5)]
    await scene.pause(1, 2)
    await _takes(scene, lambda _: source.update(exclude=first_half))
    await scene.pause(2, 3)
    await _takes(scene, lambda _: source.pop("exclude"))
    scene.mend()
