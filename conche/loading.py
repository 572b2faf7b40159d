"""Ctrl-C while modules are loaded.

As an exception it would come out of the middle of somebody's import: as another one, as a traceback, or not at all.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Have SIGINT end the process at once and without words. Only for what leaves nothing behind."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a job in the background ignores it, and shall do so
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
