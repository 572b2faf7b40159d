"""Small figures that long runs do not show: what comes of a short delivery, how fast a machine warms, who attends."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from support_plant import HOUR, lived, shipped

from plant_model.business import Supplier
from plant_model.labour import book
from plant_model.ledgers import Labour
from plant_model.receiving import share_that_comes
from plant_model.state import Crew
from plant_model.warmth import COOLING_S, HEATING_S, Warmth


def test_a_short_delivery_brings_a_half_at_least_and_any_share_up_to_all() -> None:
    whole = Supplier(material="Sugar", price_usd_per_t=900, lead_d=4, lead_cv=0.1)
    short = replace(whole, short_share=1.0)
    stream = np.random.default_rng(3)
    shares = [share_that_comes(stream, short) for _ in range(2000)]
    assert 0.5 <= min(shares) < 0.51
    assert 0.99 < max(shares) <= 1.0
    assert np.mean(shares) == pytest.approx(0.75, abs=0.01)
    assert share_that_comes(stream, whole) == 1.0


def test_a_machine_warms_up_faster_than_it_cools_down() -> None:
    cold, hot = Warmth(0.0, 0.0, 1.0), Warmth(1.0, 0.0, 0.0)
    assert cold.at(HEATING_S) == pytest.approx(1.0 - math.exp(-1.0))
    assert hot.at(COOLING_S) == pytest.approx(math.exp(-1.0))
    assert HEATING_S < COOLING_S


def test_a_machine_that_turns_goes_on_from_where_it_is() -> None:
    machine = Warmth(0.0, 0.0, 1.0)
    machine.turn(HEATING_S, 0.0)
    assert machine.at(HEATING_S) == pytest.approx(1.0 - math.exp(-1.0))
    machine.turn(2 * HEATING_S, 0.0)
    assert machine.since == HEATING_S, "the same target again changes nothing"


@pytest.mark.parametrize(
    ("crew", "present"), [(Crew(3), 3), (Crew(3, resting=1), 2), (Crew(1, resting=1, busy=1), 1), (Crew(), 0)]
)
def test_who_rests_does_not_attend_and_who_is_at_a_machine_does(crew: Crew, present: int) -> None:
    state = lived(1).state
    state.crews["Technician"] = crew
    state.labour["Technician"] = Labour(since=state.agenda.now - HOUR)
    book(shipped(), state, "Technician")
    labour = state.labour["Technician"]
    assert (labour.attended, labour.worked) == (present * HOUR, crew.busy * HOUR)
