"""What the journal holds: drafts go in, records come out."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from time import time_ns
from zlib import crc32

from pydantic import BaseModel, ConfigDict, Field

from gateway.contract import GatewayError

INDEX_BITS = 20
"""Column.position = sequence << INDEX_BITS | index, so a record holds at most 2^20 values."""

_HEADER = struct.Struct("<qBBqq")


class JournalError(GatewayError):
    """The journal cannot be written or read now; nothing was stored. Try again: it recovers by itself."""


class Kind(IntEnum):
    """What the body of a record is."""

    DATA = 1  # an OPC UA DataChangeNotification, binary; the client handles are Tag.id
    EVENT = 2  # JSON of values.Event without position
    GAP = 3  # JSON of values.Gap without position


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be."""

    kind: Kind
    source: str
    body: bytes
    count: int = 1  # values in a DATA body
    historical: bool = False  # read from history, not reported as it happened
    received: int = field(default_factory=time_ns)

    def __post_init__(self) -> None:
        if not 0 <= self.count <= 1 << INDEX_BITS:
            raise ValueError(f"a record holds at most {1 << INDEX_BITS} values, not {self.count}: cut it into several")


@dataclass(frozen=True, slots=True)
class Heard:
    """Numbers of the last messages of a source's subscriptions, by the subscription's token."""

    source: str
    numbers: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Record:
    """A committed draft. `count` is 0 for a gap."""

    sequence: int  # 1, 2, 3 … without holes, never used twice
    kind: Kind
    source: str
    received: int
    historical: bool
    count: int
    body: bytes

    def checksum(self) -> int:
        """CRC-32 over everything in the record."""
        header = _HEADER.pack(self.sequence, self.kind, self.historical, self.count, self.received)
        return crc32(self.body, crc32(self.source.encode(), crc32(header)))


class JournalSettings(BaseModel):
    """How much the journal keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retention_s: float = Field(default=86_400.0, gt=0, description="How long delivered records stay, for replay.")
    max_bytes: int = Field(
        default=2 << 30, ge=1 << 20, description="Size of the file; beyond it the oldest go, owed or not."
    )
    recent_bytes: int = Field(
        default=32 << 20, ge=0, description="Newest records kept in memory, so that live sinks read no disk."
    )
