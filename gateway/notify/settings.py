"""How mails leave the house, and to whom: the `notify:` and `contacts:` parts of the settings."""

from __future__ import annotations

import re
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from gateway.paths import Beside

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_LONGEST_ADDRESS = 254
"""RFC 5321, 4.5.3.1.3, without the angle brackets."""

DEFAULT_PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""SMTP submission (RFC 6409), submission over TLS (RFC 8314), and relay."""


def is_address(text: str) -> bool:
    """Whether this is an ASCII mail address, alone: no name, no brackets, nothing that could end a header."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def _checked_address(text: str) -> str:
    if not is_address(text):
        raise ValueError(f"{text!r} is not a mail address like name@example.com")
    return text


def _checked_name(text: str) -> str:
    if not text.strip() or _CONTROL.search(text):
        raise ValueError("a name is one line of text, not empty")
    return text


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Contact(_Settings):
    """A person or company that gets mails."""

    name: Annotated[str, AfterValidator(_checked_name)] = Field(description="How the mail addresses them.")
    email: Annotated[str, AfterValidator(_checked_address)] = Field(description="Mail address.")

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


Contacts = dict[str, dict[str, Contact]]
"""The contact books: book -> key -> contact, as in `contacts: {suppliers: {Beans: {name: …, email: …}}}`."""


def _parsed_contact(value: object) -> object:
    """`Name <address>`, or an address alone, which is its own name then."""
    if not isinstance(value, str):
        return value
    name, address = parseaddr(value)
    return {"name": name or address or value, "email": address or value}


Mailbox = Annotated[Contact, BeforeValidator(_parsed_contact, json_schema_input_type=str | Contact)]
"""A contact that may be written as one text: `Chocolate line 1 <line1@example.com>`."""


class QueueSettings(_Settings):
    """What all notifiers share: the sender, the texts, and how patient the queue is."""

    sender: Mailbox = Field(alias="from", description="Who the mails come from: Name <address>")
    reply_to: Mailbox | None = Field(default=None, description="Where answers go when not to the sender")
    templates: Beside = Field(default=None, description="Folder of own texts; each replaces the shipped one")
    attempts: int = Field(default=100, ge=1, description="Tries of a mail while the peer is away; then a dead letter")
    first_retry_s: float = Field(
        default=5.0, gt=0, description="Longest pause after the first failed try; it doubles each time"
    )
    longest_retry_s: float = Field(
        default=3600.0, gt=0, description="Where the doubling ends; 100 tries take about two days then"
    )
    refusals: int = Field(default=3, ge=1, description="Tries of a mail that the peer refuses; then a dead letter")
    refused_retry_s: float = Field(default=300.0, gt=0, description="Pause after a refusal, to mend what it names")
    keep_sent_d: float = Field(default=90.0, ge=31, description="Days that sent mails stay in the list")


class OutboxSettings(QueueSettings):
    """Mails as `.eml` files in a folder, for trying out and for mail programs that watch a folder."""

    kind: Literal["outbox"] = "outbox"
    sender: Mailbox = Field(
        default=Contact(name="Conche", email="conche@localhost"),
        alias="from",
        description="Who the mails come from: Name <address>",
    )
    folder: Path = Field(default=Path("var/outbox"), description="Made when missing")


class SesSettings(QueueSettings):
    """Amazon SES, API version 2. Credentials come from where AWS tools look: environment, profile, instance role."""

    kind: Literal["ses"]
    region: str = Field(min_length=1, description="AWS region: eu-central-1")
    endpoint_url: str | None = Field(default=None, description="Another endpoint than Amazon's: a VPC endpoint, a test")
    configuration_set: str | None = Field(default=None, description="Configuration set of SES that mails are sent with")
    timeout_s: float = Field(default=10.0, gt=0, description="For a connect and for an answer")


class SmtpSettings(QueueSettings):
    """Any mail server."""

    kind: Literal["smtp"]
    host: str = Field(min_length=1, description="Name or address of the mail server")
    port: int | None = Field(default=None, ge=1, le=65535, description="587 for starttls, 465 for tls, 25 for none")
    security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="How the link is encrypted")
    ca: Beside = Field(default=None, description="PEM file of the authority to trust instead of the system's")
    user: str | None = Field(default=None, description="User name; without: no login")
    password: SecretStr | None = Field(default=None, description="Password of the user; never sent in clear")
    timeout_s: float = Field(default=10.0, gt=0, description="For a connect and for an answer")

    @model_validator(mode="after")
    def _credentials_are_whole_and_safe(self) -> SmtpSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password go together: give both or none")
        if self.password is not None and self.security == "none":
            raise ValueError("a password is never sent in clear: set security to starttls or tls")
        return self


NotifySettings = Annotated[OutboxSettings | SesSettings | SmtpSettings, Field(discriminator="kind")]
"""Exactly one way out: `notify: {kind: outbox | ses | smtp, from: …}`."""
