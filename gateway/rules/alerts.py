"""An alert becomes a mail: who gets it, what it says, and what is kept when there is nobody or nothing to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from types import SimpleNamespace
from typing import Any

import orjson

from gateway.naming import NamingError, fill
from gateway.notify.settings import Contact, Contacts, is_address
from gateway.notify.store import Draft
from gateway.notify.texts import TextError, Texts
from gateway.rules.binding import Instance
from gateway.rules.memory import Scalar
from gateway.rules.settings import EventRule, MailTo
from gateway.values import Event

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BREAKING = re.compile(r"[\s\x00-\x1f\x7f\u0085\u2028\u2029]+")

THRESHOLD_FACTS = ("rule", "parts", "value", "limit", "unit", "time", "since", "values")
"""What a text about a threshold may name, besides contact and sender."""

EVENT_FACTS = ("rule", "fields", "time", "source", "message", "severity")
"""What a text about an event may name, besides contact and sender."""


class NobodyError(Exception):
    """There is nobody to write to; the text says why, `name` who it should have been."""

    def __init__(self, reason: str, name: str) -> None:
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a rule was waiting for. (rule, instance, key) name the occasion for ever."""

    rule: str
    instance: str
    key: str
    mail: MailTo
    names: Mapping[str, Any]  # what {…} in key and address stand for
    facts: Mapping[str, Any]  # what the text shows


@dataclass(frozen=True, slots=True)
class Crossing:
    """A threshold's alert: when, since when the condition held, and the numbers then."""

    time: int
    since: int
    value: float
    limit: float


def when(time: int) -> datetime:
    """Unix ns as a moment in UTC."""
    return _EPOCH + timedelta(microseconds=time // 1000)


def of_threshold(instance: Instance, crossing: Crossing, related: Mapping[str, Scalar]) -> Alert:
    """The alert of a crossing; `related` are the values of the tags that the rule names under `with`."""
    facts = {
        "rule": instance.rule.name,
        "parts": SimpleNamespace(**instance.parts),
        "value": crossing.value,
        "limit": crossing.limit,
        "unit": instance.tag.unit,
        "time": when(crossing.time),
        "since": when(crossing.since),
        "values": SimpleNamespace(**related),
    }
    return Alert(instance.rule.name, instance.name, str(crossing.since), instance.rule.mail, instance.parts, facts)


def names_of(event: Event) -> dict[str, Any]:
    """The event's fields, those that every event has included."""
    common = {"SourceName": event.source_name, "Severity": event.severity, "Message": event.message}
    return common | dict(event.fields)


def of_event(rule: EventRule, event: Event) -> Alert:
    """The alert of an event. Its key is made of all that the event says, so a copy of it is the same occasion."""
    said = (event.source, event.type, event.source_name, event.time, event.severity, event.message)
    copy = orjson.dumps((*said, dict(event.fields)), option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)
    key = blake2b(copy, digest_size=16).hexdigest()
    facts = {
        "rule": rule.name,
        "fields": SimpleNamespace(**names_of(event)),
        "time": when(event.time),
        "source": event.source_name,
        "message": event.message,
        "severity": event.severity,
    }
    return Alert(rule.name, f"{event.source}/{event.source_name}", key, rule.mail, names_of(event), facts)


def to_draft(alert: Alert, contacts: Contacts, texts: Texts) -> Draft:
    """The mail, or the dead letter with its reason: an alert is never lost."""
    try:
        contact, reason = recipient(alert.mail, alert.names, contacts), ""
    except NobodyError as error:
        contact, reason = Contact.model_construct(name=error.name, email=""), str(error)
    try:
        text = texts.write(alert.mail.template, contact, alert.facts)
    except TextError as error:
        reason = "; ".join(filter(None, (reason, str(error))))
        return _draft(alert, contact, f"{alert.rule}: {alert.instance}", _plain(alert.facts), reason)
    return _draft(alert, contact, text.subject, text.body, reason)


def recipient(mail: MailTo, names: Mapping[str, Any], contacts: Contacts) -> Contact:
    """Who is in the book under the key; else the address. NobodyError where there is neither."""
    key = _filled(mail.key, names)
    if mail.to is not None and key and key in contacts.get(mail.to, {}):
        return contacts[mail.to][key]
    address = _filled(mail.address, names)
    if address and is_address(address):
        return Contact(name=_BREAKING.sub(" ", key or "").strip() or address, email=address)
    missing = f"no contact for {key or mail.key!r} in {mail.to}" if mail.to else "no contact"
    also = f", and {address or mail.address!r} is not a mail address" if mail.address else ""
    raise NobodyError(missing + also, key or address or "nobody")


def _filled(template: str | None, names: Mapping[str, Any]) -> str | None:
    """None where a part has no value."""
    try:
        return template and fill(template, {name: str(value) for name, value in names.items() if value is not None})
    except NamingError:
        return None


def _draft(alert: Alert, contact: Contact, subject: str, text: str, reason: str) -> Draft:
    return Draft(alert.rule, alert.instance, alert.key, contact.name, contact.email, subject, text, reason)


def _plain(facts: Mapping[str, Any]) -> str:
    flat = {k: vars(v) if isinstance(v, SimpleNamespace) else v for k, v in facts.items()}
    return "".join(f"{name}: {value}\n" for name, value in flat.items())
