"""What flows: tags, columns of values, events and gaps. Times are Unix nanoseconds, statuses OPC UA StatusCodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOOD = 0
"""The StatusCode of a good value; the two top bits 00 = good, 01 = uncertain, 10 = bad (OPC 10000-4, 7.39)."""


class DataType(IntEnum):
    """Built-in types of OPC UA with their encoding numbers (OPC 10000-6, 5.1.2)."""

    NULL = 0
    BOOLEAN = 1
    SBYTE = 2
    BYTE = 3
    INT16 = 4
    UINT16 = 5
    INT32 = 6
    UINT32 = 7
    INT64 = 8
    UINT64 = 9
    FLOAT = 10
    DOUBLE = 11
    STRING = 12
    DATETIME = 13
    GUID = 14
    BYTESTRING = 15
    XMLELEMENT = 16
    NODEID = 17
    EXPANDEDNODEID = 18
    STATUSCODE = 19
    QUALIFIEDNAME = 20
    LOCALIZEDTEXT = 21
    EXTENSIONOBJECT = 22
    DATAVALUE = 23
    VARIANT = 24
    DIAGNOSTICINFO = 25


@dataclass(frozen=True, slots=True)
class Tag:
    """One variable of a server, named once and for all."""

    id: int  # given by the catalogue, never used twice; it is the OPC UA client handle too. 0 = not yet adopted
    source: str  # the server's name in the settings
    node: str  # "nsu=<uri>;s=<id>", never a namespace index
    path: tuple[str, ...]  # browse names below Objects, namespaces left out
    data_type: DataType  # the built-in type; enumerations are INT32
    unit: str = ""  # display name of the engineering unit: "°C"
    low: float = float("nan")  # EURange; NaN where the server gives none
    high: float = float("nan")
    enum: tuple[str, ...] = ()  # texts by value; "" where a value has none; () when not an enumeration
    description: str = ""
    writable: bool = False
    historised: bool = False  # HistoryRead answers for this node
    since: int = 0  # when the gateway first knew the tag; older values are history, not news


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one NumPy type. All arrays have the same length n.

    `value` has the native type of the OPC UA data type (float64, float32, int8 … uint64, bool); strings and everything
    of variable size travel as dtype object: str, bytes, list or dict that JSON can show. A value that the server did
    not send, as it does with most bad statuses, is None in a column of objects, whatever the type of its tag.
    """

    position: NDArray[np.int64]  # journal sequence << 20 | index in the record: unique, rising, stable
    tag: NDArray[np.int32]
    value: NDArray[Any]
    status: NDArray[np.uint32]
    time: NDArray[np.int64]  # source timestamp; the server's where there is none; else the time of arrival

    def __len__(self) -> int:
        return len(self.tag)


@dataclass(frozen=True, slots=True)
class Event:
    """One OPC UA event. `fields` holds what its type adds, by browse name, as JSON has it: structures are dicts."""

    position: int
    source: str  # the server's name in the settings
    type: str  # browse name of the event type: "BulkOrderEventType"
    source_name: str  # the node it comes from: "ChocolateLine1"
    time: int
    severity: int  # 1 … 1000
    message: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """What nobody can give any more: said, never hidden. `tags` empty = every tag of the source."""

    position: int
    source: str
    tags: tuple[int, ...]
    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A stretch of the journal, decoded. Either all live or all historical (late: backlog or read from history)."""

    columns: tuple[Column, ...]
    events: tuple[Event, ...]
    gaps: tuple[Gap, ...]
    last: int  # sequence number of the last journal record in it
    historical: bool = False

    def __len__(self) -> int:
        return sum(map(len, self.columns)) + len(self.events) + len(self.gaps)
