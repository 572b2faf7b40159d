"""Sinks that users configure are served as they wish; those of the gateway itself only as often as people look."""

from __future__ import annotations

import pytest

from gateway.delivery import DeliverySettings
from gateway.outlets import served
from gateway.settings import OWN_SINKS

WISHED = DeliverySettings(flush_ms=10, live_s=5, max_batch_bytes=1000, max_batch_values=7, backlog_share=0.5)


def test_what_users_configure_is_served_as_they_say() -> None:
    assert served("influx", WISHED) == WISHED


@pytest.mark.parametrize("name", OWN_SINKS)
def test_rules_and_page_get_fewer_batches_of_the_same_bounds(name: str) -> None:
    calm = served(name, WISHED)
    assert calm.flush_ms == 250
    assert calm.live_s == 5.25, "what waits by design is no backlog"
    assert calm.model_copy(update={"flush_ms": 10, "live_s": 5}) == WISHED


@pytest.mark.parametrize("name", OWN_SINKS)
def test_who_wants_all_to_wait_longer_is_heeded(name: str) -> None:
    assert served(name, DeliverySettings(flush_ms=2000)).flush_ms == 2000
