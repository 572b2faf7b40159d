"""What a Sparkplug host was told, by tag id: datatype, last value, and whether the last quality was good."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.sinks.rows import Rows
from gateway.sinks.sparkplug_metric import Definition, Sample, declared, group, observed
from gateway.sinks.sparkplug_schema import Datatype
from gateway.values import Column, Tag

_OBSERVED = {
    "bool": Datatype.BOOLEAN,
    "int8": Datatype.INT8,
    "int16": Datatype.INT16,
    "int32": Datatype.INT32,
    "int64": Datatype.INT64,
    "uint8": Datatype.UINT8,
    "uint16": Datatype.UINT16,
    "uint32": Datatype.UINT32,
    "uint64": Datatype.UINT64,
    "float32": Datatype.FLOAT,
    "float64": Datatype.DOUBLE,
}
"""The datatype that a NumPy type calls for."""

_TEXTS = {str, dict, type(None)}
"""What travels in a metric for texts, or is null there."""

_GROUP = np.zeros(max(Datatype) + 1, np.uint8)
_GROUP[list(Datatype)] = [group(datatype) for datatype in Datatype]
_RECENT = 32  # loads kept whole until their values are taken over
_FIRST = 1024  # tag ids that there is room for at first


class TagState:
    """Arrays by tag id, 27 bytes a tag; an object only where the last value was one.

    The datatype of a metric is declared by its tag. Where a value of another kind comes (an array, a Variant), the
    metric takes the kind of that value; where it changes again, the metric is a STRING for good and everything is JSON.
    """

    def __init__(self) -> None:
        self._types = np.zeros(_FIRST, np.uint8)
        self._retyped = np.zeros(_FIRST, np.bool_)
        self._settled = np.zeros(_FIRST, np.bool_)
        self._unwell = np.zeros(_FIRST, np.bool_)
        self._any_unwell = False
        self._bits = np.zeros(_FIRST, np.uint64)
        self._form = np.zeros(_FIRST, "S1")  # f, i, u, b: how to read the bits; O: an object; empty: none yet
        self._status = np.zeros(_FIRST, np.uint32)
        self._time = np.zeros(_FIRST, np.int64)
        self._objects: dict[int, Any] = {}
        self._recent: dict[int, tuple[object, Iterable[Column]]] = {}
        self.version = 0
        """Rises when datatypes change."""

    def declare(self, tag: Tag) -> None:
        """Start, or start anew, with the type that the tag declares."""
        self._reserve(tag.id + 1)
        self._types[tag.id] = declared(tag)
        self._retyped[tag.id] = self._settled[tag.id] = False
        self.version += 1

    def datatype(self, tag_id: int) -> Datatype:
        """The datatype of the tag's metric now."""
        return Datatype(int(self._types[tag_id]))

    def takes_text(self, column: Column) -> NDArray[np.bool_]:
        """Where the metric of a value is one for texts."""
        fits: NDArray[np.bool_] = _GROUP[self._types[column.tag]] == _GROUP[Datatype.STRING]
        return fits

    def is_strange(self, tags: NDArray[np.integer[Any]], dtype: np.dtype[Any]) -> NDArray[np.bool_]:
        """Where numbers of this type do not fit the datatypes of the metrics of these tags."""
        strange: NDArray[np.bool_] = _GROUP[self._types[tags]] != _GROUP[_OBSERVED[dtype.name]]
        return strange

    def adapt(self, column: Column, definitions: Rows[Definition]) -> bool:
        """Change datatypes as the values ask for; True if any did and births are due."""
        dtype = column.value.dtype
        if dtype != np.object_:
            ids = np.unique(column.tag[self.is_strange(column.tag, dtype)]).tolist()
            changes = [self._retype(tag_id, _OBSERVED[dtype.name]) for tag_id in ids]
        elif self._takes_all(column):
            return False
        else:
            found = zip(column.tag.tolist(), column.value, strict=True)
            changes = [self._fit(tag_id, observed(value, definitions[tag_id].tag)) for tag_id, value in found]
        return any(changes)

    def _takes_all(self, column: Column) -> bool:
        """Whether a column of objects has nothing but what metrics for texts take, and they are."""
        return set(map(type, column.value)) <= _TEXTS and bool(self.takes_text(column).all())

    def _fit(self, tag_id: int, kind: Datatype | None) -> bool:
        if kind is None or _GROUP[self._types[tag_id]] == _GROUP[kind]:
            return False
        return self._retype(tag_id, kind)

    def _retype(self, tag_id: int, kind: Datatype) -> bool:
        if self._settled[tag_id]:
            return False
        self._settled[tag_id] = self._retyped[tag_id]
        self._types[tag_id] = Datatype.STRING if self._retyped[tag_id] else kind
        self._retyped[tag_id] = True
        self.version += 1
        return True

    def needs_quality(self, column: Column) -> NDArray[np.bool_]:
        """Where a value has to tell its quality: it is not simply good, or the one before it was not."""
        doubtful: NDArray[np.bool_] = column.status != 0
        if doubtful.any():
            self._unwell[column.tag[doubtful]] = self._any_unwell = True
        if self._any_unwell:
            doubtful |= self._unwell[column.tag]
        return doubtful

    def told(self, key: object, load: Iterable[Column]) -> None:
        """The columns are sent. `key` is the same object for columns of the same tags, which then supersede others."""
        for column in load if self._any_unwell else ():
            self._unwell[column.tag] = column.status != 0  # of equal indices the last one stays
        self._any_unwell = self._any_unwell and bool(self._unwell.any())
        self._recent.pop(id(key), None)
        self._recent[id(key)] = key, load
        if len(self._recent) > _RECENT:
            self._take_over()

    def forget_quality(self) -> None:
        """Births tell every quality, STALE before the first value; where it is not good, a change has to be told."""
        self._take_over()
        self._unwell = (self._status != 0) | ((self._form == b"") & (self._types != 0))
        self._any_unwell = bool(self._unwell.any())

    def sample(self, tag_id: int) -> Sample | None:
        """The last value; None before the first. Call forget_quality() before."""
        if not self._form[tag_id]:
            return None
        return Sample(self._value(tag_id), int(self._status[tag_id]), int(self._time[tag_id]))

    def _value(self, tag_id: int) -> Any:  # noqa: ANN401
        bits = self._bits[tag_id : tag_id + 1]
        match self._form[tag_id]:
            case b"f":
                return float(bits.view(np.float64)[0])
            case b"i":
                return int(bits.view(np.int64)[0])
            case b"u":
                return int(bits[0])
            case b"b":
                return bool(bits[0])
            case _:
                return self._objects[tag_id]

    def _take_over(self) -> None:
        for column in (column for _, load in self._recent.values() for column in load):
            tag, value = column.tag.astype(np.intp), column.value  # NumPy finds places by these twice as fast
            if value.dtype == np.object_:
                self._objects.update(zip(tag.tolist(), value, strict=True))
            else:
                self._bits[tag] = _bits(value)
            self._form[tag] = value.dtype.kind
            self._status[tag] = column.status
            self._time[tag] = column.time
        self._recent.clear()

    def _reserve(self, size: int) -> None:
        room = len(self._types)
        if size <= room:
            return
        extra = max(size, 2 * room) - room
        for name in ("_types", "_retyped", "_settled", "_unwell", "_bits", "_form", "_status", "_time"):
            array = getattr(self, name)
            setattr(self, name, np.concatenate([array, np.zeros(extra, array.dtype)]))


def _bits(value: NDArray[Any]) -> NDArray[np.uint64]:
    """Numbers as 64 bits each: float64, int64, or uint64 for unsigned ones and booleans."""
    wide = {"f": np.float64, "i": np.int64}.get(value.dtype.kind, np.uint64)
    return value.astype(wide, copy=False).view(np.uint64)
