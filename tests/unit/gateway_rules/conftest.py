"""A rule engine for a test, with the shipped rules or with others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support_alerts import House


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., House]:
    return lambda *rules, tags=None: House(tmp_path, *rules, tags=tags)
