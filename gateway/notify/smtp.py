"""Mails to a mail server (RFC 5321), encrypted by STARTTLS or TLS unless the settings say otherwise."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from functools import partial

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused, Message, compose
from gateway.notify.settings import DEFAULT_PORTS, SmtpSettings
from gateway.thread import in_thread

_PERMANENT = 500
"""Reply codes from here on mean: not as it is (RFC 5321, 4.2.1); those below: try later."""


class Smtp:
    """One connection a mail: a mail now and then does not pay for one that must be kept alive."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._port = settings.port or DEFAULT_PORTS[settings.security]

    async def send(self, mail: Message) -> None:
        """Return when the server has taken the mail. NotConnected or MailRefused with the server's words."""
        whole = compose(mail, self._settings.sender, self._settings.reply_to)
        try:
            await in_thread(partial(self._send, whole), f"mail {mail.id}")
        except smtplib.SMTPRecipientsRefused as error:
            raise _verdict(*error.recipients[mail.email], f"{mail.email} was refused") from error
        except smtplib.SMTPAuthenticationError as error:
            raise NotConnected(self._said("refuses user or password; correct them", error)) from error
        except smtplib.SMTPResponseException as error:
            raise _verdict(error.smtp_code, error.smtp_error, "the mail was refused") from error
        except (smtplib.SMTPException, OSError) as error:
            raise NotConnected(self._said("cannot be used", error)) from error

    async def close(self) -> None:
        """Nothing is held between mails."""

    def _send(self, whole: EmailMessage) -> None:
        server = self._connect()
        try:
            self._log_in(server)
            server.send_message(whole)
            with contextlib.suppress(
                smtplib.SMTPException, OSError
            ):  # the mail is taken; a rude goodbye changes nothing
                server.quit()
        finally:
            server.close()

    def _connect(self) -> smtplib.SMTP:
        host, timeout = self._settings.host, self._settings.timeout_s
        if self._settings.security == "tls":
            return smtplib.SMTP_SSL(host, self._port, timeout=timeout, context=self._tls())
        return smtplib.SMTP(host, self._port, timeout=timeout)

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self._settings.security == "starttls":
            server.starttls(context=self._tls())
        if self._settings.user is not None and self._settings.password is not None:
            server.login(self._settings.user, self._settings.password.get_secret_value())

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._settings.ca)

    def _said(self, what: str, error: Exception) -> str:
        return f"mail server {self._settings.host}:{self._port} {what}: {error}"


def _verdict(code: int, text: bytes | str, what: str) -> MailRefused | NotConnected:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    kind = MailRefused if code >= _PERMANENT else NotConnected
    return kind(f"{what}: {code} {words}")
