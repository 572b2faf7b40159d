"""A broker and a database that count. Both have a value in their tally before they confirm it, as durable ones do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from faults.ledger import tag_index
from faults.tally import Announced, Tally
from support_broker import Received, ScriptedBroker
from support_influx import OK, Answer, FakeInflux, Request

from gateway.sinks.sparkplug_schema import Payload

_LINE = re.compile(rb"^(\w+),\S*?tag=(T\d{4})\S* \S*?value=([^, ]+)\S* (\d+)$", re.MULTILINE)
_GAP = re.compile(r"^gap,\S* .*?end=(\d+)i.*?start=(\d+)i|^gap,\S* .*?start=(\d+)i.*?end=(\d+)i", re.MULTILINE)


class CountingBroker(ScriptedBroker):
    """Takes a unified namespace below `uns/` and Sparkplug; confirms after counting."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.uns, self.sparkplug = Tally("uns", tags), Tally("sparkplug", tags)
        self._aliases: dict[int, str] = {}
        self.messages = _Receiver(self._count)  # type: ignore[assignment]

    def _count(self, message: Received) -> None:
        self.log.clear()
        if message.topic.startswith("spBv1.0/"):
            self._sparkplug(message)
        elif message.topic == "uns/_gap":
            self.uns.gaps.append(_announced(json.loads(message.payload)))
        elif message.topic.startswith("uns/Group"):
            body = json.loads(message.payload)
            self.uns.take(tag_index(message.topic), body["value"], live=not body.get("historical"))

    def _sparkplug(self, message: Received) -> None:
        kind = message.topic.split("/")[2]
        payload = Payload.FromString(message.payload) if "STATE" not in message.topic else None
        if payload is None:
            return
        for metric in payload.metrics:
            if kind == "DBIRTH" and metric.alias:
                self._aliases[metric.alias] = metric.name
            elif kind == "DDATA":
                tag = tag_index(metric.name or self._aliases[metric.alias])
                self.sparkplug.take(tag, metric.double_value, live=not metric.is_historical)
            elif kind == "NDATA" and metric.name == "Gap":
                self.sparkplug.gaps.append(_announced(json.loads(metric.string_value)))


class _Receiver:
    """In the place of a list of messages."""

    def __init__(self, take: Callable[[Received], None]) -> None:
        self.append = take


def _announced(gap: dict[str, object]) -> Announced:
    paths = gap["tags"]
    assert isinstance(paths, list)
    tags = frozenset(tag_index(path) for path in paths) or None
    return Announced(tags, _time(str(gap["start"])), _time(str(gap["end"])))


def _time(text: str) -> int:
    """Unix ns of an ISO 8601 time with up to nine digits of the second."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + int(fraction.ljust(9, "0"))


class CountingInflux(FakeInflux):
    """Takes line protocol. `says` is asked first: an answer other than None is given and nothing is stored."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.tally = Tally("influx", tags)
        self.says: Callable[[Request], Answer | None] = lambda _: None
        self.refuses = ""  # the name of a tag whose lines are refused, and all that come with them
        self.answer = self._count

    def _refused(self, line: str) -> None:
        """A line alone was refused: the gateway knows for sure."""
        for _, tag, value, _ in _LINE.findall(line.encode()):
            self.tally.refused.add((tag_index(tag.decode()), int(float(value))))

    def _count(self, request: Request) -> Answer:
        self.requests.clear()
        said = self.says(request)
        if said is not None:
            return said
        bad = [line for line in request.lines if self.refuses and f"tag={self.refuses} " in line]
        if bad:
            if len(request.lines) == 1:
                self._refused(bad[0])
            return 400, json.dumps({"code": "invalid", "message": f"unable to parse {bad[0]!r}: bad"})
        for _, tag, value, time in _LINE.findall(request.body.encode()):
            self.tally.take(tag_index(tag.decode()), float(value), int(time), live=False)  # points have no order
        for match in _GAP.finditer(request.body):
            start, end = (match[2], match[1]) if match[1] else (match[3], match[4])
            self.tally.gaps.append(Announced(None, int(start), int(end)))
        return OK
