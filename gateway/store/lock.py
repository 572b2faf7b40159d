"""One gateway a journal: two writers would give the same numbers to different records."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.store.record import JournalError


def lock(path: Path) -> int:
    """Hold the journal at this path; the system lets go when the process ends, in any way. JournalError if held."""
    handle = -1
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise JournalError(f"{path} is in use by another gateway: stop it, or use another state folder") from error
    except OSError as error:
        raise JournalError(f"{path} cannot be used: {error}; set a folder that can be written") from error
    return handle


def unlock(handle: int) -> None:
    """Let go."""
    os.close(handle)
