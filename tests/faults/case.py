"""A line of the table: what is done, to which arrangement, and what may come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from faults.scene import Plan, Scene

Fault = Callable[[Scene], Awaitable[None]]
"""Does the harm and calls scene.mend() when it is over. Every time is drawn from the scene's random stream."""


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    name: str
    fault: Fault
    plan: Plan = field(default_factory=Plan)
    patience_s: float = 30.0  # without anything coming
    may_lose: bool = False  # there is something that nobody can give: what is lost must be announced
    quick: bool = False  # in the subset that runs with the tests

    def __str__(self) -> str:
        return f"{self.name} ({self.plan.server})"
