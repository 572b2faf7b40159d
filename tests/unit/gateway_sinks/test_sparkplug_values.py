"""A host that follows the rules has every value: by alias, in order, with its type and its quality."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from support_edge_node import ZONE, World, value
from support_sinks import BAD, NOW, UNCERTAIN, batch, catalogue, column, event, gap, tag

from gateway.contract import Rejected
from gateway.sinks.sparkplug_schema import Payload
from gateway.values import DataType


async def test_values_of_all_devices_arrive_by_alias_in_order(world: World) -> None:
    await world.open(tag(1), tag(2, station="Mixing"), tag(3, data_type=DataType.INT16))
    host = await world.write(
        batch(
            column([1.0, 2.0, 3.0, 4.0], [1, 2, 1, 2], time=[NOW, NOW, NOW + 10**6, NOW + 10**6]),
            column([-7], [3], dtype="int16"),
        )
    )
    assert host.history == {
        ZONE: [1.0, 3.0],
        "Line1.Mixing/Process/Tag2": [2.0, 4.0],
        "Line1.Tempering/Process/Tag3": [-7],
    }


@pytest.mark.parametrize(
    ("data_type", "dtype", "value", "datatype", "seen"),
    [
        (DataType.BOOLEAN, "bool", True, 11, True),
        (DataType.BYTE, "uint8", 200, 5, 200),
        (DataType.INT32, "int32", -5, 3, -5),
        (DataType.INT64, "int64", -(2**62), 4, -(2**62)),
        (DataType.UINT64, "uint64", 2**64 - 1, 8, 2**64 - 1),
        (DataType.FLOAT, "float32", 0.5, 9, 0.5),
        (DataType.DATETIME, "int64", NOW, 13, NOW // 10**6),
        (DataType.STRING, object, "dark", 12, "dark"),
        (DataType.GUID, object, "72962b91-fa75-4ae6-8d28-b404dc7daf63", 15, "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        (DataType.BYTESTRING, object, b"\x00", 17, b"\x00"),
        (DataType.EXTENSIONOBJECT, object, {"a": 1}, 12, '{"a":1}'),
    ],
)
async def test_every_type_arrives_and_is_born_again_with_its_value(
    world: World, data_type: DataType, dtype: object, value: object, datatype: int, seen: object
) -> None:
    await world.open(tag(1, data_type=data_type))
    host = await world.write(batch(column([value], [1], dtype=dtype)))
    assert host.history[ZONE] == [seen]
    host = await world.open(tag(1, data_type=data_type))
    assert (host.find(ZONE).value, host.find(ZONE).datatype) == (seen, datatype)
    assert host.find(ZONE).quality == 192


async def test_quality_is_told_when_it_changes_and_only_then(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(value(1.0))
    assert host.find(ZONE).quality == 192
    host = await world.write(value(2.0, status=BAD))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (None, 0)
    host = await world.write(value(3.0, status=UNCERTAIN))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (3.0, 500)
    host = await world.write(value(4.0))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (4.0, 192)
    await world.write(value(5.0))
    await world.write(value(6.0))
    sizes = [len(message.payload) for message in world.broker.messages if "DDATA" in message.topic]
    assert sizes[-1] == sizes[-2] < min(sizes[:-2])


async def test_a_value_that_turns_bad_and_good_within_a_batch_ends_good(world: World) -> None:
    await world.open(tag(1), tag(2))
    times = [NOW + i * 10**6 for i in range(4)]
    host = await world.write(batch(column([1.0, 2.0, 3.0, 9.0], [1, 1, 1, 2], status=[0, BAD, 0, 0], time=times)))
    assert host.history[ZONE] == [1.0, None, 3.0]
    assert host.find(ZONE).quality == 192


async def test_births_after_a_bad_value_tell_the_bad_quality(world: World) -> None:
    await world.open(tag(1))
    await world.write(value(2.0, status=BAD))
    host = await world.open(tag(1))
    assert (host.find(ZONE).value, host.find(ZONE).quality) == (None, 0)
    host = await world.write(value(4.0))
    assert host.find(ZONE).quality == 192


async def test_a_null_between_numbers_stays_in_its_place(world: World) -> None:
    await world.open(tag(1), tag(2))
    numbers = column([1.0, 5.0, 3.0], [1, 2, 1], position=[10, 11, 13], time=[NOW, NOW, NOW + 2 * 10**6])
    nulls = column([None], [1], dtype=object, position=[12], time=NOW + 10**6, status=BAD)
    host = await world.write(batch(numbers, nulls))
    assert host.history[ZONE] == [1.0, None, 3.0]
    assert host.find(ZONE).value == 3.0


async def test_values_that_came_out_of_order_of_time_are_sorted_in_their_message(world: World) -> None:
    await world.open(tag(1), tag(2))
    late_first = column([1.0, 2.0, 3.0], [1, 2, 1], time=[NOW + 5 * 10**6, NOW, NOW + 6 * 10**6])
    host = await world.write(batch(late_first))
    assert host.history == {ZONE: [1.0, 3.0], "Line1.Tempering/Process/Tag2": [2.0]}


async def test_a_clock_that_steps_back_does_not_bring_back_an_old_value(world: World) -> None:
    await world.open(tag(1))
    await world.sink.write(batch(column([1.0, 2.0], [1, 1], time=[NOW + 5 * 10**9, NOW])))
    values = [
        metric.double_value
        for message in world.broker.messages
        if "DDATA" in message.topic
        for metric in Payload.FromString(message.payload).metrics
    ]
    assert values == [1.0, 2.0]


async def test_the_sequence_runs_to_255_and_starts_again_at_0(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(*(value(float(i), time=NOW + i * 10**6) for i in range(600)))
    assert host.history[ZONE] == [float(i) for i in range(600)]


async def test_a_changed_catalogue_is_born_before_its_data(world: World) -> None:
    tags = catalogue(tag(1))
    await world.sink.open(tags)
    await world.write(value(1.0))
    tags.apply(tags.plan("plant", [replace(tag(1), unit="K"), tag(0, "New")], 1))
    host = await world.write(batch(column([1.5, 2.5], [1, 2])))
    assert host.births == 2
    assert host.find(ZONE).properties["engUnit"] == "K"
    assert host.history["Line1.Tempering/Process/New"] == [2.5]


async def test_late_values_are_marked_and_change_no_current_value(world: World) -> None:
    await world.open(tag(1, since=NOW - 50))
    await world.write(value(9.0))
    late = batch(column([1.0, 2.0], [1, 1], time=[NOW - 100, NOW - 10]), historical=True)
    host = await world.write(late)
    assert host.late == {ZONE: [2.0]}
    assert host.find(ZONE).value == 9.0
    assert (await world.open(tag(1, since=NOW - 50))).find(ZONE).value == 9.0


async def test_late_values_of_a_tag_that_is_gone_are_announced_first(world: World) -> None:
    await world.sink.open(catalogue(tag(1), former=[tag(2)]))
    host = await world.write(batch(column([1.0], [2]), historical=True))
    assert host.births == 2
    assert host.late == {"Line1.Tempering/Process/Tag2": [1.0]}


async def test_an_array_gives_its_metric_another_type_by_a_rebirth(world: World) -> None:
    await world.open(tag(1), tag(2))
    host = await world.write(batch(column([[1.0, 2.0]], [1], dtype=object), column([5.0], [2])))
    assert (host.births, host.find(ZONE).datatype) == (2, 31)
    assert host.history[ZONE] == [np.array([1.0, 2.0]).tobytes()]
    host = await world.write(batch(column([[3.0]], [1], dtype=object)))
    assert host.births == 2


async def test_a_tag_that_keeps_changing_its_type_becomes_text(world: World) -> None:
    await world.open(tag(1, data_type=DataType.VARIANT))
    host = await world.write(value(1.5), batch(column([7], [1], dtype="int32")), value(2.5), value(float("nan")))
    assert host.births == 3
    assert host.history[ZONE] == [1.5, "7", "2.5", "null"]
    assert (await world.open(tag(1, data_type=DataType.VARIANT))).find(ZONE).datatype == 12


async def test_events_and_gaps_are_metrics_of_the_node(world: World) -> None:
    await world.open(tag(1))
    host = await world.write(batch(events=[event(Customer="Hofer")], gaps=[gap()]))
    (told,) = host.node_metrics["Event"]
    assert json.loads(told.string_value)["fields"] == {"Customer": "Hofer"}
    assert told.timestamp == NOW // 10**6
    (missing,) = host.node_metrics["Gap"]
    assert json.loads(missing.string_value)["tags"] == ["Machines/Line1/Components/Tempering/Process/Tag1"]


async def test_very_many_values_are_cut_into_messages(world: World) -> None:
    tags = [tag(i) for i in range(1, 9001)]
    await world.open(*tags)
    host = await world.write(batch(column(np.arange(9000.0), range(1, 9001))))
    assert host.data_messages == 3
    assert sum(map(len, host.history.values())) == 9000


async def test_values_without_regular_time_or_alias_arrive_too(world: World) -> None:
    await world.open(tag(1), tag(3_000_000, "Far"))
    host = await world.write(batch(column([1.0, 2.0, 3.0], [1, 3_000_000, 1], time=[-5, NOW, NOW])))
    assert host.history == {ZONE: [1.0, 3.0], "Line1.Tempering/Process/Far": [2.0]}


async def test_two_tags_with_one_metric_name_are_not_mixed_up(world: World) -> None:
    await world.open(tag(1, "Same"), tag(2, "Same", source="other"))
    with pytest.raises(Rejected, match=r"'Line1\.Tempering: Process/Same' already belongs"):
        await world.sink.write(batch(column([1.0], [2])))
