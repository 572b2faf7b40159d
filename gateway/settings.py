"""All settings of the gateway in one tree: each section is declared beside the part it sets, and checked here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.contract import GatewayError
from gateway.delivery import DeliverySettings
from gateway.journal import JournalSettings
from gateway.naming import Naming, NamingSettings
from gateway.notify.settings import Contacts, NotifySettings, OutboxSettings
from gateway.opcua.settings import SourceSettings
from gateway.page.settings import PageSettings
from gateway.paths import FOLDER
from gateway.rules.checks import rule_problems
from gateway.rules.settings import RuleSettings
from gateway.sinks.historian import HistorianSettings
from gateway.sinks.influx import InfluxSettings
from gateway.sinks.sparkplug import SparkplugSettings
from gateway.sinks.uns import UnsSettings

Location = tuple[str | int, ...]
SinkSettings = Annotated[
    UnsSettings | SparkplugSettings | InfluxSettings | HistorianSettings, Field(discriminator="kind")
]
OWN_SINKS = ("rules", "page")
"""Names that the gateway's own readers of the journal have."""
LISTS = ("sources", "sinks", "rules")
"""Sections whose entries stand for themselves."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where in the tree, and what to do."""

    path: Location
    message: str


class SettingsError(GatewayError):
    """The settings cannot be used; `problems` lists everything that is wrong, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, p.path))}: {p.message}" for p in problems))
        self.problems = tuple(problems)


class GatewaySettings(BaseModel):
    """One gateway: sources in, journal, sinks out, rules and page beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)  # a traceback shows no password

    state: Path = Field(default=Path("var/gateway"), description="Folder of journal, historian and mail queue")
    sources: tuple[SourceSettings, ...] = Field(default=(), description="OPC UA servers to read; at least one")
    naming: NamingSettings = Field(default=NamingSettings(), description="How browse paths become names")
    journal: JournalSettings = Field(default=JournalSettings(), description="The durable log of all values")
    delivery: DeliverySettings = Field(default=DeliverySettings(), description="How every sink is served")
    sinks: tuple[SinkSettings, ...] = Field(default=(HistorianSettings(),), description="Where the values go")
    rules: tuple[RuleSettings, ...] = Field(default=(), description="When somebody gets a mail")
    contacts: Contacts = Field(
        default_factory=dict, description="Books of people: {suppliers: {Beans: {name: …, email: …}}}"
    )
    notify: NotifySettings = Field(
        default=OutboxSettings(), description="How mails leave the house; without it into var/outbox"
    )
    page: PageSettings = Field(default=PageSettings(), description="The page, /health and /metrics")


def parse(data: Mapping[str, Any], folder: Path = Path()) -> GatewaySettings:
    """Settings from plain data (YAML already read, environment filled in). Raises SettingsError with every problem.

    What the settings name to be read is looked for from `folder` on.
    """
    try:
        settings = GatewaySettings.model_validate(data, context={FOLDER: folder})
    except ValidationError as error:
        problems = _found(error, data)
        raise SettingsError([*problems, *_further_problems(data, problems)]) from error
    problems = [Problem(path, message) for path, message in _problems(settings)]
    if not settings.sources:
        problems.append(
            Problem(("sources",), "is missing: name a server, such as {name: line1, url: opc.tcp://host:4840}")
        )
    if problems:
        raise SettingsError(problems)
    return settings


def _found(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    """All that is wrong. Beside an unknown key pydantic looks at no section as a whole: that comes without the key."""
    problems = [Problem(_place(e["loc"], data), e["msg"]) for e in error.errors()]
    unknown = [_place(e["loc"], data) for e in error.errors() if e["type"] == "extra_forbidden"]
    try:
        GatewaySettings.model_validate(_without(data, unknown))
    except ValidationError as behind:
        further = (Problem(_place(e["loc"], data), e["msg"]) for e in behind.errors())
        return list(dict.fromkeys([*problems, *further]))
    return problems


def _without(data: Mapping[str, Any], places: Sequence[Location]) -> dict[str, Any]:
    """A copy of the data that lacks some keys."""
    rest: Any = deepcopy(data)
    for *way, key in places:
        section = reduce(getitem, way, rest)
        section.pop(key, None)  # two names of one section (YAML) are one
    return dict(rest)


def _place(location: Location, data: object) -> Location:
    """Pydantic's location less the names of union members, which no file contains; a missing key stays as the last."""
    place: list[str | int] = []
    for step, part in enumerate(location):
        if (isinstance(data, Mapping) and part in data) or (isinstance(data, list) and isinstance(part, int)):
            place.append(part)
            data = data[part]  # type: ignore[index]
        elif step == len(location) - 1 and isinstance(data, Mapping) and data.get("kind") != part:
            place.append(part)
    return tuple(place)


def _further_problems(data: Mapping[str, Any], known: Sequence[Problem]) -> Iterator[Problem]:
    """What is wrong with the parts that are right by themselves, so that one look tells everything."""
    wrong = {problem.path[:2] for problem in known}
    if {path[:1] for path in wrong} - {(section,) for section in LISTS} or any(len(path) == 1 for path in wrong):
        return  # what the others would be compared with is wrong itself
    kept = {name: [i for i in range(len(data.get(name, ()))) if (name, i) not in wrong] for name in LISTS}
    rest = dict(data) | {name: [data[name][i] for i in kept[name]] for name in LISTS if name in data}
    for path, message in _problems(GatewaySettings.model_validate(rest)):
        yield Problem(_as_in_file(path, kept), message)


def _as_in_file(path: Location, kept: Mapping[str, Sequence[int]]) -> Location:
    """The path with the place in the file instead of the place among those that were kept."""
    match path:
        case (str(name), int(index), *rest):
            return (name, kept[name][index], *rest)
    return path


def _problems(settings: GatewaySettings) -> Iterator[tuple[Location, str]]:
    """What is wrong with parts that are right by themselves."""
    yield from _same_names("sources", [source.name for source in settings.sources])
    yield from _same_names("sinks", [*OWN_SINKS, *(sink.name for sink in settings.sinks)])
    yield from _unfit_names(settings)
    yield from rule_problems(settings.rules, settings.contacts, settings.notify)


def _same_names(section: str, names: list[str]) -> Iterator[tuple[Location, str]]:
    for name, count in Counter(names).items():
        if count > 1:
            yield (section,), f"{name!r} is the name of {count} of them: give each its own"


def _unfit_names(settings: GatewaySettings) -> Iterator[tuple[Location, str]]:
    """Templates that ask for parts which naming does not give."""
    naming = Naming(settings.naming)
    for index, sink in enumerate(settings.sinks):
        for field, text, constants_only in _templates(sink):
            for message in naming.problems(text, constants_only=constants_only):
                yield ("sinks", index, field), message


def _templates(sink: SinkSettings) -> Iterator[tuple[str, str, bool]]:
    """(setting, template, whether it stands for no single tag) of a sink."""
    match sink:
        case UnsSettings():
            yield from (("topic", sink.topic, False), ("root", sink.root, True))
        case SparkplugSettings():
            yield from (("group", sink.group, True), ("node", sink.node, True))
            yield from (("device", sink.device, False), ("metric", sink.metric, False))
        case InfluxSettings():
            yield ("measurement", sink.measurement, False)
        case HistorianSettings():
            return
