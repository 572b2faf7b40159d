"""The air outside and in the stores, in closed form: season, hour and weather; and what it does to what lies there."""

from __future__ import annotations

import math
from datetime import datetime
from typing import NamedTuple, Protocol

from numpy.random import Generator

from plant_model.state import Lot
from plant_model.trade import Weather

HOUR = 3600.0
DAY = 24 * HOUR
YEAR_D = 365.25
MEAN_CELSIUS = 9.5
"""Year's mean of the air outside, northern Germany, general knowledge."""
MEAN_HUMIDITY = 79.0
"""Year's mean of the relative humidity outside in %, northern Germany, general knowledge."""
WARMEST_D = 200.0
"""Day of the year that is the warmest and the driest."""
SEASON = (8.5, -7.0)
"""Half the difference of summer and winter, K and %, EST."""
HOURS = (3.5, -12.0)
"""Half the difference of afternoon and night, K and %, EST."""
WEATHER = (3.0, 7.0)
"""Standard deviation of a day from its season, K and %, EST."""
PERSISTENCE = 0.7
"""Correlation of the weather of a day with that of the day before, EST."""
CELSIUS_DOUBLES = 5.0
HUMIDITY_DOUBLES = 10.0
"""K, or %, above what is good in which goods age twice as fast, EST."""


class Air(NamedTuple):
    """Temperature in °C and relative humidity in %; or how far they are from the mean."""

    celsius: float
    humidity: float


class Room(Protocol):
    """A store: what air is good for what lies there, and the share of the weather that it keeps out."""

    @property
    def celsius(self) -> tuple[float, float]:
        """Ends of the good range, °C."""

    @property
    def humidity(self) -> tuple[float, float]:
        """Ends of the good range, %."""

    @property
    def insulation(self) -> float:
        """0 … 1."""


class Sorption(Protocol):
    """How a material follows the air."""

    @property
    def percent(self) -> float:
        """Its water in % in air of 60 % humidity."""

    @property
    def per_humidity(self) -> float:
        """How much more, % for each % of humidity."""

    @property
    def days(self) -> float:
        """Time constant."""


class Climate:
    """The weather at a site whose plant time began at `start`."""

    def __init__(self, start: datetime) -> None:
        hours = start.hour + start.minute / 60.0
        self._second = hours * HOUR
        self._day = start.timetuple().tm_yday - 1 + hours / 24.0
        self._seen = (-1.0, Weather(), Air(0.0, 0.0))

    def swing(self, now: float, weather: Weather) -> Air:
        """How far the air outside is from the year's mean. The last answer is kept: all stores ask the same."""
        if self._seen[0] != now or self._seen[1] is not weather:
            self._seen = (now, weather, self._swing(now, weather))
        return self._seen[2]

    def _swing(self, now: float, weather: Weather) -> Air:
        season = math.cos((self._day + now / DAY - WARMEST_D) / YEAR_D * 2.0 * math.pi)
        hour = math.sin(((now + self._second) / DAY - 0.375) * 2.0 * math.pi)  # highest at 15 h
        warm, damp = departure(weather, now)
        return Air(
            SEASON[0] * season + HOURS[0] * hour + warm,
            SEASON[1] * season + HOURS[1] * hour + damp,
        )


def departure(weather: Weather, now: float) -> tuple[float, float]:
    """How far the weather is from the season's, K and %: it goes to the next day's without a corner."""
    passed = min((now - weather.since) / DAY, 1.0)
    share = passed * passed * (3.0 - 2.0 * passed)
    (warm, damp), (warmer, damper) = weather.before, weather.after
    return warm + (warmer - warm) * share, damp + (damper - damp) * share


def another_day(weather: Weather, now: float, stream: Generator) -> Weather:
    """The weather of the day that begins: from the present one to another draw of a stationary AR(1)."""
    present, fresh = departure(weather, now), math.sqrt(1.0 - PERSISTENCE * PERSISTENCE)
    warm, damp = (
        PERSISTENCE * last + fresh * deviation * float(stream.standard_normal())
        for last, deviation in zip(present, WEATHER, strict=True)
    )
    return Weather(now, present, (warm, damp))


def inside(room: Room, swing: Air) -> Air:
    """The air in a store: the middle of what is good, and what comes in of the weather."""
    leak = 1.0 - room.insulation
    humidity = sum(room.humidity) / 2.0 + leak * swing.humidity
    return Air(sum(room.celsius) / 2.0 + leak * swing.celsius, min(max(humidity, 0.0), 100.0))


def ageing(room: Room, air: Air) -> float:
    """Seconds by which goods age in a second: 1 in good air, more when it is too warm or too damp."""
    warm, damp = max(air.celsius - room.celsius[1], 0.0), max(air.humidity - room.humidity[1], 0.0)
    return float(2.0 ** (warm / CELSIUS_DOUBLES + damp / HUMIDITY_DOUBLES))


def equilibrium(sorption: Sorption, humidity: float) -> float:
    """Water in % of a material that lies in such air for long."""
    return max(sorption.percent + sorption.per_humidity * (humidity - 60.0), 0.0)


def dampened(lot: Lot, sorption: Sorption, humidity: float, seconds: float) -> tuple[float, float]:
    """(moisture in %, mass in kg) of a lot after some time in such air; its dry matter stays."""
    goal = equilibrium(sorption, humidity)
    moisture = goal + (lot.moisture - goal) * math.exp(-seconds / (sorption.days * DAY))
    return moisture, lot.mass * (100.0 - lot.moisture) / (100.0 - moisture)
