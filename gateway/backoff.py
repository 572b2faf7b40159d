"""How long to wait before the next attempt: full jitter, so that many clients of one peer do not return together."""

from __future__ import annotations

import random

_DOUBLINGS = 32


def delay(attempt: int, base_s: float, cap_s: float) -> float:
    """Seconds before attempt 1, 2, …: uniform in 0 … min(cap, base x 2^(attempt - 1))."""
    exponent = min(max(attempt, 1) - 1, _DOUBLINGS)
    return random.uniform(0.0, min(cap_s, base_s * 2.0**exponent))  # noqa: S311 - spreads load, guards nothing
