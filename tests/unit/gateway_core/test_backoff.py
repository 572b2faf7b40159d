"""Pauses grow, are spread, and end at a cap."""

from __future__ import annotations

import random

from gateway.backoff import delay


def test_pauses_are_spread_over_a_growing_span_up_to_the_cap() -> None:
    random.seed(1)
    for attempt, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (10, 30.0), (10_000, 30.0)):
        pauses = [delay(attempt, 1.0, 30.0) for _ in range(500)]
        assert min(pauses) < 0.05 * longest
        assert 0.95 * longest < max(pauses) <= longest
