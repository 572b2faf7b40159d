"""What the gateway knows of itself: plain counters, written by their owners, read by page, health and metrics."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from time import time_ns


class Link(StrEnum):
    """The state of a connection."""

    WAITING = "waiting"  # never connected yet, or backing off
    CONNECTED = "connected"
    REPAIRING = "repairing"  # connected, and catching up what was missed
    STOPPED = "stopped"


@dataclass(slots=True)
class Connection:
    """A link and since when, with the reason in words where it is not up."""

    link: Link = Link.WAITING
    reason: str = ""
    since: int = field(default_factory=time_ns)
    connects: int = 0

    def become(self, link: Link, reason: str = "") -> None:
        """Change the state; `since` moves only when it really changed."""
        if link is not self.link:
            self.since = time_ns()
            self.connects += link is Link.CONNECTED
        self.link, self.reason = link, reason


@dataclass(slots=True)
class Repairs:
    """How often a rung of the repair ladder held, and how long that took in all."""

    count: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Granted:
    """Tags that a server monitors on the same terms. Pairs are (asked, as revised by the server)."""

    tags: int
    publishing_ms: tuple[float, float]
    sampling_ms: tuple[float, float]
    queue_size: tuple[int, int]
    deadband: str  # as asked: "0.5", "2 %"; "" without
    refused: str  # what the server did not take of it, and why; "" if it took all


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """What was last seen of one server of a redundant set."""

    level: int = -1  # ServiceLevel, 0 … 255; -1: it could not be asked
    reason: str = "not asked yet"  # why it could not be

    @property
    def words(self) -> str:
        """Its level, or why that is not known."""
        return f"service level {self.level}" if self.level >= 0 else self.reason


@dataclass(slots=True)
class SourceStatus:
    """One OPC UA server, or several that stand in for each other."""

    name: str
    url: str  # in use, or used last
    servers: dict[str, ServerSeen] = field(default_factory=dict)  # by address; empty unless they are redundant
    connection: Connection = field(default_factory=Connection)
    tags: int = 0  # that deliver or should
    values: int = 0  # received, backfilled ones included
    backfilled: int = 0
    notifications: int = 0
    events: int = 0
    gaps: int = 0
    overflows: int = 0  # values with the overflow bit: the server's queue was too short
    last_value: int = 0  # when the last notification with data came
    silent: dict[str, str] = field(default_factory=dict)  # browse path -> why it does not deliver
    waiting: dict[str, str] = field(default_factory=dict)  # browse path -> what the server says, which has no value yet
    gone: dict[str, str] = field(default_factory=dict)  # browse path -> why there is no such tag any more
    granted: tuple[Granted, ...] = ()  # on what terms the tags are monitored
    overflowing: dict[str, int] = field(default_factory=dict)  # browse path -> its values with the overflow bit
    repairs: dict[str, Repairs] = field(default_factory=dict)  # by rung; the first connection is one of them

    def repaired(self, rung: str, seconds: float) -> None:
        """A rung held."""
        repairs = self.repairs.setdefault(rung, Repairs())
        repairs.count += 1
        repairs.seconds += seconds


@dataclass(slots=True)
class SinkStatus:
    """One sink and how far it is."""

    name: str
    connection: Connection = field(default_factory=Connection)
    delivered: int = 0  # values and events confirmed by the peer
    rejected: int = 0
    retries: int = 0
    behind: int = 0  # values and events in the journal that it has not yet
    last_delivery: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # browse path -> why the peer refused it; newest last


@dataclass(slots=True)
class JournalStatus:
    """The durable log."""

    head: int = 0  # sequence number of the last record
    values: int = 0  # appended since start
    bytes: int = 0  # on disk
    failure: str = ""  # why commits fail now; "" = they do not
    failures: int = 0
    lost: int = 0  # values removed for want of space before every sink had them; each sink was told a gap
    damaged: int = 0  # records found damaged on disk; told as gaps


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as the page shows it."""

    time: int
    rule: str
    to: str
    subject: str
    state: str  # "sent", "waiting", "dead"
    reason: str = ""


@dataclass(slots=True)
class MailStatus:
    """The notifiers' queue."""

    sent: int = 0
    waiting: int = 0
    dead: int = 0
    recent: deque[Mail] = field(default_factory=lambda: deque(maxlen=100))


@dataclass(slots=True)
class SettingsStatus:
    """The settings in force, and what became of changes of their file."""

    loaded: int = field(default_factory=time_ns)  # when those in force were taken over
    reloads: int = 0  # changes that were taken over while the gateway ran
    refused: int = 0  # when the file was refused last; 0 = never
    refusals: int = 0
    findings: tuple[str, ...] = ()  # why the file as it is now is refused; () = it is in force

    def take(self) -> None:
        """The file as it is now is in force."""
        self.loaded, self.reloads, self.findings = time_ns(), self.reloads + 1, ()

    def refuse(self, findings: tuple[str, ...]) -> None:
        """The file as it is now cannot be used, for these reasons."""
        self.refused, self.refusals, self.findings = time_ns(), self.refusals + 1, findings


@dataclass(slots=True)
class Status:
    """All of it."""

    started: int = field(default_factory=time_ns)
    settings: SettingsStatus = field(default_factory=SettingsStatus)
    sources: dict[str, SourceStatus] = field(default_factory=dict)
    sinks: dict[str, SinkStatus] = field(default_factory=dict)
    journal: JournalStatus = field(default_factory=JournalStatus)
    mail: MailStatus = field(default_factory=MailStatus)
