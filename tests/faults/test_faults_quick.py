"""The quick subset of `make faults`: real processes, a real kill, every value counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.case import Case
from faults.cases import QUICK
from faults.main import run


@pytest.mark.parametrize("case", QUICK, ids=str)
async def test_nothing_is_lost_without_a_word(case: Case, tmp_path: Path) -> None:
    outcome = await run(case, 5, tmp_path)
    assert not outcome.problem, f"{outcome.line}: {outcome.problem}"
    assert outcome.line.changes > 100
