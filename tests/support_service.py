"""A small service for the supervisor's tests: listens, notes what happens to it, and ends as it is told."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path

from conche import lifeline


def main(name: str, port: int, notes: Path, mood: str) -> None:
    """Moods: good, broken (ends at once), stubborn (ignores SIGINT), mute (never listens), deaf-mute (both)."""

    def note(what: str) -> None:
        with notes.open("a") as file:
            file.write(f"{name} {what} {os.getpid()}\n")

    def stop(*_: object) -> None:
        note("interrupted")
        time.sleep(0.1)
        note("stopped")
        sys.exit(0)

    signal.signal(signal.SIGHUP, lambda *_: note("asked"))
    signal.signal(signal.SIGINT, signal.SIG_IGN if mood in ("stubborn", "deaf-mute") else stop)
    lifeline.hold()
    note("started")
    if mood == "broken":
        sys.exit("no such recipe")
    if "mute" not in mood:
        listener = socket.create_server(("127.0.0.1", port))
        listener.listen()
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
