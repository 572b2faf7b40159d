"""All experiments by name, in the order of the reference."""

from __future__ import annotations

from support_capacity_experiments import capacity
from support_experiments import (
    Experiment,
    Finding,
    base_stock,
    coverage,
    failure_clocks,
    finite_buffers,
    residual_life,
    single_queue,
    two_machines,
)
from support_plant_experiments import clockwork, identities, littles_law, repetitions, winnowing

SEED = 20261122
"""Of the run in CI."""
EXPERIMENTS: dict[str, Experiment] = {
    "A1 M/M/1": single_queue,
    "A2 two machines": two_machines,
    "A3 A4 failure clocks": failure_clocks,
    "A5 buffers": finite_buffers,
    "A6 base stock": base_stock,
    "A7 Little's law": littles_law,
    "A8 A9 identities": identities,
    "A10 winnowing": winnowing,
    "A11 clockwork": clockwork,
    "A12 A13 repetitions": repetitions,
    "A14 coverage": coverage,
    "A14 residual life": residual_life,
    "P1-P4 capacity": capacity,
}
LONGEST = ("P1-P4 capacity", "A3 A4 failure clocks", "A5 buffers")
"""To be begun first by whoever has several processes, so that none is left alone with them."""


def findings(name: str, seed: int) -> list[Finding]:
    """What an experiment finds; by name, so that it can be asked of another process."""
    return list(EXPERIMENTS[name](seed))
