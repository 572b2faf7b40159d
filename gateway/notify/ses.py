"""Mails through Amazon SES, API version 2.

SES knows no idempotency token: when the answer to an accepted request is lost, the next try sends a second copy. SES
also replaces the Message-ID by its own, so a reader cannot tell the copy by it. At least once is the best there is.
"""

from __future__ import annotations

from functools import cached_property, partial

import boto3
from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused, Message, compose
from gateway.notify.settings import SesSettings
from gateway.thread import in_thread

_REFUSALS = frozenset(
    {"MessageRejected", "MailFromDomainNotVerifiedException", "BadRequestException", "NotFoundException"}
)
"""Error codes of SendEmail that name the mail, its sender or its configuration set; all others (throttling, quota,
paused sending, rights, faults) are the account's or the service's, and pass."""


class Ses:
    """Sends by `SendEmail` with the raw mail, so that SES delivers what the outbox would show."""

    def __init__(self, settings: SesSettings) -> None:
        self._settings = settings

    async def send(self, mail: Message) -> None:
        """Return when SES has accepted the mail. NotConnected or MailRefused with the words of SES."""
        whole = compose(mail, self._settings.sender, self._settings.reply_to).as_bytes()
        try:
            await in_thread(partial(self._send, mail.email, whole), f"mail {mail.id}")
        except ClientError as error:
            raise _verdict(error) from error
        except NoCredentialsError as error:
            raise NotConnected(
                "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role"
            ) from error
        except BotoCoreError as error:
            raise NotConnected(f"Amazon SES cannot be reached: {error}") from error

    async def close(self) -> None:
        """Close the connections that were opened."""
        if client := self.__dict__.pop("_client", None):
            client.close()

    def _send(self, recipient: str, whole: bytes) -> None:
        options = self._settings.configuration_set and {"ConfigurationSetName": self._settings.configuration_set}
        self._client.send_email(
            FromEmailAddress=self._settings.sender.email,
            Destination={"ToAddresses": [recipient]},
            Content={"Raw": {"Data": whole}},
            **(options or {}),
        )

    @cached_property
    def _client(self) -> BaseClient:
        """Made at the first mail, in its thread: reading the service's description takes a moment."""
        seconds = self._settings.timeout_s
        once = Config(
            connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 1}
        )  # the queue retries
        return boto3.client(
            "sesv2", region_name=self._settings.region, endpoint_url=self._settings.endpoint_url, config=once
        )


def _verdict(error: ClientError) -> MailRefused | NotConnected:
    answer = error.response["Error"]
    kind = MailRefused if answer["Code"] in _REFUSALS else NotConnected
    return kind(f"Amazon SES: {answer['Code']}: {answer.get('Message', 'no words')}")
