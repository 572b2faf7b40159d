"""An OPC UA server that is not the bottleneck: a notification is a prepared array whose values numpy rewrites.

asyncua keeps the session, the address space and the acknowledgements; only the body of a data change is ours. Each
publishing interval every monitored item reports one new value: the number of the interval, so that a sink can count.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import numpy as np
from asyncua import Server, ua
from asyncua.server.internal_subscription import InternalSubscription

URI = "urn:conche:load"
ROW = np.dtype([("handle", "<u4"), ("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("time", "<i8")])
VALUE_AND_SOURCE_TIME = 0x05
DOUBLE = 11
EPOCH_1601 = 116_444_736_000_000_000  # 100 ns between 1601 and 1970
DATA_CHANGE = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
FOLDER = 100  # variables a folder: asyncua's add_variable is quadratic in the folder's size


class LoadSubscription(InternalSubscription):
    """Reports every item at every interval."""

    rows: np.ndarray = np.empty(0, ROW)
    interval = 0

    def _items(self) -> np.ndarray:
        items = self.monitored_item_srv._monitored_items.values()
        if len(items) != len(self.rows):
            self.rows = np.zeros(len(items), ROW)
            self.rows["handle"] = [item.client_handle for item in items]
            self.rows["mask"], self.rows["type"] = VALUE_AND_SOURCE_TIME, DOUBLE
        return self.rows

    def has_published_results(self) -> bool:
        """Whether there is anything to say: always, once there are items."""
        return len(self.monitored_item_srv._monitored_items) > 0 or super().has_published_results()

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        self._triggered_datachanges = {}
        rows = self._items()
        if not len(rows):
            return
        self.interval += 1
        rows["value"] = self.interval
        rows["time"] = time.time_ns() // 100 + EPOCH_1601
        body = len(rows).to_bytes(4, "little") + rows.tobytes() + b"\xff\xff\xff\xff"
        result.NotificationMessage.NotificationData.append(ua.ExtensionObject(DATA_CHANGE, body))


async def serve(port: int, tags: int) -> None:
    """Serve `tags` doubles until standard input closes; print "ready" when clients may come."""
    sys.modules["asyncua.server.subscription_service"].InternalSubscription = LoadSubscription  # type: ignore[attr-defined]
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace(URI)
    root = await server.nodes.objects.add_folder(ua.NodeId("Load", space), ua.QualifiedName("Load", space))
    for first in range(0, tags, FOLDER):
        name = f"Group{first // FOLDER}"
        folder = await root.add_folder(ua.NodeId(name, space), ua.QualifiedName(name, space))
        for tag in range(first, min(first + FOLDER, tags)):
            await folder.add_variable(ua.NodeId(f"Tag{tag}", space), ua.QualifiedName(f"Tag{tag}", space), 0.0)
    async with server:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--tags", type=int, required=True)
    options = arguments.parse_args()
    asyncio.run(serve(options.port, options.tags))
