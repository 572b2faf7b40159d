"""On what terms each tag is monitored: the first pattern of the settings that fits its browse path decides."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gateway.opcua.patterns import compiled
from gateway.values import DataType

if TYPE_CHECKING:
    from gateway.opcua.settings import SourceSettings
    from gateway.values import Tag

_MAY_BE_NUMBERS = frozenset({*range(DataType.SBYTE, DataType.DOUBLE + 1), DataType.VARIANT})


@dataclass(frozen=True, slots=True)
class Pace:
    """What is asked for a subscription. Tags of one pace share subscriptions."""

    publishing_ms: float
    keepalive_s: float
    lifetime_s: float

    @classmethod
    def of(cls, settings: SourceSettings) -> Pace:
        """The pace that these settings ask for."""
        return cls(settings.publishing_interval_ms, settings.keepalive_s, settings.lifetime_s)

    @property
    def keepalive(self) -> int:
        """Publishing intervals without data until the server says that it lives."""
        return max(1, round(self.keepalive_s * 1000 / self.publishing_ms))

    @property
    def lifetime(self) -> int:
        """Publishing intervals for which the server waits for a request; three keep-alives at least, as OPC UA says."""
        return max(3 * self.keepalive, round(self.lifetime_s * 1000 / self.publishing_ms))


@dataclass(frozen=True, slots=True)
class Deadband:
    """By how much a value must change to be reported: in the tag's unit, or in percent of its EURange."""

    width: float
    percent: bool

    @classmethod
    def parsed(cls, text: float | str) -> Deadband | None:
        """Of a setting: 0.5, or "2 %"; None for 0."""
        percent = isinstance(text, str)
        width = float(str(text).rstrip("% "))
        return cls(width, percent) if width else None

    def __str__(self) -> str:
        """As it is written in the settings."""
        return f"{self.width:g}{' %' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What is asked for a monitored item."""

    sampling_ms: float
    queue_size: int
    keeps_newest: bool  # a full queue drops the oldest value
    deadband: Deadband | None


@dataclass(frozen=True, slots=True)
class Terms:
    """Pace of the subscription and parameters of the item of one tag."""

    pace: Pace
    parameters: Parameters


@dataclass(frozen=True, slots=True)
class Wish:
    """A tag that is to be monitored, and how."""

    tag: Tag
    terms: Terms


class Conditions:
    """The terms of every tag of a source."""

    def __init__(self, settings: SourceSettings) -> None:
        self.base = Pace.of(settings)
        self._others = _Choice.of(settings)
        self._special = [
            (tuple(map(compiled, items.match)), _Choice.of(settings.model_copy(update=items.chosen())))
            for items in settings.items
        ]

    def wish(self, tag: Tag) -> Wish:
        """How this tag is to be monitored. A deadband is asked for only where it can have a meaning."""
        text = "/".join(tag.path) if self._special else ""
        fitting = (choice for patterns, choice in self._special if any(one.match(text) for one in patterns))
        return Wish(tag, next(fitting, self._others).of_tag(tag))


@dataclass(frozen=True, slots=True)
class _Choice:
    """Terms with the deadband of the settings, and without: all tags share these objects."""

    damped: Terms
    plain: Terms

    @classmethod
    def of(cls, settings: SourceSettings) -> _Choice:
        damped = _terms(settings)
        return cls(damped, replace(damped, parameters=replace(damped.parameters, deadband=None)))

    def of_tag(self, tag: Tag) -> Terms:
        deadband = self.damped.parameters.deadband
        return self.damped if deadband is not None and _applies(deadband, tag) else self.plain


def _terms(settings: SourceSettings) -> Terms:
    parameters = Parameters(
        settings.sampling_interval_ms,
        settings.queue_size,
        settings.discard == "oldest",
        Deadband.parsed(settings.deadband),
    )
    return Terms(Pace.of(settings), parameters)


def _applies(deadband: Deadband, tag: Tag) -> bool:
    has_range = math.isfinite(tag.low) and math.isfinite(tag.high) and tag.high > tag.low
    return tag.data_type in _MAY_BE_NUMBERS and not tag.enum and (has_range or not deadband.percent)
