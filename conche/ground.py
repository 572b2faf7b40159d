"""What must be so before anything starts: free ports, a writable state folder, nobody else in it."""

from __future__ import annotations

import errno
import fcntl
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from conche.failure import Failure


@dataclass(frozen=True, slots=True)
class Listener:
    """An address that a part of the site is going to listen on, and the setting that changes it."""

    what: str
    host: str
    port: int
    setting: str


def check_ports(listeners: Sequence[Listener]) -> None:
    """Take every port for a moment, all at once. Raises Failure with one line for each that cannot be had."""
    with ExitStack() as taken:
        wrong = [text for listener in listeners for text in _take(listener, taken)]
    if wrong:
        raise Failure("\n".join(wrong))


def _take(listener: Listener, taken: ExitStack) -> Iterator[str]:
    where = f"port {listener.port} on {listener.host} ({listener.what})"
    try:
        family, _, _, _, address = socket.getaddrinfo(listener.host, listener.port, type=socket.SOCK_STREAM)[0]
        probe = taken.enter_context(socket.socket(family, socket.SOCK_STREAM))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen()
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
        yield f"{where} {why}: choose another with {listener.setting}"


def make_folder(folder: Path) -> None:
    """Make a state folder, and the ones above it. Raises Failure when nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise Failure(
            f"{folder} is not writable ({error.strerror}): choose another folder with CONCHE_STATE"
        ) from error


@contextmanager
def hold_state(folder: Path) -> Iterator[None]:
    """Make the state folder and keep others out of it while this lasts. Raises Failure."""
    make_folder(folder)
    for inner in ("log", "outbox"):
        make_folder(folder / inner)
    with (folder / "lock").open("w") as lock:
        _lock(lock, folder)
        yield


def _lock(lock: IO[str], folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure(
            f"another conche run uses the state folder {folder}: stop it, or choose another with CONCHE_STATE"
        ) from None
