"""History fills exactly the holes, in order, whatever the server's ways of paging; what it cannot give is announced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from support_opcua import FakeJournal

from gateway.contract import GatewayError
from gateway.journal import Draft, Kind
from gateway.opcua.backfill import Backfill
from gateway.opcua.decode import Part
from gateway.opcua.encode import notification
from gateway.opcua.errors import NoAnswer
from gateway.opcua.events import EventReader
from gateway.opcua.intake import Intake
from gateway.opcua.marks import EVENTS, Marks
from gateway.opcua.nodes import Namespaces
from gateway.opcua.pending import PendingFile
from gateway.opcua.recall import recall
from gateway.opcua.session import Limits
from gateway.opcua.settings import BackfillSettings
from gateway.status import SourceStatus
from gateway.store.bodies import event_body
from gateway.values import DataType, Event, Tag

START = datetime(2026, 1, 1, tzinfo=UTC)
NS = int(START.timestamp()) * 10**9
MS = 10**6


def tag(number: int) -> Tag:
    return Tag(number, "plant", f"i={number}", (f"T{number}",), DataType.DOUBLE, historised=True)


def values(*offsets: int) -> list[ua.DataValue]:
    """Values at these milliseconds after START, the value being the offset."""
    return [
        ua.DataValue(ua.Variant(float(i), ua.VariantType.Double), SourceTimestamp=START + timedelta(milliseconds=i))
        for i in offsets
    ]


class Historian:
    """A server's history of some nodes, with continuation points or, `pointless`, without."""

    url = "opc.tcp://history"

    def __init__(self, history: dict[int, list[ua.DataValue]], *, pointless: bool = False) -> None:
        self.history = history
        self.pointless = pointless
        self.limits = Limits()
        self.namespaces = Namespaces(["http://opcfoundation.org/UA/"])
        self.troubles: list[GatewayError | int] = []  # raised by, or status of, the next calls
        self.calls: list[int] = []

    async def call(self, request: ua.HistoryReadRequest, timeout_s: float) -> bytes:
        nodes = request.Parameters.NodesToRead
        self.calls.append(len(nodes))
        trouble = self.troubles.pop(0) if self.troubles else 0
        if isinstance(trouble, GatewayError):
            raise trouble
        response = ua.HistoryReadResponse()
        details = request.Parameters.HistoryReadDetails
        response.Results = [self.page(one, details) for one in nodes]
        if trouble:
            response.Results[0] = ua.HistoryReadResult(StatusCode=ua.StatusCode(trouble))
        return struct_to_binary(response)

    def page(self, node: ua.HistoryReadValueId, details: ua.ReadRawModifiedDetails) -> ua.HistoryReadResult:
        found = [
            one
            for one in self.history.get(node.NodeId.Identifier, [])
            if details.StartTime <= one.SourceTimestamp <= details.EndTime
        ]
        skip = int(node.ContinuationPoint or b"0")
        rest, most = found[skip:], details.NumValuesPerNode
        more = len(rest) > most and not self.pointless
        return ua.HistoryReadResult(
            ContinuationPoint=str(skip + most).encode() if more else None,
            HistoryData=ua.HistoryData(rest[:most]),
        )


class Rig:
    """A backfill with everything around it."""

    def __init__(self, historian: Historian, folder: Path, **settings: object) -> None:
        self.historian = historian
        self.tags = [tag(number) for number in historian.history]
        self.journal = FakeJournal()
        self.status = SourceStatus("plant", historian.url)
        self.marks = Marks()
        self.marks.admit(self.tags)
        self.file = PendingFile(folder / "plant.json")
        chosen = BackfillSettings.model_validate({"pause_s": 0, "settle_s": 0} | settings)
        intake = Intake(self.journal, self.status)
        self.backfill = Backfill(chosen, intake, self.marks, self.status, self.file, lambda: self.tags)

    def hole(self, number: int, after: int, before: int = 0) -> None:
        self.marks.pending[number] = NS + after * MS
        self.marks.first[number] = NS + before * MS if before else 0

    async def run(self) -> None:
        await self.backfill.run(self.historian)  # type: ignore[arg-type]

    def read(self, number: int) -> list[float]:
        self.journal.catalogue.apply(self.journal.catalogue.plan("plant", self.tags, 1))
        return [float(value) for _, value, _ in self.journal.values(f"T{number}", historical=True)]  # type: ignore[arg-type]


