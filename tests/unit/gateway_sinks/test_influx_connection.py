"""One request after the other finds its own answer, whatever the server does with the connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support_tls import loopback_pem, serving_with

from gateway.contract import NotConnected
from gateway.sinks.influx_connection import Address, Answer, Connection

HANGS_S = 30.0
REQUEST = (b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"ab")
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"

Exchange = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Serves each connection by the script of its number; the last script is that of all further ones."""

    def __init__(self, *scripts: Exchange) -> None:
        self._scripts = scripts
        self.connections = 0
        self.requests: list[bytes] = []
        self.url = ""
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        try:
            await script(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def serving(*scripts: Exchange, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[str]:
    server = Server(*scripts)
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        listening.close()
        await server.end()
        await listening.wait_closed()


@asynccontextmanager
async def connected(url: str, authority: Path | None = None, timeout_s: float = 5.0) -> AsyncIterator[Connection]:
    connection = Connection(Address.of(url), authority, timeout_s)
    async with asyncio.timeout(HANGS_S):
        yield connection
    connection.close()


async def heard(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


def saying(*answers: bytes, then: Exchange | None = None) -> Exchange:
    """One answer a request; then wait for the client to leave."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await heard(reader)
            writer.write(answer)
            await writer.drain()
        await (then or wait)(reader, writer)

    return script


async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hang up."""


async def leave_at_a_request(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await heard(reader)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (TAKEN, Answer(204, "")),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nwrong", Answer(400, "wrong")),
        (
            b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nwro\r\n2\r\nng\r\n0\r\n\r\n",
            Answer(400, "wrong"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + TAKEN, Answer(204, "")),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\n\xff\xfe", Answer(500, "��")),
    ],
    ids=["empty", "length", "chunks", "announced", "no UTF-8"],
)
async def test_an_answer_is_read_and_the_connection_kept(said: bytes, answer: Answer) -> None:
    async with serving(saying(said, TAKEN), leave) as url, connected(url) as connection:
        assert await connection.ask(*REQUEST) == answer
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_an_answer_may_come_in_small_pieces() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        for byte in b"HTTP/1.1 422 No\r\nContent-Length: 4\r\n\r\nnope":
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        await wait(reader, writer)

    async with serving(slowly) as url, connected(url) as connection:
        assert await connection.ask(*REQUEST) == Answer(422, "nope")


@pytest.mark.parametrize(
    "said",
    [b"HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\nwrong", b"HTTP/1.0 400 Bad\r\n\r\nwrong"],
    ids=["said so", "HTTP/1.0"],
)
async def test_an_answer_may_end_with_the_connection(said: bytes) -> None:
    async with serving(saying(said, then=leave), saying(TAKEN)) as url, connected(url) as connection:
        assert await connection.ask(*REQUEST) == Answer(400, "wrong")
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_a_server_that_wants_the_connection_closed_gets_the_next_request_over_another() -> None:
    closing = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    async with serving(saying(closing), saying(closing), saying(TAKEN)) as url, connected(url) as connection:
        for _ in range(3):
            assert await connection.ask(*REQUEST) == Answer(204, "")


@pytest.mark.parametrize("end", [leave, leave_at_a_request], ids=["between requests", "at a request"])
async def test_a_kept_connection_that_the_server_closed_is_replaced(end: Exchange) -> None:
    after = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
    async with serving(saying(TAKEN, then=end), after) as url, connected(url) as connection:
        assert await connection.ask(*REQUEST) == Answer(204, "")
        assert await connection.ask(*REQUEST) == Answer(200, "new")


async def test_a_request_is_sent_twice_at_most() -> None:
    scripts = (saying(TAKEN, then=leave_at_a_request), leave_at_a_request, saying(TAKEN))
    async with serving(*scripts) as url, connected(url) as connection:
        await connection.ask(*REQUEST)
        with pytest.raises(NotConnected, match="the server closed the connection; is the database up"):
            await connection.ask(*REQUEST)
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_a_new_connection_that_is_closed_at_once_is_told() -> None:
    async with serving(leave_at_a_request, saying(TAKEN)) as url, connected(url) as connection:
        with pytest.raises(NotConnected, match="closed the connection"):
            await connection.ask(*REQUEST)
        assert await connection.ask(*REQUEST) == Answer(204, "")


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example ESMTP\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
    ],
    ids=["mail", "TLS", "upgrade", "chunks", "status"],
)
async def test_what_is_not_http_is_told_and_the_connection_dropped(said: bytes) -> None:
    async with serving(saying(said), saying(TAKEN)) as url, connected(url) as connection:
        with pytest.raises(NotConnected, match="is not HTTP"):
            await connection.ask(*REQUEST)
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_of_an_endless_answer_only_the_beginning_is_kept() -> None:
    said = b"HTTP/1.1 500 Oh\r\nContent-Length: 20000000\r\n\r\n" + bytes(20_000_000)
    async with serving(saying(said, TAKEN)) as url, connected(url) as connection:
        answer = await connection.ask(*REQUEST)
        assert answer.status == 500
        assert len(answer.text) < 1_000_000
        assert await connection.ask(*REQUEST) == Answer(204, "")


@pytest.mark.parametrize("more", [TAKEN, b"HTTP/1.1 20", b"?"], ids=["whole", "begun", "garbage"])
async def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next(more: bytes) -> None:
    refused = b"HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"
    async with serving(saying(refused + more), saying(refused)) as url, connected(url) as connection:
        for _ in range(2):
            assert await connection.ask(*REQUEST) == Answer(400, "")


async def test_a_large_body_reaches_a_slow_reader_whole() -> None:
    body, seen = bytes(range(256)) * 80_000, asyncio.get_running_loop().create_future()

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got = bytearray()
        while len(got) < len(body):
            got += await reader.read(1 << 20)
            await asyncio.sleep(0)
        seen.set_result(bytes(got) == body)
        writer.write(TAKEN)
        await wait(reader, writer)

    async with serving(slowly) as url, connected(url) as connection:
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert await connection.ask(head, body) == Answer(204, "")
        assert await seen


async def test_a_body_that_is_refused_before_it_was_read_takes_its_connection_along() -> None:
    body = bytes(20_000_000)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await wait(reader, writer)

    async with serving(refuse, saying(TAKEN)) as url, connected(url) as connection:
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert await connection.ask(head, body) == Answer(413, "")
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next() -> None:
    late = asyncio.Event()

    async def tardy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        await late.wait()
        writer.write(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        await wait(reader, writer)

    async with serving(tardy, saying(TAKEN)) as url, connected(url, timeout_s=0.2) as connection:
        with pytest.raises(NotConnected, match=r"did not answer within 0\.2 s"):
            await connection.ask(*REQUEST)
        late.set()
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_a_request_that_is_cancelled_ends_its_connection() -> None:
    arrived, late = asyncio.Event(), asyncio.Event()

    async def tardy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard(reader)
        arrived.set()
        await late.wait()
        writer.write(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\n\r\n")
        await wait(reader, writer)

    async with serving(tardy, saying(TAKEN)) as url, connected(url) as connection:
        asking = asyncio.create_task(connection.ask(*REQUEST))
        await arrived.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        late.set()
        assert await connection.ask(*REQUEST) == Answer(204, "")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loopback_pem(tmp_path_factory.mktemp("pki"))


@pytest.mark.parametrize("end", [wait, leave, leave_at_a_request])
async def test_an_authority_of_ones_own_is_trusted(certificate: Path, end: Exchange) -> None:
    scripts, tls = (saying(TAKEN, then=end), saying(TAKEN)), serving_with(certificate)
    async with serving(*scripts, tls=tls) as url, connected(url, certificate) as connection:
        await connection.open()
        assert await connection.ask(*REQUEST) == Answer(204, "")
        if end is not wait:
            assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_a_large_body_travels_over_tls(certificate: Path) -> None:
    body = bytes(5_000_000)
    async with serving(saying(TAKEN), tls=serving_with(certificate)) as url, connected(url, certificate) as connection:
        head = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
        assert await connection.ask(head, body) == Answer(204, "")


async def test_the_authorities_of_the_system_do_not_know_a_stranger(certificate: Path) -> None:
    async with serving(saying(TAKEN), tls=serving_with(certificate)) as url, connected(url) as connection:
        with pytest.raises(NotConnected, match=r"no TLS connection.*certificate verify failed"):
            await connection.ask(*REQUEST)


async def test_a_missing_file_of_authorities_is_told(certificate: Path) -> None:
    missing, tls = Path("no/such.pem"), serving_with(certificate)
    async with serving(saying(TAKEN), tls=tls) as url, connected(url, missing) as connection:
        with pytest.raises(NotConnected, match=r"no TLS connection.*No such file"):
            await connection.open()


async def test_a_port_without_tls_is_told() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is no TLS")
        await wait(reader, writer)

    async with serving(greet) as url, connected(url.replace("http:", "https:")) as connection:
        with pytest.raises(NotConnected, match="no TLS connection"):
            await connection.open()


async def test_a_server_that_never_ends_the_handshake_is_given_up_in_time() -> None:
    async with serving(wait) as url, connected(url.replace("http:", "https:"), timeout_s=0.2) as connection:
        with pytest.raises(NotConnected, match=r"did not answer within 0\.2 s"):
            await connection.open()


async def test_a_server_may_have_an_address_of_ipv6() -> None:
    async with serving(saying(TAKEN), host="::1") as url, connected(url) as connection:
        assert await connection.ask(*REQUEST) == Answer(204, "")


async def test_a_name_that_cannot_be_one_is_told() -> None:
    async with connected("http://a..b") as connection:
        with pytest.raises(NotConnected, match=r"no connection to http://a\.\.b"):
            await connection.open()


async def test_closing_is_idempotent_and_the_next_request_connects_again() -> None:
    async with serving(saying(TAKEN), saying(TAKEN)) as url, connected(url) as connection:
        connection.close()
        for _ in range(2):
            assert await connection.ask(*REQUEST) == Answer(204, "")
            connection.close()
            connection.close()


@pytest.mark.parametrize(
    ("url", "host", "port", "secure"),
    [
        ("http://db", "db", 80, False),
        ("https://db/prefix", "db", 443, True),
        ("http://user:secret@db:8086", "db", 8086, False),
        ("http://[::1]:8086/", "::1", 8086, False),
    ],
)
def test_an_address_is_read(url: str, host: str, port: int, secure: bool) -> None:
    assert Address.of(url) == Address(url, host, port, secure)


@pytest.mark.parametrize("url", ["http://:8086", "http://db:99999", "http://db:x", "http://[::1"])
def test_an_address_that_cannot_be_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Address.of(url)
