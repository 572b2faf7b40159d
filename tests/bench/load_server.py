"""An OPC UA server that is not the bottleneck: its nodes exist by their numbers only, its notifications are prepared.

asyncua keeps channels, sessions and acknowledgements; 100,000 tags cost nothing before they are asked for, and the body
of a data change is an array that NumPy rewrites. Each publishing interval every tag that reports has one new value: the
number of the interval. While no PublishRequest is there, as many wait as fit a queue; what would be more is never made.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from notifications import Kind, Notification, data_type, rounds

sys.path.append(str(Path(__file__).parents[1]))  # a script has only its own folder on the path

from support_certificates import identify

URI = "urn:conche:load"
GROUP = 100
"""Tags in a folder."""
QUEUE = 5
"""Intervals that wait for PublishRequests at most."""
DATA_CHANGE = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
_NODE = re.compile(r"(?P<what>Load|Group|Tag)(?P<number>\d*)")
_FOLDER, _VARIABLE = ua.ExpandedNodeId(ua.ObjectIds.FolderType), ua.ExpandedNodeId(ua.ObjectIds.BaseDataVariableType)
_READ = ua.DataValue(ua.Variant(1, ua.VariantType.Byte))
_FACTS = {
    ua.AttributeIds.ValueRank: ua.DataValue(ua.Variant(-1, ua.VariantType.Int32)),
    ua.AttributeIds.AccessLevel: _READ,
    ua.AttributeIds.Historizing: ua.DataValue(ua.Variant(False)),
    ua.AttributeIds.Description: ua.DataValue(ua.Variant(ua.LocalizedText("")))
}  # fmt: skip
_UNKNOWN = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadAttributeIdInvalid))


class Load:
    """What there is: Objects/Load/Group0…/Tag0…"""

    kind = Kind.NUMBERS
    tags = 0
    space = -1

    @classmethod
    def children(cls, node: ua.NodeId) -> list[ua.ReferenceDescription] | None:
        """References of a node of the load; None where it is none."""
        if node == ua.NodeId(ua.ObjectIds.ObjectsFolder):
            return [cls._reference("Load", _FOLDER)]
        name = _NODE.fullmatch(str(node.Identifier)) if node.NamespaceIndex == cls.space else None
        match name and name["what"]:
            case None:
                return None
            case "Load":
                return [cls._reference(f"Group{i}", _FOLDER) for i in range(-(-cls.tags // GROUP))]
            case "Group":
                first = int(name["number"]) * GROUP
                return [cls._reference(f"Tag{i}", _VARIABLE) for i in range(first, min(first + GROUP, cls.tags))]
            case _:
                return []

    @classmethod
    def _reference(cls, name: str, kind: ua.ExpandedNodeId) -> ua.ReferenceDescription:
        return ua.ReferenceDescription(
            ReferenceTypeId=ua.NodeId(ua.ObjectIds.Organizes),
            IsForward=True,
            NodeId=ua.ExpandedNodeId(name, cls.space),
            BrowseName=ua.QualifiedName(name, cls.space),
            NodeClass=ua.NodeClass.Variable if kind == _VARIABLE else ua.NodeClass.Object,
            TypeDefinition=kind,
        )

    @classmethod
    def attribute(cls, wanted: ua.ReadValueId) -> ua.DataValue:
        """An attribute of a tag."""
        if wanted.AttributeId == ua.AttributeIds.DataType:
            code = data_type(cls.kind, int(str(wanted.NodeId.Identifier).removeprefix("Tag")))
            return ua.DataValue(ua.Variant(ua.NodeId(code)))
        return _FACTS.get(wanted.AttributeId, _UNKNOWN)


class LoadSession(InternalSession):
    """Answers for the nodes of the load itself."""

    async def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        """Children of the load's nodes; everything else is asyncua's."""
        found = [Load.children(wanted.NodeId) for wanted in params.NodesToBrowse]
        if None in found:
            return await super().browse(params)
        return [ua.BrowseResult(References=references) for references in found]

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        """Attributes of tags; everything else is asyncua's."""
        if params.NodesToRead[0].NodeId.NamespaceIndex != Load.space:
            return await super().read(params)
        return [Load.attribute(wanted) for wanted in params.NodesToRead]

    async def create_monitored_items(self, params: Any) -> list[ua.MonitoredItemCreateResult]:
        """Note the client handles."""
        return self.subscription_service.subscriptions[params.SubscriptionId].monitor(params.ItemsToCreate)  # type: ignore[attr-defined]


class LoadSubscription(InternalSubscription):
    """Reports every item at every interval, in as many messages as that takes."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._monitored: list[tuple[int, int]] = []  # tag, client handle
        self._prepared: list[list[Notification]] = []
        self._due: deque[tuple[Notification, int, int]] = deque()  # with number and time of its interval
        self._interval = 0

    def monitor(self, items: list[ua.MonitoredItemCreateRequest]) -> list[ua.MonitoredItemCreateResult]:
        """Take items; they report from the next interval on."""
        results = []
        for item in items:
            tag = int(str(item.ItemToMonitor.NodeId.Identifier).removeprefix("Tag"))
            self._monitored.append((tag, item.RequestedParameters.ClientHandle))
            results.append(ua.MonitoredItemCreateResult(MonitoredItemId=len(self._monitored), RevisedQueueSize=QUEUE))
        return results

    def has_published_results(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._due) or super().has_published_results()

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Begin an interval, or go on with it as PublishRequests come."""
        if requestdata is None:
            self._begin()
        published = await super().publish_results(requestdata)
        while published and self._due and await super().publish_results():
            pass
        return published

    def _begin(self) -> None:
        """Start an interval; the first one when all tags are monitored."""
        if len(self._monitored) < Load.tags:
            return
        self._prepared = self._prepared or rounds(Load.kind, self._monitored)
        report = self._prepared[self._interval % len(self._prepared)]
        if len(self._due) > (QUEUE - 1) * len(report):
            return
        self._interval += 1
        now = time.time_ns()
        self._due += [(notification, self._interval, now) for notification in report]

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        if self._due:
            notification, interval, time_ns = self._due.popleft()
            body = notification.at(interval, time_ns)
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(DATA_CHANGE, body))


async def serve(options: argparse.Namespace) -> None:
    """Serve until standard input closes; print "ready" when clients may come."""
    sys.modules["asyncua.server.subscription_service"].InternalSubscription = LoadSubscription  # type: ignore[attr-defined]
    sys.modules["asyncua.server.internal_server"].InternalSession = LoadSession  # type: ignore[attr-defined]
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{options.port}")
    policy = ua.SecurityPolicyType.NoSecurity
    if options.certificate:
        policy = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
        await identify(server, options.certificate, options.key)
    server.set_security_policy([policy])
    Load.kind, Load.tags, Load.space = Kind(options.kind), options.tags, await server.register_namespace(URI)
    async with server:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tags", type=int, required=True)
    parser.add_argument("--kind", choices=list(Kind), default=Kind.NUMBERS)
    parser.add_argument("--certificate", type=Path, help="DER file: messages are signed and encrypted")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(serve(_options()))
