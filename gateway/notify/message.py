"""A mail on its way: what the queue hands to a notifier, what a notifier owes it, and the mail's form on the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from typing import Protocol

from gateway.contract import GatewayError
from gateway.notify.settings import Contact

_POLICY = SMTP.clone(cte_type="7bit")  # passes every relay, and Amazon SES takes nothing else in raw mails
_FACT = re.compile(r"(?P<label>[^:\n]{1,40}): +(?P<text>\S.*)")
_PAGE = '<!DOCTYPE html><html><body style="font-family: sans-serif; line-height: 1.4">{}</body></html>\n'


class MailRefused(GatewayError):  # noqa: N818 - a verdict, named as users know it
    """The peer will not take this mail as it is; the text says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Message:
    """One mail to one person. `id` is the same at every try, so that a reader can tell a second copy."""

    id: str  # [0-9a-f]+, the left part of the Message-ID
    rule: str
    time: int  # when it was written, Unix ns
    name: str
    email: str
    subject: str
    text: str


class Notifier(Protocol):
    """A way out. The queue calls `send` for one mail at a time, and tries again; a notifier itself never retries."""

    async def send(self, mail: Message) -> None:
        """Return when the peer has the mail. NotConnected: try later. MailRefused: not as it is."""
        ...

    async def close(self) -> None:
        """Let go of the peer. Idempotent."""
        ...


def _address(name: str, email: str) -> Address:
    return Address(display_name="" if name == email else name, addr_spec=email)


def compose(mail: Message, sender: Contact, reply_to: Contact | None = None) -> EmailMessage:
    """The mail in internet form (RFC 5322), 7 bit, plain text with an HTML twin. MailRefused where it cannot be one."""
    whole = EmailMessage(policy=_POLICY)
    try:
        whole["From"] = _address(sender.name, sender.email)
        whole["To"] = _address(mail.name, mail.email)
        whole["Subject"] = mail.subject
    except (ValueError, MessageError) as error:
        raise MailRefused(f"the mail to {mail.email!r} has no valid headers: {error}") from error
    if reply_to is not None:
        whole["Reply-To"] = _address(reply_to.name, reply_to.email)
    whole["Date"] = datetime.fromtimestamp(mail.time // 1_000_000_000, UTC)
    whole["Message-ID"] = f"<{mail.id}@{sender.email.rpartition('@')[2]}>"
    whole["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers, please
    whole.set_content(mail.text)
    whole.add_alternative(to_html(mail.text), subtype="html")
    return whole


def to_html(text: str) -> str:
    """A page with the same words: paragraphs at blank lines, a table where every line is `Label: text`."""
    return _PAGE.format("".join(map(_block, re.split(r"\n\s*\n", text.strip()))))


def _block(block: str) -> str:
    facts = [_FACT.fullmatch(line.strip()) for line in block.splitlines()]
    rows = [f"<tr><td>{escape(fact['label'])}</td><td>{escape(fact['text'])}</td></tr>" for fact in facts if fact]
    if len(rows) == len(facts) > 1:
        return f'<table cellpadding="4">{"".join(rows)}</table>'
    return f"<p>{'<br>'.join(map(escape, block.splitlines()))}</p>"
