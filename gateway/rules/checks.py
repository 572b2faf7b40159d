"""What is wrong with rules, contacts and texts taken together; single entries are checked by their settings models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace

from gateway.naming import parts
from gateway.notify.settings import Contact, Contacts, QueueSettings
from gateway.notify.texts import TextError, Texts
from gateway.rules.alerts import EVENT_FACTS, THRESHOLD_FACTS, when
from gateway.rules.memory import Scalar
from gateway.rules.settings import EventRule, ThresholdRule

Finding = tuple[tuple[str | int, ...], str]
"""Path in the settings, and what is wrong there."""

_SOMEBODY = Contact(name="Somebody", email="somebody@example.com")


def rule_problems(
    rules: Sequence[ThresholdRule | EventRule], contacts: Contacts, notify: QueueSettings
) -> list[Finding]:
    """All problems, with paths such as ("rules", 0, "mail", "to"). An empty list: the engine can start."""
    if notify.templates is not None and not notify.templates.is_dir():
        return [(("notify", "templates"), f"{notify.templates} is not a folder"), *_rule_problems(rules, contacts)]
    texts = Texts(notify.sender, notify.templates)
    return [*_rule_problems(rules, contacts), *_text_problems(rules, texts)]


def _rule_problems(rules: Sequence[ThresholdRule | EventRule], contacts: Contacts) -> Iterator[Finding]:
    names = [rule.name for rule in rules]
    for i, rule in enumerate(rules):
        if rule.name in names[:i]:
            yield ("rules", i, "name"), f"{rule.name!r} is the name of another rule already"
        if rule.mail.to is not None and rule.mail.to not in contacts:
            books = ", ".join(sorted(contacts)) or "none"
            yield ("rules", i, "mail", "to"), f"{rule.mail.to!r} is not a contact book; there are: {books}"


def _text_problems(rules: Sequence[ThresholdRule | EventRule], texts: Texts) -> Iterator[Finding]:
    for i, rule in enumerate(rules):
        try:
            _try_text(rule, texts)
        except TextError as error:
            yield ("rules", i, "mail", "template"), str(error)


def _try_text(rule: ThresholdRule | EventRule, texts: Texts) -> None:
    """Raise TextError for a text that cannot be written for this rule."""
    facts = THRESHOLD_FACTS if isinstance(rule, ThresholdRule) else EVENT_FACTS
    if unknown := texts.unknown_names(rule.mail.template, facts):
        known = ", ".join(sorted({*facts, *texts.names}))
        raise TextError(f"template {rule.mail.template!r} asks for {', '.join(unknown)}; there are: {known}")
    if isinstance(rule, ThresholdRule):  # its facts are all known now; the fields of an event are not
        for related in (1.0, None):  # a related tag may not have a value yet
            texts.write(rule.mail.template, _SOMEBODY, _sample_facts(rule, related))


def _sample_facts(rule: ThresholdRule, related: Scalar) -> dict[str, object]:
    return {
        "rule": rule.name,
        "parts": SimpleNamespace(**dict.fromkeys(parts(rule.tag), "Something")),
        "value": 1.0,
        "limit": 2.0,
        "unit": "kg",
        "time": when(0),
        "since": when(0),
        "values": SimpleNamespace(**dict.fromkeys(rule.related, related)),
    }
