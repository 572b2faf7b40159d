"""What the page shows, as plain data: made once a second by viewmodel.py, compared and put on screens by parts.py."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.page.tone import Tone


@dataclass(frozen=True, slots=True)
class State:
    """A word with its tone, and more words for those who point at it."""

    text: str
    tone: Tone
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Unit:
    """One of several machines of a station."""

    name: str
    state: State
    product: str


@dataclass(frozen=True, slots=True)
class Station:
    """A station of the line. `stale`: its server is away, these are its last words."""

    name: str
    state: State
    product: str
    lot: str
    speed: str
    oee: str
    oee_share: float  # 0 … 1
    stale: bool
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Stock:
    """A store: shares are of the bar's full length, 0 … 1; mark is the limit's place, below 0 = it has none."""

    name: str
    level: str
    share: float
    mark: float
    coming: float  # share that is on order, on top of the level
    on_order: str
    state: State
    stale: bool


@dataclass(frozen=True, slots=True)
class Kpi:
    """A figure, how it changed in an hour, and its course as points of an SVG polyline in a box of 100 x 24."""

    title: str
    meaning: str  # as the server describes the tag
    text: str
    unit: str
    change: str
    tone: Tone
    points: str
    stale: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    tone: Tone | None = None  # None = plain text without a lamp
    detail: str = ""


Rows = tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Header:
    """The line on top, always in sight."""

    title: str
    now: str
    zone: str
    clock: str
    speed: str
    health: State
    lamps: tuple[tuple[str, State], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """The whole page but for its charts."""

    header: Header
    stations: tuple[Station, ...]
    stocks: tuple[Stock, ...]
    kpis: tuple[Kpi, ...]
    servers: Rows
    sinks: Rows
    settings: State
    findings: tuple[str, ...]  # why the settings file as it is now is not in force
    journal: State
    mails: Rows
    mail_summary: str
    silent: Rows
    silent_summary: State
