"""A child process that outlives its parent ends itself: a pipe tells it, on Linux the kernel too."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

VARIABLE = "CONCHE_LIFELINE"
"""The environment variable that names the reading end of the pipe. Its other end is open while the parent lives."""

_PATIENCE_S = 5.0
_PR_SET_PDEATHSIG = 1


def hold() -> None:
    """Watch the parent if it asked for that. When it is gone: SIGINT to this process, SIGKILL if that does not help."""
    pipe = os.environ.pop(VARIABLE, "")
    if pipe:
        os.set_inheritable(int(pipe), False)
        threading.Thread(target=_watch, args=(int(pipe),), name="lifeline", daemon=True).start()


def _watch(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_PATIENCE_S)
    os.kill(os.getpid(), signal.SIGKILL)


def die_with_parent() -> None:
    """In a new child, before it becomes another program: have the kernel kill it with its parent (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
