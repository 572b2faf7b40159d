"""Which subscriptions are ours, on disk: a gateway that was killed takes them over when it starts again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from asyncua import ua

from gateway.opcua.events import EventField, EventTypes
from gateway.opcua.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.opcua.settings import SourceSettings

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be known of subscriptions to go on with them in another session."""

    server: tuple[str, ...]  # Session.life: of another life of the server these numbers mean nothing
    asked: tuple[float, ...]  # settings that the subscriptions were made with
    subscriptions: tuple[Subscription, ...]
    types: EventTypes  # of the event item: the order of the fields in every event
    events_refused: str  # why the server refused the event item; "" if it did not


def asked(settings: SourceSettings) -> tuple[float, ...]:
    """The settings that shape subscriptions and items: with others everything is made anew."""
    timing = (settings.publishing_interval_ms, settings.keepalive_s, settings.lifetime_s)
    return (*timing, settings.sampling_interval_ms, settings.queue_size, float(settings.events))


class IdentityFile:
    """One identity as JSON; no file while there is none that can be relied on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Identity | None:
        """What was saved. A file that cannot be read is reported and counts as none."""
        try:
            return _identity(orjson.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError, ua.UaError) as error:
            _log.error("own subscriptions are not known, new ones are made", file=str(self._path), reason=str(error))
            return None

    def save(self, identity: Identity) -> None:
        """Replace what was saved. OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(orjson.dumps(_plain(identity), option=orjson.OPT_NON_STR_KEYS))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def forget(self) -> None:
        """There is nothing to be relied on. OSError."""
        self._path.unlink(missing_ok=True)


def _plain(identity: Identity) -> dict[str, Any]:
    types = identity.types
    return {
        "server": identity.server,
        "asked": identity.asked,
        "subscriptions": [
            {"id": s.id, "interval_ms": s.interval_ms, "keepalive": s.keepalive, "token": s.token, "items": s.items}
            for s in identity.subscriptions
        ],
        "events": {
            "refused": identity.events_refused,
            "names": types.names,
            "fields": types.fields,
            "clauses": [
                (one.declared.to_string(), one.name.NamespaceIndex, one.name.Name or "") for one in types.clauses
            ],
        },
    }


def _identity(plain: dict[str, Any]) -> Identity:
    events = plain["events"]
    return Identity(
        tuple(plain["server"]),
        tuple(plain["asked"]),
        tuple(
            Subscription(
                int(one["id"]),
                float(one["interval_ms"]),
                int(one["keepalive"]),
                items={int(tag): int(item) for tag, item in one["items"].items()},
                token=str(one["token"]),
            )
            for one in plain["subscriptions"]
        ),
        EventTypes(
            events["names"],
            {key: tuple(places) for key, places in events["fields"].items()},
            _clauses(events["clauses"]),
        ),
        str(events["refused"]),
    )


def _clauses(plain: Sequence[Sequence[Any]]) -> list[EventField]:
    return [EventField(ua.NodeId.from_string(node), ua.QualifiedName(name, space)) for node, space, name in plain]
