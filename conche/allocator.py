"""The C library's memory: kept for the next batch, not given back after each and taken anew."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 64 << 20
_LARGE_BYTES = 32 << 20  # the most that glibc takes


def keep_freed_memory() -> None:
    """Have glibc keep up to 64 MiB that were freed: else every page of every large batch costs a page fault.

    Other C libraries have no such setting and stay as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
