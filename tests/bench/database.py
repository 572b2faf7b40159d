"""A database that only counts: takes line protocol, answers 204, and says at the end how many lines came."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class CountingDatabase(asyncio.Protocol):
    """HTTP/1.1 keep-alive, one request after the other; bodies are counted by their line ends, never parsed."""

    lines = 0
    requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self.transport = transport
        self.buffer = bytearray()
        self.missing = 0

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
        body = self.buffer[end + len(HEAD_END) : whole]
        CountingDatabase.lines += body.count(b"\n") + (bool(body) and not body.endswith(b"\n"))
        CountingDatabase.requests += 1
        del self.buffer[:whole]
        self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")  # type: ignore[attr-defined]
        return True


async def serve(port: int) -> None:
    """Serve until standard input closes; then print the count."""
    server = await asyncio.get_running_loop().create_server(CountingDatabase, "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()
    print(json.dumps({"lines": CountingDatabase.lines, "requests": CountingDatabase.requests}), flush=True)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--port", type=int, required=True)
    asyncio.run(serve(arguments.parse_args().port))
