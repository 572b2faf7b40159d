"""A minute of `make fuzz`: in CI with the same inputs each time, elsewhere with others."""

from __future__ import annotations

import os
import secrets

from fuzz.main import Tally, run

SEED_OF_CI = 20261122


def test_spoilt_notifications_neither_break_the_decoder_nor_become_good_values() -> None:
    seed, tally = SEED_OF_CI if os.environ.get("CI") else secrets.randbelow(1 << 30), Tally()
    print(f"seed {seed}")
    finding = run(seed, 60.0, tally)
    assert finding is None, str(finding)
    assert tally.accepted > tally.inputs // 10, "hardly anything was compared"
