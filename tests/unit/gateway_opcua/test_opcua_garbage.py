"""A server that sends nonsense loses its connection, with a reason; memory stays bounded and the others go on."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import pack

import pytest
from asyncua import ua
from support_opcua import Hall, Plant, Run, running

from gateway.opcua.chunks import Chunks, Garbage
from gateway.status import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")

Spoil = Callable[[bytes], Iterator[bytes]]
MEGABYTE = 1 << 20


@dataclass
class Meddler:
    """TCP before a server: chunks of one kind reach the client as `spoil` has them, while there is one."""

    target: int
    kind: bytes = b""
    spoil: Spoil | None = None
    port: int = 0
    most: int = 0  # spoilt bytes that the client took over one connection
    _ways: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self.target)
        ways = [
            asyncio.ensure_future(way) for way in (self._requests(reader, there), self._answers(there_reader, writer))
        ]
        self._ways.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._ways.difference_update(ways)
        for end in (writer, there):
            end.transport.abort()
            with suppress(OSError):
                await end.wait_closed()

    async def stop(self) -> None:
        """End every connection."""
        while self._ways:
            for way in self._ways:
                way.cancel()
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)

    async def _requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = 0
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(8)
                chunk = head + await reader.readexactly(int.from_bytes(head[4:], "little") - 8)
                if self.spoil is None or head[:3] != self.kind:
                    writer.write(chunk)
                    continue
                for piece in self.spoil(chunk):
                    writer.write(piece)
                    sent += len(piece)
                    self.most = max(self.most, sent)
                    await writer.drain()


@asynccontextmanager
async def meddling(target: int) -> AsyncIterator[Meddler]:
    meddler = Meddler(target)
    listening = await asyncio.start_server(meddler.accept, "127.0.0.1", 0)
    meddler.port = listening.sockets[0].getsockname()[1]
    yield meddler
    listening.close()
    await meddler.stop()


def newest(run: Run) -> list[object]:
    """The last value of Speed, if there is one."""
    return [value for _, value, _ in run.journal.values("Speed")][-1:]


def instead(data: bytes) -> Spoil:
    """Other bytes in place of the chunk, and then silence."""

    def spoil(_: bytes) -> Iterator[bytes]:
        yield data

    return spoil


def changed(change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(chunk: bytes) -> Iterator[bytes]:
        yield change(chunk)

    return spoil


def with_length(length: int) -> Spoil:
    return changed(lambda chunk: chunk[:4] + length.to_bytes(4, "little") + chunk[8:])


def with_body(make: Callable[[int], bytes]) -> Spoil:
    """The chunk's headers and another body of the same length; 24 bytes are headers without security."""
    return changed(lambda chunk: chunk[:24] + make(len(chunk) - 24))


def endless(chunk: bytes) -> Iterator[bytes]:
    """Chunk after chunk of one message that is never completed."""
    number = int.from_bytes(chunk[16:20], "little")
    while True:
        body = bytes(60_000)
        size = (24 + len(body)).to_bytes(4, "little")
        yield b"MSGC" + size + chunk[8:16] + (number % (1 << 32)).to_bytes(4, "little") + chunk[20:24] + body
        number += 1


def empty_ones(chunk: bytes) -> Iterator[bytes]:
    """The same without content: nothing for a limit of bytes to count."""
    number = int.from_bytes(chunk[16:20], "little")
    while True:
        heads = (b"MSGC" + (24).to_bytes(4, "little") + chunk[8:16] + n.to_bytes(4, "little") + chunk[20:24]
                 for n in range(number, number + 1000))  # fmt: skip
        yield b"".join(heads)
        number += 1000


