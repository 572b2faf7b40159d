"""The three ways out, and the choice of one by the settings."""

from __future__ import annotations

from gateway.notify.message import Notifier
from gateway.notify.outbox import Outbox
from gateway.notify.settings import OutboxSettings, SesSettings, SmtpSettings
from gateway.notify.smtp import Smtp


def make_notifier(settings: OutboxSettings | SesSettings | SmtpSettings) -> Notifier:
    """The notifier that these settings describe. Nothing is connected yet."""
    match settings:
        case OutboxSettings():
            return Outbox(settings)
        case SmtpSettings():
            return Smtp(settings)
        case SesSettings():
            from gateway.notify.ses import Ses  # noqa: PLC0415 - boto3 costs 24 MB; only those pay who use it

            return Ses(settings)