@pytest.mark.parametrize("pointless", [False, True])
async def test_exactly_the_hole_is_filled(tmp_path: Path, *, pointless: bool) -> None:
    rig = Rig(Historian({1: values(*range(0, 100, 5))}, pointless=pointless), tmp_path, values_per_node=4)
    rig.hole(1, after=20, before=80)
    await rig.run()
    assert rig.read(1) == [float(i) for i in range(25, 80, 5)]
    assert not rig.marks.pending.any()
    assert rig.status.backfilled == rig.status.values == 11


@pytest.mark.parametrize("pointless", [False, True])
async def test_tags_with_holes_of_different_age_are_read_together(tmp_path: Path, *, pointless: bool) -> None:
    history = {number: values(*range(0, 1000, 7)) for number in range(1, 8)}
    rig = Rig(Historian(history, pointless=pointless), tmp_path, values_per_node=10, nodes_per_call=3)
    for number in history:
        rig.hole(number, after=number * 100, before=900)
    await rig.run()
    for number in history:
        assert rig.read(number) == [float(i) for i in range(0, 1000, 7) if number * 100 < i < 900]
    assert max(rig.historian.calls) <= 3


async def test_what_is_lost_while_history_is_read_is_not_taken_for_read(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(*range(10))}), tmp_path)
    rig.hole(1, after=1, before=4)
    append = rig.journal.append

    async def lose_more(drafts: Sequence[Draft], *further: Any) -> int:
        rig.journal.append = append  # type: ignore[method-assign]
        rig.marks.cut(rig.tags, 0)  # 4 had come live; 5 to 7 are lost, 8 comes live again
        rig.marks.first[1] = NS + 8 * MS
        return await append(drafts, *further)

    rig.journal.append = lose_more  # type: ignore[method-assign]
    await rig.run()
    assert set(rig.read(1)) >= {2.0, 3.0, 5.0, 6.0, 7.0}
    assert not rig.marks.pending.any()


async def test_a_hole_without_an_end_is_read_to_the_present(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(1, 2, 3)}), tmp_path)
    rig.hole(1, after=1)
    await rig.run()
    assert rig.read(1) == [2.0, 3.0]


async def test_values_of_other_shapes_are_filtered_too(tmp_path: Path) -> None:
    mixed = values(1, 2, 3, 4)
    mixed[1].Value = ua.Variant("two", ua.VariantType.String)
    mixed[2].Value = ua.Variant()
    rig = Rig(Historian({1: mixed}), tmp_path)
    rig.hole(1, after=1, before=4)
    await rig.run()
    rig.journal.catalogue.apply(rig.journal.catalogue.plan("plant", rig.tags, 1))
    assert [value for _, value, _ in rig.journal.values("T1")] == ["two", None]


async def test_a_forgotten_continuation_point_costs_nothing(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(*range(10))}), tmp_path, values_per_node=4)
    rig.hole(1, after=-1)
    rig.historian.troubles = [0, ua.StatusCodes.BadContinuationPointInvalid]
    await rig.run()
    assert rig.read(1) == [float(i) for i in range(10)]
    assert rig.status.gaps == 0


async def test_one_node_that_is_refused_is_announced_and_the_others_are_read(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(5), 2: values(5)}), tmp_path)
    rig.hole(1, after=1)
    rig.hole(2, after=2)
    rig.historian.troubles = [ua.StatusCodes.BadUserAccessDenied]
    await rig.run()
    gap = orjson.loads(rig.journal.of(Kind.GAP)[0].body)
    assert gap["tags"] == [1]
    assert gap["start"] == NS + MS
    assert "BadUserAccessDenied" in gap["reason"]
    assert rig.read(2) == [5.0]


async def test_a_slow_historian_is_asked_for_less_and_given_up_in_the_end(tmp_path: Path) -> None:
    rig = Rig(Historian({number: values(5) for number in range(1, 9)}), tmp_path, nodes_per_call=4)
    for number in range(1, 9):
        rig.hole(number, after=1)
    rig.historian.troubles = [NoAnswer("slow")] * 3
    await rig.run()
    assert rig.historian.calls[:4] == [4, 2, 1, 1]
    assert rig.status.gaps == 1
    assert sum(len(rig.read(number)) for number in range(1, 9)) == 7


async def test_more_values_of_one_moment_than_an_answer_holds_are_announced(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(1, 5, 5, 5, 5)}, pointless=True), tmp_path, values_per_node=2)
    rig.hole(1, after=0)
    await rig.run()
    assert rig.status.gaps == 1


