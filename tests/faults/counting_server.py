"""An OPC UA server whose every tag counts its own changes, and that misbehaves on command.

asyncua keeps sessions and address space; queues, messages and history are ours, so that all of it is exact: queues with
overflow bit, a retransmission queue that a Republish does not empty, history with continuation points. Commands come as
JSON lines on standard input, each is answered by a line; the end of input ends the server.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_subscription import InternalSubscription

sys.path.insert(0, str(Path(__file__).parents[1]))  # a script has only its own folder on the path

from faults.ledger import ROW, Ledger, Rows, tag_index, tag_name

URI, OTHER_URI = "urn:conche:counting", "urn:conche:other"
FOLDER = 100  # tags in a folder: asyncua's add_variable is quadratic in the folder's size
ITEM = np.dtype(
    [("handle", "<u4"), ("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("status", "<u4"), ("time", "<i8")]
)
VALUE_STATUS_SOURCE_TIME = 0x07
DOUBLE = 11
OVERFLOW = 0x480
EPOCH_1601 = 116_444_736_000_000_000  # 100 ns between 1601 and 1970
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATA_CHANGE = ua.NodeId(ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary)
MOST = 10_000  # values in one message
LAST_NUMBER = 0xFFFF_FFFF


class Counts:
    """What every tag counts to, with all of its past."""

    def __init__(self, tags: int, ledger: Ledger) -> None:
        self._ledger = ledger
        self.numbers = np.zeros(tags, np.int64)
        self.times = np.zeros(tags, np.int64)
        self.past: list[list[tuple[int, int]]] = [[] for _ in range(tags)]
        self._remember(ledger.read())

    def _remember(self, rows: Rows) -> None:
        for tag, number, when in rows.tolist():
            self.numbers[tag], self.times[tag] = number, when
            self.past[tag].append((when, number))

    def change(self, tags: np.ndarray) -> list[tuple[int, int, int]]:
        """Count these tags on, in the ledger first; (tag, number, time) of each."""
        rows = np.empty(len(tags), ROW)
        rows["tag"], rows["number"], rows["time"] = tags, self.numbers[tags] + 1, time.time_ns() // 1000 * 1000
        self._ledger.enter(rows)
        self._remember(rows)
        return [tuple(row) for row in rows.tolist()]


class CountingSubscription(InternalSubscription):
    """Queues of (number, time, status) by monitored item in place of asyncua's."""

    counts: Counts
    first_number = 1
    swallow = 0  # messages that get lost on the way
    keeps_swallowed = True  # for a Republish

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._notification_seq = type(self).first_number
        self._items: dict[int, set[int]] = {}  # tag -> monitored items
        self._queues: dict[int, deque[tuple[int, int, int]]] = self._triggered_datachanges  # type: ignore[assignment]

    async def enqueue_datachange_event(self, mid: int, _event: object, _size: int) -> None:
        """A new item reports what its tag counts to now."""
        tag = tag_index(self.monitored_item_srv._monitored_items[mid].read_value_id.NodeId.Identifier)
        self._items.setdefault(tag, set()).add(mid)
        self._put(mid, int(self.counts.numbers[tag]), int(self.counts.times[tag]) or time.time_ns() // 1000 * 1000)

    def report(self, tag: int, number: int, when: int) -> None:
        """A tag has changed."""
        for mid in self._items.get(tag, ()):
            self._put(mid, number, when)

    def _put(self, mid: int, number: int, when: int) -> None:
        item = self.monitored_item_srv._monitored_items.get(mid)
        if item is None:
            return
        queue = self._triggered_datachanges.setdefault(mid, deque())  # type: ignore[arg-type]
        queue.append((number, when, 0))
        if len(queue) > item.queue_size:
            queue.popleft()  # type: ignore[attr-defined]
            queue[0] = (*queue[0][:2], OVERFLOW)  # type: ignore[index]

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        items = self.monitored_item_srv._monitored_items
        rows: list[tuple[int, int, int, float, int, int]] = []
        for mid in list(self._triggered_datachanges):
            queue: Any = self._triggered_datachanges[mid]
            while queue and len(rows) < MOST and mid in items:
                number, when, status = queue.popleft()
                handle = items[mid].client_handle
                rows.append((handle, VALUE_STATUS_SOURCE_TIME, DOUBLE, number, status, when // 100 + EPOCH_1601))
            if not queue or mid not in items:
                del self._triggered_datachanges[mid]
        if rows:
            body = len(rows).to_bytes(4, "little") + np.array(rows, ITEM).tobytes() + b"\xff\xff\xff\xff"
            result.NotificationMessage.NotificationData.append(ua.ExtensionObject(DATA_CHANGE, body))

    def _pop_publish_result(self) -> ua.PublishResult:
        kind = type(self)
        result = super()._pop_publish_result()
        if self._notification_seq > LAST_NUMBER:
            self._notification_seq = 1
        if result.NotificationMessage.NotificationData and kind.swallow:
            kind.swallow -= 1
            if not kind.keeps_swallowed:
                self._not_acknowledged_results.pop(result.NotificationMessage.SequenceNumber)
            return self._pop_publish_result()
        return result

    def skip(self, numbers: int) -> None:
        """Leave out sequence numbers though nothing is lost."""
        self._notification_seq += numbers

    def republish(self, nb: int) -> ua.NotificationMessage:
        """A message once more; it stays until it is acknowledged."""
        result = self._not_acknowledged_results.get(nb)
        if result is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return result.NotificationMessage


class CountingServer:
    """The server, its load and its faults."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._ledger = Ledger(options.ledger)
        self.counts = Counts(options.tags, self._ledger)
        self._random = np.random.default_rng(options.seed)
        self._server = Server()
        self._faults: Counter[str] = Counter()  # "service status" -> how often still
        self._hz = 0.0
        CountingSubscription.counts = self.counts
        CountingSubscription.first_number = options.first_number

    async def serve(self) -> None:
        """Serve until the input ends."""
        await self._build()
        async with self._server:
            background = [asyncio.ensure_future(self._load()), asyncio.ensure_future(self._appear())]
            print("ready", flush=True)
            await self._obey()
            for task in background:
                task.cancel()

    async def _build(self) -> None:
        sys.modules["asyncua.server.subscription_service"].InternalSubscription = CountingSubscription  # type: ignore[attr-defined]
        await self._server.init()
        self._server.set_endpoint(f"opc.tcp://127.0.0.1:{self._options.port}/")
        self._server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        for uri in reversed((URI, OTHER_URI)) if self._options.swap_namespaces else (URI, OTHER_URI):
            self._space = await self._server.register_namespace(uri)
        self._space = await self._server.get_namespace_index(URI)
        self._service = self._server.iserver.subscription_service
        self._service._sub_id_counter = self._options.first_subscription
        self._server.iserver.max_unacked_messages_per_subscription = 5000
        self._server.iserver.history_manager.read_history = self._read_history  # type: ignore[method-assign]
        self._guard()

    def _guard(self) -> None:
        """Put the faults before the services."""
        service: Any = self._service
        create, publish, transfer = service.create_monitored_items, service.publish, service.transfer_subscriptions

        async def create_items(parameters: Any) -> Any:
            self._fail("create_items")
            if self._options.most_items and len(parameters.ItemsToCreate) > self._options.most_items:
                raise ServiceError(ua.StatusCodes.BadTooManyOperations)
            return await create(parameters)

        def take_publish(acknowledgements: Any) -> Any:
            self._fail("publish")
            return publish(acknowledgements)

        def republish(parameters: Any) -> Any:
            self._fail("republish")
            if parameters.SubscriptionId not in service.subscriptions:
                raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
            return service.subscriptions[parameters.SubscriptionId].republish(parameters.RetransmitSequenceNumber)

        async def transfer_subscriptions(parameters: Any, session_id: Any, callback: Any) -> Any:
            results = await transfer(parameters, session_id, callback)
            for subscription in parameters.SubscriptionIds:
                if subscription in service.subscriptions:  # asyncua goes on asking the old connection for requests
                    service.subscriptions[subscription].pub_request_callback = callback.__self__.get_publish_request
            return results

        service.create_monitored_items, service.publish = create_items, take_publish
        service.republish, service.transfer_subscriptions = republish, transfer_subscriptions

    def _fail(self, service: str) -> None:
        for fault in [fault for fault in self._faults if fault.startswith(service + " ") and self._faults[fault]]:
            self._faults[fault] -= 1
            raise ServiceError(getattr(ua.StatusCodes, fault.split()[1]))

    async def _appear(self) -> None:
        """Make the nodes, late if so asked."""
        await asyncio.sleep(self._options.late_s)
        objects, access = self._server.nodes.objects, ua.AttributeIds.AccessLevel
        for first in range(0, self._options.tags, FOLDER):
            name = f"Group{first // FOLDER}"
            folder = await objects.add_folder(ua.NodeId(name, self._space), ua.QualifiedName(name, self._space))
            for tag in range(first, min(first + FOLDER, self._options.tags)):
                names = ua.NodeId(tag_name(tag), self._space), ua.QualifiedName(tag_name(tag), self._space)
                node = await folder.add_variable(*names, 0.0)
                if self._options.history:
                    await node.set_attr_bit(access, ua.AccessLevel.HistoryRead)
            await asyncio.sleep(0)
        if self._options.invalid_tag >= 0:
            self._spoil(ua.NodeId(tag_name(self._options.invalid_tag), self._space))

    def _spoil(self, bad: ua.NodeId) -> None:
        """Make this node one that is found by browsing, but cannot be monitored."""
        space: Any = self._server.iserver.aspace
        add = space.add_datachange_callback

        def add_callback(node: ua.NodeId, attribute: Any, callback: Any) -> Any:
            if node == bad:
                return ua.StatusCode(ua.StatusCodes.BadNodeIdInvalid), 0
            return add(node, attribute, callback)

        space.add_datachange_callback = add_callback

    async def _load(self) -> None:
        """Half of the tags change at every tick."""
        due = time.monotonic()
        while True:
            due = max(due + 1 / (self._hz or 50), time.monotonic() - 1)
            await asyncio.sleep(due - time.monotonic())
            if self._hz:
                tags = np.flatnonzero(self._random.random(self._options.tags) < 0.5)
                self._report(self.counts.change(tags[tags != self._options.invalid_tag]))

    def _report(self, changes: list[tuple[int, int, int]]) -> None:
        for subscription in list(self._service.subscriptions.values()):
            for change in changes:
                subscription.report(*change)

    async def _read_history(self, parameters: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        return [self._page(node, parameters.HistoryReadDetails) for node in parameters.NodesToRead]

    def _page(self, node: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> ua.HistoryReadResult:
        past = self.counts.past[tag_index(node.NodeId.Identifier)]
        start, end = (_nanoseconds(moment) for moment in (details.StartTime, details.EndTime))
        found = [(when, number) for when, number in past if start <= when < end]
        first = int(node.ContinuationPoint or b"0")
        last = first + (details.NumValuesPerNode or len(found))
        page = [
            ua.DataValue(ua.Variant(float(number)), SourceTimestamp=EPOCH + timedelta(microseconds=when // 1000))
            for when, number in found[first:last]
        ]
        result = ua.HistoryReadResult(HistoryData=ua.HistoryData(DataValues=page))
        result.ContinuationPoint = str(last).encode() if last < len(found) else None
        return result

    async def _obey(self) -> None:
        """Do what is asked, line by line."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            done = _COMMANDS[order.pop("do")](self, **order)
            if asyncio.iscoroutine(done):
                await done
            print("done", flush=True)

    def run(self, hz: float) -> None:
        """Change tags so often; 0: rest."""
        self._hz = hz

    def fault(self, service: str, status: str, times: int) -> None:
        """Answer the next calls of a service with a status."""
        self._faults[f"{service} {status}"] += times

    def swallow(self, messages: int, *, kept: bool) -> None:
        """Lose the next messages."""
        CountingSubscription.swallow, CountingSubscription.keeps_swallowed = messages, kept

    def skip(self, numbers: int) -> None:
        """Leave out sequence numbers."""
        for subscription in self._service.subscriptions.values():
            subscription.skip(numbers)

    async def end_subscriptions(self) -> None:
        """Delete all subscriptions without a word."""
        await self._service.delete_subscriptions(list(self._service.subscriptions))

    async def end_sessions(self) -> None:
        """Forget all sessions with their subscriptions."""
        for session in list(self._server.iserver._external_sessions.values()):
            await session.close_session(True)


_COMMANDS: dict[str, Callable[..., Any]] = {
    "run": CountingServer.run,
    "fault": CountingServer.fault,
    "swallow": CountingServer.swallow,
    "skip": CountingServer.skip,
    "end_subscriptions": CountingServer.end_subscriptions,
    "end_sessions": CountingServer.end_sessions,
}


def _nanoseconds(moment: datetime) -> int:
    return (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--tags", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--history", action="store_true", help="nodes have history")
    parser.add_argument("--swap-namespaces", action="store_true")
    parser.add_argument("--late-s", type=float, default=0.0, help="nodes appear so much later")
    parser.add_argument("--first-subscription", type=int, default=77)
    parser.add_argument("--first-number", type=int, default=1, help="sequence number of a subscription's first message")
    parser.add_argument("--most-items", type=int, default=0, help="items that one call may create, not announced")
    parser.add_argument("--invalid-tag", type=int, default=-1)
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(CountingServer(_options()).serve())
