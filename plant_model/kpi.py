"""The KPIs of ISO 22400-2 for a machine in a window, the six big losses, and where every second went."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from plant_model.accounting import ratio
from plant_model.activity import MEANINGS, Activity, Element
from plant_model.state import Unit
from plant_model.tally import SECONDS, Count, Row

WAITING = (Activity.Starved, Activity.Blocked, Activity.NoOrder)
"""Time that others cause; it does not count where machines are ranked."""
BROKEN = (Activity.Breakdown, Activity.AwaitingRepair)
SETTING_UP = (Activity.Changeover, Activity.Cleaning, Activity.StartUp)
ROUNDING_S = 1e-6
"""Below this a time is nothing."""
_ELEMENTS = np.zeros((len(Element), len(Activity)))
_ELEMENTS[[meaning.element for meaning in MEANINGS], range(len(Activity))] = 1.0


class Kpis(NamedTuple):
    """Shares of 1, hours and kg/h; NaN stands for n/a. The reading of the standard is docs/decisions/013."""

    availability: float  # APT / PBT
    effectiveness: float  # PRI x PQ / APT
    quality_rate: float  # GQ / PQ, weighted by PRI
    oee: float
    oee_standalone: float  # without waiting for others
    nee: float  # setups are no loss
    technical_efficiency: float  # APT / (APT + ADET)
    utilization_efficiency: float  # APT / AUBT
    allocation_efficiency: float  # AUBT / PBT
    setup_rate: float  # AUST / AUPT
    production_process_ratio: float  # APT / AOET; a machine neither carries nor queues, so AOET is AUBT
    scrap_ratio: float  # SQ / PQ
    rework_ratio: float  # RQ / PQ
    first_pass_yield: float  # what was good at once / PQ
    throughput_rate: float  # kg/h, PQ / AOET
    mtbf_h: float  # operating time / failures
    mttr_h: float  # work of technicians / failures
    mean_wait_h: float  # waiting for a technician / failures
    corrective_maintenance_ratio: float  # CMT / (CMT + PMT)
    actual_to_planned_scrap: float  # SQ / PSQ
    fall_off_ratio: float  # SQ / PQ of the first operation


class Losses(NamedTuple):
    """Seconds of planned busy time: the six big losses, waiting for others, and what is left: good product."""

    breakdowns: float
    setups: float
    minor_stops: float
    reduced_speed: float
    start_up_rejects: float
    production_rejects: float
    waiting: float  # for others: starved, blocked, without order
    organisation: float  # without operator, or commanded to stand
    productive: float  # PRI x GQ

    @property
    def busy(self) -> float:
        """Their sum: the planned busy time PBT."""
        return sum(self)


def elements(row: Row) -> dict[str, float]:
    """Seconds by time element: APT, AUST, ADET, ADOT, PDOT."""
    return dict(zip(Element.__members__, (_ELEMENTS @ row[SECONDS]).tolist(), strict=True))


class Yardstick(NamedTuple):
    """What the scrap of a machine is compared with: NaN where there is nothing."""

    scrap_share: float = math.nan  # planned, of what it processes
    first_kg: float = math.nan  # that the first operation processed in the window


NOTHING = Yardstick()


def kpis(row: Row, yardstick: Yardstick = NOTHING) -> Kpis:
    """The KPIs of a window."""
    apt, aust, adet, adot, _ = (_ELEMENTS @ row[SECONDS]).tolist()
    upt, ubt = apt + aust, apt + aust + adet
    pbt, good = ubt + adot, float(row[Count.Earned] - row[Count.Lost])
    processed, failures = float(row[Count.Processed]), float(row[Count.Breakdowns])
    repair, planned = float(row[Count.RepairTime]), float(row[Count.MaintenanceTime])
    scrapped = float(row[Count.Scrapped])
    effectiveness, quality = ratio(float(row[Count.Earned]), apt), ratio(good, float(row[Count.Earned]))
    return Kpis(
        availability=ratio(apt, pbt),
        effectiveness=effectiveness,
        quality_rate=quality,
        oee=ratio(good, pbt),
        oee_standalone=ratio(good, pbt - seconds(row, *WAITING)),
        nee=ratio(upt, pbt) * effectiveness * quality,
        technical_efficiency=ratio(apt, apt + adet),
        utilization_efficiency=ratio(apt, ubt),
        allocation_efficiency=ratio(ubt, pbt),
        setup_rate=ratio(aust, upt),
        production_process_ratio=ratio(apt, ubt),
        scrap_ratio=ratio(scrapped, processed),
        rework_ratio=ratio(float(row[Count.Reworked]), processed),
        first_pass_yield=ratio(processed - float(row[Count.Defective]), processed),
        throughput_rate=ratio(processed, ubt / 3600.0),
        mtbf_h=ratio(upt / 3600.0, failures),
        mttr_h=ratio(repair / 3600.0, failures),
        mean_wait_h=ratio(seconds(row, Activity.AwaitingRepair) / 3600.0, failures),
        corrective_maintenance_ratio=ratio(repair, repair + planned),
        actual_to_planned_scrap=ratio(scrapped, yardstick.scrap_share * processed),
        fall_off_ratio=ratio(scrapped, yardstick.first_kg),
    )


def losses(row: Row) -> Losses:
    """Where the planned busy time of a window went; the parts add up to it exactly."""
    earned, lost, first = float(row[Count.Earned]), float(row[Count.Lost]), float(row[Count.StartUpLost])
    return Losses(
        breakdowns=seconds(row, *BROKEN),
        setups=seconds(row, *SETTING_UP),
        minor_stops=seconds(row, Activity.MinorStop),
        reduced_speed=seconds(row, Activity.Running) - earned,
        start_up_rejects=first,
        production_rejects=lost - first,
        waiting=seconds(row, *WAITING),
        organisation=seconds(row, Activity.NoOperator, Activity.Commanded),
        productive=earned - lost,
    )


def seconds(row: Row, *activities: Activity) -> float:
    """Seconds in some activities."""
    return math.fsum(row[activity] for activity in activities)


class Cause(NamedTuple):
    """To what a second belongs."""

    element: Element
    activity: Activity
    culprit: str  # "" where nobody is to blame


def time_by_cause(unit: Unit, now: float) -> dict[Cause, float]:
    """Every second of a machine since the epoch, by time element, cause and culprit."""
    times, blamed = list(unit.times), dict(unit.losses)
    times[unit.activity] += now - unit.since
    if unit.culprit:
        key = int(unit.activity), unit.culprit
        blamed[key] = blamed.get(key, 0.0) + now - unit.since
    found = {
        Cause(MEANINGS[number].element, Activity(number), culprit): spent for (number, culprit), spent in blamed.items()
    }
    for activity in Activity:
        own = sum(spent for cause, spent in found.items() if cause.activity is activity)
        if times[activity] > own + ROUNDING_S:
            found[Cause(MEANINGS[activity].element, activity, "")] = times[activity] - own
    return found