ACKNOWLEDGE_NOTHING = b"ACKF" + (28).to_bytes(4, "little") + bytes(20)
CASES = {
    "another protocol at Hello": (b"ACK", instead(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "b'HTTP/1.1 400 Bad' where a"),
    "noise at Hello": (b"ACK", instead(bytes(range(200, 256))), "where a message should begin"),
    "buffers of no bytes at Hello": (b"ACK", instead(ACKNOWLEDGE_NOTHING), "takes chunks of 0 bytes at most"),
    "an error without an error at Hello": (
        b"ACK", instead(b"ERRF" + (16).to_bytes(4, "little") + bytes(4) + b"\xff" * 4), "an error message without"
    ),
    "a refusal at Hello": (
        b"ACK", instead(b"ERRF" + (16).to_bytes(4, "little") + (0x80830000).to_bytes(4, "little") + b"\xff" * 4),
        "BadTcpEndpointUrlInvalid",
    ),
    "noise at OpenSecureChannel": (
        b"OPN", changed(lambda chunk: chunk[:12] + bytes([127]) * (len(chunk) - 12)), "sends what cannot be understood"
    ),
    "2 GiB announced at OpenSecureChannel": (b"OPN", with_length(1 << 31), "a message chunk of 2,147,483,648 bytes"),
    "a length below the header's": (b"OPN", with_length(3), "a message chunk of 3 bytes"),
    "noise while publishing": (b"MSG", instead(bytes(range(256)) * 40), "where a message should begin"),
    "4 GiB announced while publishing": (b"MSG", with_length(2**32 - 1), "a message chunk of 4,294,967,295 bytes"),
    "a truncated chunk": (b"MSG", changed(lambda chunk: chunk[: len(chunk) // 2] + chunk), "sends"),
    "an answer to nothing": (
        b"MSG", changed(lambda chunk: chunk[:20] + (9_999_999).to_bytes(4, "little") + chunk[24:]), "which nobody sent"
    ),
    "zeros for a message": (b"MSG", with_body(bytes), "opc.tcp"),
    "absurd lengths in a message": (
        b"MSG", with_body(lambda n: b"\xff\xff\xff\x7f" * (n // 4) + bytes(n % 4)), "opc.tcp"
    ),
    "wrong types in a message": (
        b"MSG", changed(lambda chunk: chunk[:24] + b"\x01\x00\xf9\x01" + chunk[28:]), "opc.tcp"
    ),
    "a message that never ends": (b"MSG", endless, "a message of more than 4,194,304 bytes"),
    "a message of empty chunks": (b"MSG", empty_ones, "a message of more than 4,194,304 bytes"),
    "a message whose rest never comes": (b"MSG", changed(lambda chunk: chunk[:20]), "silent|does not answer"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_nonsense_ends_the_connection_with_a_reason_and_nothing_else(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[bytes, Spoil, str]
) -> None:
    kind, spoil, words = case
    monkeypatch.setattr("gateway.opcua.channel.MESSAGE_BYTES", 4 * MEGABYTE)
    await hall.add("Speed")
    quick = {"keepalive_s": 0.4, "timeout_s": 1.5 if "silent" in words else 30}
    async with (
        meddling(server.port) as meddler,
        running(meddler.url, tmp_path / "a", hall.name, **quick) as run,
        running(server.url, tmp_path / "b", hall.name) as sane,
    ):
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED)
        await sane.journal.until(lambda: sane.status.connection.link is Link.CONNECTED)
        meddler.kind, meddler.spoil = kind, spoil
        run.source._ladder.drop_link()

        await run.journal.until(lambda: bool(re.search(words, run.status.connection.reason)), 60)
        assert run.status.connection.link is Link.WAITING
        assert meddler.url in run.status.connection.reason or run.status.connection.reason.startswith("Bad")
        assert len(run.status.connection.reason) < 400
        await hall.write("Speed", 1.0)
        await sane.journal.until(lambda: newest(sane) == [1.0])
        assert sane.status.connection.connects == 1
        meddler.spoil = None
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, 20)
        await run.journal.until(lambda: newest(run) == [1.0])
        assert meddler.most < 32 * MEGABYTE, "the limit, and what sockets hold on both sides"


async def test_nonsense_in_the_midst_of_publishing_is_republished_when_the_server_is_sane_again(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Speed")
    async with meddling(server.port) as meddler, running(meddler.url, tmp_path, hall.name, keepalive_s=0.4) as run:
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED)
        meddler.kind, meddler.spoil = b"MSG", instead(b"\0" * 64)
        await hall.write("Speed", 1.0)
        await run.journal.until(lambda: "where a message should begin" in run.status.connection.reason)
        meddler.spoil = None
        await hall.write("Speed", 2.0)
        await run.journal.until(lambda: newest(run) == [2.0])
        assert [value for _, value, _ in run.journal.values("Speed")] == [0.0, 1.0, 2.0]


async def test_a_status_or_another_type_in_place_of_a_value_is_that_tags_own_affair(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Speed")
    await hall.add("Level")
    as_sent, as_it_comes = b"\x0b" + pack("<d", 1234.5), b"\x08" + pack("<q", -7)
    async with meddling(server.port) as meddler, running(meddler.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 2)
        meddler.kind, meddler.spoil = b"MSG", changed(lambda chunk: chunk.replace(as_sent, as_it_comes))
        await hall.write("Speed", 1234.5)
        bad = ua.DataValue(None, ua.StatusCode(ua.UInt32(0x80890000)))
        await server.server.write_attribute_value(hall.nodes["Level"].nodeid, bad)
        await run.journal.until(lambda: run.status.values == 4)
        assert newest(run) == [-7]
        assert run.journal.values("Level")[-1][2] == 0x80890000
        await hall.write("Speed", 3.0)
        await run.journal.until(lambda: newest(run) == [3.0])
        assert run.status.connection.connects == 1


async def test_chunks_are_cut_wherever_the_bytes_were_torn() -> None:
    whole = b"".join(b"MSGF" + (8 + n).to_bytes(4, "little") + bytes(n) for n in (1, 4, 100))
    for step in range(1, len(whole) + 1):
        chunks = Chunks()
        cut = [c for first in range(0, len(whole), step) for c in chunks.cut(whole[first : first + step])]
        assert [len(chunk) for chunk in cut] == [9, 12, 108]


async def test_what_was_whole_before_the_nonsense_is_still_taken() -> None:
    cut = Chunks().cut(b"MSGF\x09\0\0\0x" + b"GARBAGE!")
    assert next(cut) == b"MSGF\x09\0\0\0x"
    with pytest.raises(Garbage, match="GARBAGE!"):
        next(cut)