async def test_what_is_open_is_on_disk_until_it_is_done(tmp_path: Path) -> None:
    rig = Rig(Historian({1: values(*range(1, 9))}), tmp_path, values_per_node=2)
    rig.hole(1, after=0)
    await rig.file.save(rig.marks.pending, at_once=True)
    rig.journal.refuses = True
    task = asyncio.ensure_future(rig.run())
    await rig.journal.until(lambda: rig.journal.refused > 0)
    assert PendingFile(tmp_path / "plant.json").load() == {1: NS}
    rig.journal.refuses = False
    await task
    assert PendingFile(tmp_path / "plant.json").load() == {}
    assert list(tmp_path.iterdir()) == []


async def test_notes_that_cannot_be_read_are_said_and_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "plant.json"
    for wrong in (b"{", b"[]", b'{"a": 1}'):
        file.write_bytes(wrong)
        assert PendingFile(file).load() == {}


def part(tags: list[int], offsets: list[int], status: int = 0) -> Part:
    n = len(tags)
    times = NS + np.array(offsets, np.int64) * MS
    return Part(np.arange(n), np.array(tags, np.int32), np.zeros(n), np.full(n, status, np.uint32), times)


def test_marks_keep_the_first_and_the_last_of_each_tag() -> None:
    marks = Marks()
    marks.admit([tag(1), tag(2), tag(3)])
    marks.note([part([1, 2, 1], [10, 20, 30])], NS)
    marks.note([part([1], [40])], NS + MS)
    assert marks.first[[1, 2, 3]].tolist() == [NS + 10 * MS, NS + 20 * MS, 0]
    assert marks.last[[1, 2, 3]].tolist() == [NS + 40 * MS, NS + 20 * MS, 0]
    assert marks.heard == NS + MS
    assert marks.quiet_ids() == [3]


def test_a_cut_opens_holes_after_what_is_known_and_keeps_older_ones_open() -> None:
    marks = Marks()
    marks.admit([tag(1), tag(2), tag(3)])
    marks.note([part([1, 2], [10, 20])], NS)
    marks.cut([tag(1), tag(3)], before=7)
    assert marks.pending[[1, 2, 3]].tolist() == [NS + 10 * MS, 0, 7]
    marks.note([part([1], [50])], NS)
    marks.cut([tag(1)], before=7)
    assert marks.pending[1] == NS + 10 * MS
    assert marks.open_ids().tolist() == [3, 1]


def test_marks_know_who_is_bad_and_who_is_a_stranger() -> None:
    marks = Marks()
    marks.admit([tag(1), tag(3)])
    marks.note([part([1], [1], 0x80000000), part([3], [1], 0x40000000)], NS)
    assert (marks.bad_ids(), marks.waiting_ids()) == ([1], [])
    marks.note([part([1], [1], ua.StatusCodes.BadWaitingForInitialData | 0x400)], NS)
    assert (marks.bad_ids(), marks.waiting_ids()) == ([], [1])
    assert marks.knows([part([1, 3], [1, 1])])
    for stranger in (2, 4_000, -1):
        assert not marks.knows([part([1, stranger], [1, 1])])


async def test_a_restart_finds_how_far_each_tag_is() -> None:
    journal, marks = FakeJournal(), Marks()
    tags = [tag(1), tag(2), tag(3)]
    marks.admit(tags)

    def body(number: int, *offsets: int) -> bytes:
        return notification(number, struct_to_binary(ua.HistoryData(values(*offsets))))[0]

    received = NS + 60_000 * MS
    await journal.append([Draft(Kind.DATA, "plant", body(1, 1, 2), 2, received=received)])
    await journal.append([Draft(Kind.DATA, "other", body(2, 900), 1, received=received)])
    await journal.append([Draft(Kind.DATA, "plant", body(2, 30), 1, received=received + MS)])
    await journal.append([Draft(Kind.DATA, "plant", body(1, 1), 1, historical=True, received=received + 9 * MS)])
    event = Event(0, "plant", "BaseEventType", "Line", NS + 5 * MS, 1, "", {})
    await journal.append([Draft(Kind.EVENT, "plant", event_body(event), received=received + 9 * MS)])
    await recall(journal, "plant", tags, marks, EventReader("plant"))  # type: ignore[arg-type]
    assert marks.last[EVENTS] == NS + 5 * MS
    assert marks.last[[1, 2]].tolist() == [NS + 2 * MS, NS + 30 * MS]
    assert marks.last[3] == received - 10 * 10**9  # not in these records: known up to the oldest, less a skew of clocks
    assert marks.heard == received + MS
