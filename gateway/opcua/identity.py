"""Which subscriptions are ours, on disk: a gateway that was killed takes them over when it starts again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from asyncua import ua

from gateway.opcua.event_types import EventField, EventTypes
from gateway.opcua.items import Item, revised
from gateway.opcua.subscription import Subscription
from gateway.opcua.terms import Deadband, Pace, Parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gateway.opcua.items import Revised

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be known of subscriptions to go on with them in another session."""

    server: tuple[str, ...]  # Session.life: of another life of the server these numbers mean nothing
    subscriptions: tuple[Subscription, ...]
    types: EventTypes  # of the event item: the order of the fields in every event


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
        except (OSError, ValueError, TypeError, LookupError, AttributeError, ua.UaError) as error:
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
        "subscriptions": [_plain_subscription(one) for one in identity.subscriptions],
        "events": {
            "names": types.names,
            "fields": types.fields,
            "clauses": [
                (one.declared.to_string(), one.name.NamespaceIndex, one.name.Name or "") for one in types.clauses
            ],
        },
    }


def _plain_subscription(one: Subscription) -> dict[str, Any]:
    """What is asked and what was revised are the same for most items: each stands once, items have its place."""
    terms: dict[tuple[Parameters, Revised], int] = {}
    items = {
        tag_id: (item.id, terms.setdefault((item.asked, item.revised), len(terms)))
        for tag_id, item in one.items.items()
    }
    return {
        "id": one.id,
        "pace": one.pace,
        "interval_ms": one.interval_ms,
        "keepalive": one.keepalive,
        "events": one.events,
        "token": one.token,
        "terms": list(terms),
        "items": items,
    }


def _identity(plain: dict[str, Any]) -> Identity:
    events = plain["events"]
    return Identity(
        tuple(plain["server"]),
        tuple(_subscription(one) for one in plain["subscriptions"]),
        EventTypes(
            events["names"],
            {key: tuple(places) for key, places in events["fields"].items()},
            _clauses(events["clauses"]),
        ),
    )


def _subscription(plain: dict[str, Any]) -> Subscription:
    terms = [(_parameters(asked), revised(**made)) for asked, made in plain["terms"]]
    return Subscription(
        int(plain["id"]),
        Pace(**plain["pace"]),
        float(plain["interval_ms"]),
        int(plain["keepalive"]),
        bool(plain["events"]),
        items={int(tag_id): Item(int(number), *terms[place]) for tag_id, (number, place) in plain["items"].items()},
        token=str(plain["token"]),
    )


def _parameters(plain: dict[str, Any]) -> Parameters:
    deadband = plain.pop("deadband")
    return Parameters(**plain, deadband=Deadband(**deadband) if deadband else None)


def _clauses(plain: Sequence[Sequence[Any]]) -> list[EventField]:
    return [EventField(ua.NodeId.from_string(node), ua.QualifiedName(name, space)) for node, space, name in plain]
