"""What the server needs of the machine: files that are whole or not there, a folder to write in, a port."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from tempfile import TemporaryFile

from opcua_server.errors import ServerError


def write_whole(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Replace a file at once; after a crash it is the old one or the new one. Makes the folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def writable_folder(folder: Path) -> None:
    """Make a folder if need be. Raises ServerError where nothing can be written in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ServerError(
            f"cannot write in {folder} ({error.strerror}): make it writable or set another folder (state, CONCHE_STATE)"
        ) from error


def bound_socket(host: str, port: int) -> socket.socket:
    """A TCP socket bound to an address. Raises ServerError where it is taken or not this machine's."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ServerError(f"{host} is no address to listen on ({error.strerror}): set another host") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ServerError(_refusal(error, host, port)) from error
    return bound


def _refusal(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use: stop what listens there or set another port (port, CONCHE_OPCUA_PORT)"
    return (
        f"cannot listen on {host}:{port} ({error.strerror}): set another host or port (host, port, CONCHE_OPCUA_PORT)"
    )
