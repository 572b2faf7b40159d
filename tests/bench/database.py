"""A database that only counts: takes line protocol, answers 204, and says at the end how many lines came and how old.

Commands on standard input: "begin" and "end" bound the time in which ages are noted; the end of input ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from latency import Latencies

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"
LONGEST = 40  # bytes from a line's last blank to its end, at most


class CountingDatabase(asyncio.Protocol):
    """HTTP/1.1 keep-alive, one request after the other; bodies are counted by their line ends, never parsed."""

    lines = 0
    requests = 0
    latencies = Latencies()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = transport
        self.buffer = bytearray()

    def data_received(self, data: bytes) -> None:
        """Take what came; answer every request that is whole."""
        self.buffer += data
        while self._take():
            pass

    def _take(self) -> bool:
        end = self.buffer.find(HEAD_END)
        if end < 0:
            return False
        head = bytes(self.buffer[:end]).lower()
        at = head.find(LENGTH)
        length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        whole = end + len(HEAD_END) + length
        if len(self.buffer) < whole:
            return False
        self._count(self.buffer[end + len(HEAD_END) : whole])
        del self.buffer[:whole]
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]
        return True

    @classmethod
    def _count(cls, body: bytearray) -> None:
        """Count lines; the first and the last stand for the ages of all."""
        lines = body.count(b"\n")
        cls.lines += lines
        cls.requests += 1
        if lines:
            first, last = body[: body.find(b"\n")], body[-LONGEST:].rstrip(b"\n")
            cls.latencies.arrived([int(line[line.rfind(b" ") + 1 :]) for line in (first, last)], lines)


async def serve(port: int) -> None:
    """Serve until standard input closes; then print what was counted."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(CountingDatabase, "127.0.0.1", port)
    print("ready", flush=True)
    while command := await loop.run_in_executor(None, sys.stdin.readline):
        CountingDatabase.latencies.is_open = command == "begin\n"
    server.close()
    counted = {"lines": CountingDatabase.lines, "requests": CountingDatabase.requests}
    print(json.dumps(counted | CountingDatabase.latencies.summary()), flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    asyncio.run(serve(arguments.parse_args().port))
