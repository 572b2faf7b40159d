"""The plant's state on disk: replaced at once, checked before it is believed, set aside when it is refused."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import structlog

from opcua_server.errors import ServerError
from opcua_server.files import write_whole
from plant_model.plant import Plant, SnapshotError
from plant_model.spec import PlantSpec

_MAGIC = b"conche plant snapshot "
_VERSION = 1
_HEAD = struct.Struct("<HQ32s")
"""Version, wall time, SHA-256 of wall time and plant."""
_log = structlog.get_logger(__name__)


class SnapshotRefusedError(Exception):
    """The file is there but cannot be used; the text says why."""


def encode(wall: int, plant: bytes) -> bytes:
    """The file of a plant as it was at a wall time (Unix nanoseconds)."""
    return _MAGIC + _HEAD.pack(_VERSION, wall, _digest(wall, plant)) + plant


def decode(data: bytes) -> tuple[int, bytes]:
    """Wall time and plant of a file. Raises SnapshotRefusedError."""
    start = len(_MAGIC) + _HEAD.size
    if not data.startswith(_MAGIC) or len(data) < start:
        raise SnapshotRefusedError("it is not the snapshot of a plant")
    version, wall, digest = _HEAD.unpack(data[len(_MAGIC) : start])
    if version != _VERSION:
        raise SnapshotRefusedError(f"it has version {version}, this Conche reads version {_VERSION}")
    if digest != _digest(wall, data[start:]):
        raise SnapshotRefusedError("it is damaged")
    return wall, data[start:]


def _digest(wall: int, plant: bytes) -> bytes:
    return hashlib.sha256(struct.pack("<Q", wall) + plant).digest()


class Keeper:
    """Keeps the snapshot of one plant in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, wall: int, plant: bytes) -> None:
        """Replace the file. Raises OSError."""
        write_whole(self._path, encode(wall, plant), mode=0o600)

    def restore(self, spec: PlantSpec, now: int) -> tuple[Plant, int] | None:
        """The plant of the file and its wall time; None where there is none, or none that can be used.

        Raises ServerError where the file cannot be read.
        """
        try:
            wall, data = decode(self._path.read_bytes())
            return Plant.restore(spec, data), wall
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServerError(
                f"{self._path} cannot be read ({error.strerror}): make it readable or move it away"
            ) from error
        except (SnapshotRefusedError, SnapshotError) as error:
            self._set_aside(str(error), now)
            return None

    def _set_aside(self, reason: str, now: int) -> None:
        aside = self._path.with_name(f"{self._path.name}.refused-{now // 1_000_000}")
        self._path.replace(aside)
        _log.warning("the saved plant was refused, a new one starts", file=str(aside), reason=reason)
