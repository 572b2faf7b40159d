"""One HTTP connection: a request, its answer, and the next; made when it is needed, kept while the server keeps it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self, cast
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from gateway.contract import NotConnected
from gateway.sinks.waiting import within
from gateway.thread import in_thread

_ROOM = 16384  # bytes that are read at a time; asyncio by itself makes room for 256 kB, which takes longer than to read
_LONGEST_TEXT = 65536  # bytes of an answer that are kept: enough for any reason
_FINAL = 200  # the first status that ends a request; those below announce another
_GARBAGE = (HttpParserError, HttpParserUpgrade)
_TROUBLE = (OSError, UnicodeError, *_GARBAGE)  # those of TLS and of time are an OSError
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is."""

    url: str
    host: str
    port: int
    secure: bool

    @classmethod
    def of(cls, url: str) -> Self:
        """The address of an http or https URL. Raises ValueError when it has no host or no port that can be."""
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError(f"{url!r} names no host")
        return cls(url, parts.hostname, parts.port or _PORTS[parts.scheme], parts.scheme == "https")


class Connection:
    """Requests to one server, one at a time."""

    def __init__(self, address: Address, authority: Path | None, timeout_s: float) -> None:
        """`authority`: PEM file of whom to trust, without: the system's; `timeout_s`: to connect, and to answer."""
        self._address = address
        self._authority = authority
        self._timeout_s = timeout_s
        self._link: _Link | None = None

    async def open(self) -> None:
        """See that there is a connection. Raises NotConnected."""
        try:
            await self._ready()
        except _TROUBLE as error:
            raise self.away(error) from error

    async def ask(self, *request: bytes) -> Answer:
        """The answer to a request, which must be one that may be sent twice. Raises NotConnected.

        A server may close a connection that it kept just when a request is on its way: then it goes over a new one.
        """
        kept = self._link is not None and self._link.is_open
        try:
            try:
                return await self._exchange(request)
            except ConnectionError:
                if not kept:
                    raise
                return await self._exchange(request)
        except _TROUBLE as error:
            raise self.away(error) from error

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        if self._link is not None:
            self._link.abort()
            self._link = None

    def away(self, error: Exception) -> NotConnected:
        """Why there is no answer, in words that say what to change."""
        url = self._address.url
        match error:
            case TimeoutError():
                return NotConnected(f"{url} did not answer within {self._timeout_s:g} s")
            case ssl.SSLError() | FileNotFoundError():
                return NotConnected(f"no TLS connection to {url}: {error}")
            case HttpParserError() | HttpParserUpgrade():
                return NotConnected(f"what {url} answers is not HTTP ({error}): is the url right?")
            case _:
                return NotConnected(f"no connection to {url}: {error}; is the database up, is the url right?")

    async def _exchange(self, request: tuple[bytes, ...]) -> Answer:
        link = await self._ready()
        try:
            return await within(self._timeout_s, link.ask(request))
        except BaseException:
            link.abort()  # an answer that comes late must not be taken for that of the next request
            raise

    async def _ready(self) -> _Link:
        if self._link is None or not self._link.is_open:
            self._link = await self._connect()
        return self._link

    async def _connect(self) -> _Link:
        async with asyncio.timeout(self._timeout_s):
            sock, context = await in_thread(self._dial, "http-connect", discard=lambda dialled: dialled[0].close())
            name = self._address.host if context else None
            loop = asyncio.get_running_loop()
            _, link = await loop.create_connection(_Link, sock=sock, ssl=context, server_hostname=name)
        return link

    def _dial(self) -> tuple[socket.socket, ssl.SSLContext | None]:
        """What takes time without an event loop: files of certificates, the name of the host, the way to it."""
        context = ssl.create_default_context(cafile=self._authority) if self._address.secure else None
        return socket.create_connection((self._address.host, self._address.port), self._timeout_s), context


class _Link(asyncio.BufferedProtocol):
    """A connection from its making to its end. Methods named on_ are called by the parser."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._room = bytearray(_ROOM)
        self._answer: asyncio.Future[Answer] | None = None  # as long as one is owed
        self._status = 0
        self._text = bytearray()

    @property
    def is_open(self) -> bool:
        """Whether nothing is known against another request."""
        return not self._transport.is_closing()

    def ask(self, request: tuple[bytes, ...]) -> asyncio.Future[Answer]:
        """Send a request; what it becomes. What the socket does not take at once waits in memory: at most one batch."""
        self._answer = asyncio.get_running_loop().create_future()
        for part in request:  # writelines() would copy a large body to put the head before it
            self._transport.write(part)
        return self._answer

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BufferedProtocol."""
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - the library's signature
        """See asyncio.BufferedProtocol."""
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        try:
            self._parser.feed_data(memoryview(self._room)[:nbytes])
        except _GARBAGE as error:
            self._fail(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BufferedProtocol. An answer whose text was cut off is an answer."""
        if self._status >= _FINAL:
            self._succeed()
        else:
            self._fail(exc or ConnectionResetError("the server closed the connection"))

    def on_message_begin(self) -> None:
        """See that somebody asked: what nobody asked for would be taken for the answer to the next request."""
        if self._answer is None:
            raise ValueError("an answer to nothing")

    def on_headers_complete(self) -> None:
        """Note the verdict."""
        self._status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        """Keep the beginning."""
        if len(self._text) < _LONGEST_TEXT:
            self._text += data

    def on_message_complete(self) -> None:
        """Hand over the answer; the next request needs a server that keeps the connection and has read this one."""
        if self._status >= _FINAL:
            self._succeed()
            if not self._parser.should_keep_alive() or self._transport.get_write_buffer_size():
                self.abort()

    def _succeed(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Answer(self._status, self._text.decode("utf-8", "replace")))
        self._status, self._text = 0, bytearray()

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
