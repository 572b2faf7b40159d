"""A small mail server on a socket, which answers as told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SILENCE = "…"
USUAL = {"RCPT": ["250 ok"], "DATA": ["354 go on"], ".": ["250 taken"], "QUIT": ["221 bye"], "AUTH": ["235 ok"]}


class MailServer:
    """A small mail server. `answers` are by command, the last one for ever; "" hangs up, SILENCE waits."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, starttls: bool = False) -> None:
        self.answers: dict[str, list[str]] = {command: list(texts) for command, texts in USUAL.items()}
        self.mails: list[bytes] = []
        self.heard: list[str] = []
        self.port = 0
        self._tls = tls
        self._starttls = starttls

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[MailServer]:
        immediate = self._tls if not self._starttls else None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=immediate)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def _answer(self, command: str) -> str:
        texts = self.answers.get(command, ["250 ok"])
        return texts.pop(0) if len(texts) > 1 else texts[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            self.heard.append(line)
            command = line.split()[0].upper()
            if command == "EHLO":
                extra = b"250-STARTTLS\r\n" if self._starttls and self._tls else b""
                writer.write(b"250-here\r\n" + extra + b"250 AUTH PLAIN\r\n")
                continue
            if command == "STARTTLS":
                writer.write(b"220 go on\r\n")
                assert self._tls is not None
                await writer.start_tls(self._tls)
                continue
            answer = self._answer(command)
            if not answer:
                return
            if answer == SILENCE:
                await reader.read()
                return
            writer.write(f"{answer}\r\n".encode())
            if answer.startswith("354"):
                mail = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                verdict = self._answer(".")
                self.mails += [mail] if verdict.startswith("250") else []
                writer.write(f"{verdict}\r\n".encode())
