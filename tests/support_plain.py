"""What the library means, as JSON can show it: times as Unix ns, enumerations as numbers, bytes in base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from asyncua import ua

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def plain(value: Any) -> Any:
    """What the gateway should make of an object of the library."""
    for kind, show in _SHOWN:
        if isinstance(value, kind):
            return show(value)
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value) if f.name != "Encoding"}
    return value


def _name(value: ua.QualifiedName) -> str:
    name = value.Name or ""
    return f"{value.NamespaceIndex}:{name}" if value.NamespaceIndex else name


def _nanoseconds(value: datetime) -> int:
    past = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return ((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds) * 1_000


_SHOWN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (ua.NodeId, lambda value: value.to_string()),
    (ua.QualifiedName, _name),
    (ua.LocalizedText, lambda value: value.Text),
    (ua.XmlElement, lambda value: value.Value),
    (ua.StatusCode, lambda value: value.value),
    (ua.Variant, lambda value: plain(value.Value)),
    (Enum, lambda value: value.value),
    (datetime, _nanoseconds),
    (UUID, str),
    (bytes, lambda value: b64encode(value).decode()),
    ((list, tuple), lambda value: [plain(one) for one in value]),
)
