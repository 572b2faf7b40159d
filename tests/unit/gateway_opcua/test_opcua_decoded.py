"""A body that is wanted again is not decoded again, unless more is known of it by then."""

from __future__ import annotations

from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from support_records import draft

from gateway.opcua import decoded
from gateway.opcua.decode import decode_data
from gateway.opcua.decoded import Memory

MANY = 1 << 20


class Known:
    """Knows every structure."""

    def decode(self, type_id: str, body: bytes, depth: int) -> dict[str, Any]:
        return {"type": type_id, "bytes": len(body), "depth": depth}


def body_of(*values: Any) -> bytes:
    items = [ua.MonitoredItemNotification(i, ua.DataValue(ua.Variant(value))) for i, value in enumerate(values, 1)]
    return struct_to_binary(ua.DataChangeNotification(items, []))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    made: list[bytes] = []

    def noted(body: bytes, *more: Any) -> Any:
        made.append(body)
        return decode_data(body, *more)

    monkeypatch.setattr(decoded, "decode_data", noted)
    return made


def test_numbers_and_texts_are_the_same_for_everybody(calls: list[bytes]) -> None:
    memory, body = Memory(MANY), body_of(1.5, "Run", True)
    first = memory.parts(body, 7)
    assert memory.parts(body, 7, Known()) is first
    assert len(calls) == 1


def test_what_is_no_text_is_decoded_again_once_its_type_is_known(calls: list[bytes]) -> None:
    structure = ua.ExtensionObject(ua.NodeId(3000, 2), b"abc")
    memory, body, known = Memory(MANY), body_of(1.5, structure, [structure], None), Known()
    for types in (None, known, known):
        found = {i: v for part in memory.parts(body, 7, types) for i, v in zip(part.index, part.value, strict=True)}
        assert ("depth" in found[1], "depth" in found[2][0]) == (types is known, types is known)
    assert len(calls) == 2


def test_an_equal_body_is_another_one(calls: list[bytes]) -> None:
    memory, body = Memory(MANY), body_of(1.5)
    other = bytes(bytearray(body))
    assert other == body
    for one, received in ((body, 7), (other, 7), (body, 8)):
        (part,) = memory.parts(one, received)
        assert part.time.tolist() == [received]
    assert len(calls) == 3


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory(100_000)
    for number in range(100):
        memory.parts(draft(*range(number)).body, 7)
        assert memory.bytes <= 100_000
    memory.parts(draft(*range(100_000)).body, 7)
    assert memory.bytes == 0
