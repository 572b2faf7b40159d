"""Runs `conche` with a clock that steps: seconds by which it is wrong stand in a file, read anew for every look.

Python's own clock functions are replaced before the product is imported, so the product needs no hook.
"""

from __future__ import annotations

import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

_true_time, _true_time_ns = time.time, time.time_ns


def _offset(file: Path) -> Callable[[], float]:
    kept = [0.0, 0.0]  # looked at, offset

    def offset() -> float:
        now = time.monotonic()
        if now - kept[0] > 0.05:
            kept[:] = now, float(file.read_text() or 0)
        return kept[1]

    return offset


if __name__ == "__main__":
    wrong_by = _offset(Path(sys.argv.pop(1)))
    time.time = lambda: _true_time() + wrong_by()
    time.time_ns = lambda: _true_time_ns() + int(wrong_by() * 1e9)
    runpy.run_module("conche.main", run_name="__main__", alter_sys=True)
