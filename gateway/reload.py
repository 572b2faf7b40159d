"""A change of settings while the gateway runs: which of its parts are touched, and what takes a restart. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.journal import JournalSettings
from gateway.opcua.settings import SourceSettings, is_same_session
from gateway.settings import GatewaySettings, Location, Problem, SettingsError, SinkSettings, parse
from gateway.sinks.historian import HistorianSettings

_FIXED: tuple[tuple[str, ...], ...] = (
    ("state",),
    *(("journal", name) for name in JournalSettings.model_fields),
    ("page", "enabled"),
    ("page", "host"),
    ("page", "port"),
)
_NEEDS_RESTART = "cannot change while the gateway runs: restart it, or take the change back"


class Fate(StrEnum):
    """What a change of settings means for a part of the gateway."""

    KEPT = "kept"
    NEW = "new"
    GONE = "gone"
    ADJUSTED = "adjusted"  # it goes on, with other settings
    REPLACED = "replaced"  # it ends, and another one of this name begins where it ended


Fates = Mapping[str, Fate]
"""By the name of the part; what is gone comes first."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What it takes to go from one set of settings to another."""

    sources: Fates
    sinks: Fates
    delivery: bool
    rules: bool  # or contacts, or what the texts of mails are made of
    notify: bool
    page: bool  # or where its trends come from, or how its tags are named

    def words(self) -> tuple[str, ...]:
        """The plan for people; () when nothing changes."""
        parts = [f"source {name} is {fate}" for name, fate in self.sources.items() if fate is not Fate.KEPT]
        parts += [f"sink {name} is {fate}" for name, fate in self.sinks.items() if fate is not Fate.KEPT]
        sections = {"delivery": self.delivery, "rules": self.rules, "notify": self.notify, "page": self.page}
        return (*parts, *(f"{section} changed" for section, changed in sections.items() if changed))


def plan(old: GatewaySettings, new: GatewaySettings) -> Plan:
    """What changes. Both have been found good, and differ in nothing that takes a restart."""
    renamed = old.naming != new.naming
    return Plan(
        _fates(old.sources, new.sources, _of_source),
        _fates(old.sinks, new.sinks, lambda before, after: _of_sink(before, after, renamed=renamed)),
        old.delivery != new.delivery,
        _of_rules(old) != _of_rules(new),
        old.notify != new.notify,
        renamed or (old.page, trends_from(old)) != (new.page, trends_from(new)),
    )


def parse_change(data: Mapping[str, Any], running: GatewaySettings, folder: Path = Path()) -> GatewaySettings:
    """Settings, as parse() reads them, that the running gateway can go on with. Raises SettingsError."""
    settings = parse(data, folder)
    problems = [Problem(path, _NEEDS_RESTART) for path in _FIXED if _at(settings, path) != _at(running, path)]
    if problems:
        raise SettingsError(problems)
    return settings


def trends_from(settings: GatewaySettings) -> HistorianSettings | None:
    """The historian that gives the page its trends."""
    return next((sink for sink in settings.sinks if isinstance(sink, HistorianSettings)), None)


def _at(settings: GatewaySettings, path: Location) -> object:
    found: object = settings
    for name in path:
        found = getattr(found, str(name))
    return found


def _of_rules(settings: GatewaySettings) -> tuple[object, ...]:
    return settings.rules, settings.contacts, settings.notify.sender, settings.notify.templates


def _of_source(before: SourceSettings, after: SourceSettings) -> Fate:
    if not is_same_session(before, after):
        return Fate.REPLACED
    return Fate.ADJUSTED if before != after else Fate.KEPT


def _of_sink(before: SinkSettings, after: SinkSettings, *, renamed: bool) -> Fate:
    """A historian knows tags by node; all other sinks know them by the names that naming gives."""
    same = before == after and not (renamed and not isinstance(after, HistorianSettings))
    return Fate.KEPT if same else Fate.REPLACED


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


def _fates(old: Sequence[N], new: Sequence[N], judge: Callable[[N, N], Fate]) -> Fates:
    before = {part.name: part for part in old}
    gone = dict.fromkeys(sorted(before.keys() - {part.name for part in new}), Fate.GONE)
    return gone | {part.name: judge(before[part.name], part) if part.name in before else Fate.NEW for part in new}


def gone(fates: Fates) -> list[str]:
    """The parts that end."""
    return [name for name, fate in fates.items() if fate in {Fate.GONE, Fate.REPLACED}]


def chosen(parts: Sequence[N], fates: Fates) -> list[N]:
    """The parts that begin."""
    return [part for part in parts if fates[part.name] in {Fate.NEW, Fate.REPLACED}]
