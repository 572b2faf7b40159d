"""A plant's state as bytes: version, digest of the spec, checksum, pickled tree of nothing but plant classes."""

from __future__ import annotations

import gc
import hashlib
import io
import pickle
import struct
import zlib
from typing import Any

from plant_model.spec import PlantSpec
from plant_model.state import PlantState

VERSION = 15
"""Rises whenever the state tree changes."""
MAGIC = b"CONCHEPLANT\0"
_HEADER = struct.Struct(f"<{len(MAGIC)}sI32s32s")
_FOREIGN = {("datetime", "datetime"), ("datetime", "timezone"), ("datetime", "timedelta")}


class SnapshotError(Exception):
    """The bytes are no snapshot of this plant; `reason` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the snapshot cannot be used: {reason}")
        self.reason = reason


class _Loader(pickle.Unpickler):
    """Loads nothing but the plant's own classes and a few plain types."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - as in the standard library
        if (module, name) in _FOREIGN:
            return super().find_class(module, name)
        found = super().find_class(module, name) if module.startswith("plant_model.") else None
        if isinstance(found, type) and found.__module__ == module:
            return found
        raise SnapshotError(f"it holds a foreign class, {module}.{name}")


def pack(spec: PlantSpec, state: PlantState) -> bytes:
    """Bytes that `unpack` takes with the same spec."""
    body = zlib.compress(pickle.dumps(state, protocol=5), level=1)
    return _HEADER.pack(MAGIC, VERSION, _digest(spec), hashlib.sha256(body).digest()) + body


def unpack(spec: PlantSpec, data: bytes) -> PlantState:
    """The state of a snapshot; SnapshotError when it is damaged, of another version or of another spec."""
    if len(data) < _HEADER.size or not data.startswith(MAGIC):
        raise SnapshotError("it is damaged or none at all")
    _, version, digest, checksum = _HEADER.unpack_from(data)
    if version != VERSION:
        raise SnapshotError(f"it is of version {version}, this is version {VERSION}")
    body = data[_HEADER.size :]
    if hashlib.sha256(body).digest() != checksum:
        raise SnapshotError("it is damaged: the checksum is wrong")
    if digest != _digest(spec):
        raise SnapshotError("it is of another plant file")
    return _load(zlib.decompress(body))


def copy(state: PlantState) -> PlantState:
    """A state of its own with the same content."""
    return _load(pickle.dumps(state, protocol=5))


def _load(pickled: bytes) -> PlantState:
    """The collector rests meanwhile: all that is made here stays, and looking for garbage in it takes as long again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        state: PlantState = _Loader(io.BytesIO(pickled)).load()
    finally:
        if collects:
            gc.enable()
    return state


def _digest(spec: PlantSpec) -> bytes:
    return hashlib.sha256(repr(spec).encode()).digest()
