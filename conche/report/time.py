"""Where the time of each machine went, case by case, and who limits the line."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from conche.report.bars import Part, Stack, legend, stacks
from conche.report.words import headed, spoken
from plant_model.activity import ACTIVITIES, Activity
from plant_model.replications import Outcome, bottleneck, mean_shares

FAMILIES = {
    "Works": (Activity.Running,),
    "Makes ready": (Activity.StartUp, Activity.Changeover, Activity.Cleaning),
    "Is down": (Activity.MinorStop, Activity.Breakdown, Activity.AwaitingRepair),
    "Has nobody": (Activity.NoOperator, Activity.Commanded),
    "Waits for others": (Activity.Starved, Activity.Blocked, Activity.NoOrder),
    "Rests as planned": (Activity.Maintenance, Activity.Break, Activity.Stopped),
}
"""All activities in the order in which they are drawn."""
ORDER = tuple(activity for family in FAMILIES.values() for activity in family)
SEEN = 0.0005
"""The share of the time from which an activity stands in the legend."""


def section(outcomes: Sequence[Outcome]) -> str:
    """Who limits the line, the legend, and machine by machine the cases under each other."""
    shares = {outcome.case.name: mean_shares(outcome) for outcome in outcomes}
    machines = max(shares.values(), key=len)
    drawn = "".join(_machine(machine, shares) for machine in machines)
    return f'<ul class="limits">{"".join(map(_limit, outcomes))}</ul>{_legend(shares)}{drawn}'


def _limit(outcome: Outcome) -> str:
    found = bottleneck(outcome)
    words = f"waits least for others, {100.0 * found.waits:.0f} % of the time"
    return f"<li>{escape(outcome.case.name)}: <b>{escape(found.station)}</b> {words}.</li>"


def _legend(shares: dict[str, dict[str, list[float]]]) -> str:
    """By family, the activities that there were."""
    seen = {i for of in shares.values() for row in of.values() for i, share in enumerate(row) if share >= SEEN}
    families = ((title, [one for one in family if one in seen]) for title, family in FAMILIES.items())
    return "".join(legend(map(_part, family), title) for title, family in families if family)


def _part(activity: Activity) -> Part:
    return Part(ACTIVITIES[activity], spoken(ACTIVITIES[activity]))


def _machine(machine: str, shares: dict[str, dict[str, list[float]]]) -> str:
    rows = [
        Stack(case, tuple(100.0 * of[machine][activity] for activity in ORDER))
        for case, of in shares.items()
        if machine in of
    ]
    drawn = stacks(rows, [_part(activity) for activity in ORDER], "% of the time", 100.0)
    return f"<h3>{escape(headed(machine))}</h3>{drawn}"
