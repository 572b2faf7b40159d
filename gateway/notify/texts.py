"""The texts of mails: Jinja2 templates `<name>.txt`, first line `Subject: …`, then a blank line and the body."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, Template, TemplateError, TemplateNotFound
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gateway.contract import GatewayError
from gateway.notify.settings import Contact

SHIPPED = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SUBJECT = re.compile(r"Subject:[ \t]*(?P<subject>[^\n]*\S)[ \t]*\n[ \t]*\n(?P<body>.*\S.*)", re.DOTALL)
_LINE_BREAKING = re.compile(r"[\s\x00-\x1f\x7f\u0085\u2028\u2029]+")
_WHOLE_FROM = 1000.0
"""Numbers from here on are shown without decimals."""


class TextError(GatewayError):
    """A template is missing, is not well-formed, or asks for what the alert does not have."""


@dataclass(frozen=True, slots=True)
class Text:
    """A written mail: a subject of one line, and the body."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class _Parts:
    subject: Template
    body: Template


def number(value: object) -> str:
    """`12,400`, `18.25`, `0.5`; texts as they are, and `unknown` for None."""
    if value is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    digits = f"{value:,.0f}" if abs(value) >= _WHOLE_FROM else f"{value:,.2f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def moment(value: datetime) -> str:
    """`2026-03-01 12:00:05 UTC`."""
    return f"{value:%Y-%m-%d %H:%M:%S %Z}"


def words(value: object) -> str:
    """`CocoaButter` -> `cocoa butter`; what is written in words already stays."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", str(value)).lower() if str(value).isalnum() else str(value)


class Texts:
    """The shipped templates, each replaced by a file of the same name in the user's folder."""

    def __init__(self, sender: Contact, folder: Path | None = None) -> None:
        self.names = frozenset({"contact", "sender"})
        """What every template may use besides its alert."""
        folders = [folder, SHIPPED] if folder else [SHIPPED]
        self._loader = ChoiceLoader([FileSystemLoader(one) for one in folders])
        self._environment = ImmutableSandboxedEnvironment(  # plain text is not escaped; its HTML twin is, in message.py
            loader=self._loader,
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals = {"sender": sender}
        self._environment.filters |= {"number": number, "moment": moment, "words": words}
        self._known: dict[str, _Parts] = {}

    def write(self, template: str, contact: Contact, facts: Mapping[str, Any]) -> Text:
        """The mail to this contact about these facts. TextError says what is wrong with the template."""
        parts = self._known.get(template) or self._load(template)
        try:
            subject = parts.subject.render(facts, contact=contact)
            body = parts.body.render(facts, contact=contact)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise TextError(f"template {template!r}: {error}") from error
        return Text(_LINE_BREAKING.sub(" ", subject).strip(), body.strip() + "\n")

    def unknown_names(self, template: str, facts: Collection[str]) -> list[str]:
        """Variables that the template uses and nobody gives, sorted. TextError where it is missing or malformed."""
        try:
            tree = self._environment.parse(self._source(template))
        except TemplateError as error:
            raise TextError(f"template {template!r}: {error}") from error
        return sorted(find_undeclared_variables(tree) - set(facts) - self.names)

    def _source(self, template: str) -> str:
        if not _NAME.fullmatch(template):
            raise TextError(f"template {template!r}: a name has letters, digits, '-' and '_' only")
        try:
            source, _, _ = self._loader.get_source(self._environment, f"{template}.txt")
        except TemplateNotFound as error:
            raise TextError(f"template {template!r} is neither shipped nor in the templates folder") from error
        return source

    def _load(self, template: str) -> _Parts:
        found = _SUBJECT.fullmatch(self._source(template))
        if found is None:
            raise TextError(f"template {template!r}: the first line is 'Subject: …', then a blank line and the body")
        try:
            parts = _Parts(*map(self._environment.from_string, (found["subject"], found["body"])))
        except TemplateError as error:
            raise TextError(f"template {template!r}: {error}") from error
        self._known[template] = parts
        return parts
