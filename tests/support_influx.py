"""A database of a few lines behind HTTP that gives the documented answers of InfluxDB, and a reader of its lines."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

_LINE = re.compile(r'((?:\\.|[^ \\])+) ((?:"(?:\\.|[^"\\])*"|\\.|[^ "\\])+) (-?\d+)\n', re.DOTALL)
_FIELD = re.compile(r'((?:\\.|[^=,\\])+)=("(?:\\.|[^"\\])*"|[^,]+)(?:,|$)', re.DOTALL)


@dataclass(frozen=True)
class Point:
    """One line, taken apart. `key` is the series key as it was written."""

    key: str
    fields: dict[str, Any]
    time: int

    @property
    def measurement(self) -> str:
        return re.split(r"(?<!\\),", self.key)[0]


def read(text: str) -> list[Point]:
    """The points of a body. ValueError where something is no line."""
    found, at = [], 0
    while at < len(text):
        match = _LINE.match(text, at)
        if match is None:
            raise ValueError(f"unable to parse {text[at : at + 80]!r}")
        pairs = {name: _value(shown) for name, shown in _FIELD.findall(match[2])}
        found.append(Point(match[1], pairs, int(match[3])))
        at = match.end()
    return found


def _value(shown: str) -> Any:
    if shown.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", shown[1:-1])
    if shown.endswith("i"):
        return int(shown[:-1])
    if shown in ("true", "false"):
        return shown == "true"
    return float(shown)


@dataclass(frozen=True)
class Request:
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def lines(self) -> list[str]:
        return self.body.splitlines()


Answer = tuple[int, str]
OK: Answer = (204, "")


class FakeInflux:
    """async with FakeInflux() as db: … db.url, db.points, db.requests; db.answer decides what is said to a request."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._points: list[Point] = []
        self._unread: list[str] = []
        self.answer: Callable[[Request], Answer] = self.take
        self.delay_s = 0.0
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0  # that were ever made

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen: on a free port at first, later on the same again. What is stored stays."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Leave: nobody listens any more, all connections are cut."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def points(self) -> list[Point]:
        """Everything that is stored. It is read only when somebody asks, so that the fake costs a sink no time."""
        unread, self._unread = self._unread, []
        self._points += [point for body in unread for point in read(body)]
        return self._points

    def take(self, request: Request) -> Answer:
        """Store everything."""
        self._unread.append(request.body)
        return OK

    def parse_error(self, is_bad: Callable[[str], bool]) -> Callable[[Request], Answer]:
        """A server that refuses the whole body when one line does not parse."""

        def answer(request: Request) -> Answer:
            bad = [line for line in request.lines if is_bad(line)]
            if bad:
                return 400, json.dumps({"code": "invalid", "message": f"unable to parse {bad[0]!r}: bad"})
            return self.take(request)

        return answer

    def conflict(self, status: int, measurement: str, field: str) -> Callable[[Request], Answer]:
        """A server that stores all but the points whose field it has as another type."""

        def answer(request: Request) -> Answer:
            points = read(request.body)
            dropped = [p for p in points if p.measurement == measurement and field in p.fields]
            self._points += [p for p in points if p not in dropped]
            if not dropped:
                return OK
            reason = (
                f'partial write: field type conflict: input field "{field}" on measurement "{measurement}" '
                f"is type float, already exists as type integer dropped={len(dropped)}"
            )
            return status, json.dumps({"code": "unprocessable entity", "message": reason})

        return answer

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                status, text = self._handle(await _request(reader))
                await asyncio.sleep(self.delay_s)
                body = text.encode()
                phrase = HTTPStatus(status).phrase
                length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
                writer.write(
                    f"HTTP/1.1 {status} {phrase}\r\nContent-Type: application/json\r\n{length}\r\n".encode() + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the sink left, or stop() asked for it
        finally:
            writer.close()
            self._tasks.discard(task)

    def _handle(self, request: Request) -> Answer:
        self.requests.append(request)
        return self.answer(request)


async def _request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    target = urlsplit(head[0].split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    query = {name: values[0] for name, values in parse_qs(target.query).items()}
    return Request(target.path, query, headers, body.decode())
