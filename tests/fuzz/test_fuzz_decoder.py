"""A minute of `make fuzz`, each time with other inputs."""

from __future__ import annotations

import secrets

from fuzz.main import Tally, run


def test_spoilt_notifications_neither_break_the_decoder_nor_become_good_values() -> None:
    seed, tally = secrets.randbelow(1 << 30), Tally()
    print(f"seed {seed}")
    finding = run(seed, 60.0, tally)
    assert finding is None, str(finding)
    assert tally.accepted > tally.inputs // 10, "hardly anything was compared"
