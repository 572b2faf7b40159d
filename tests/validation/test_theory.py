"""The plant obeys theory: the experiments of `make validate`, with its seed."""

from __future__ import annotations

import pytest
from support_catalogue import EXPERIMENTS, SEED, findings


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_plant_agrees_with_theory(name: str) -> None:
    found = findings(name, SEED)
    assert found
    assert [finding for finding in found if not finding.ok] == []
