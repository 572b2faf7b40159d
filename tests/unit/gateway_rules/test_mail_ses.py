"""Amazon SES, as moto serves it: what passes is tried later, what does not is kept with the reason."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator, Callable, Iterator
from email import policy
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from support_mail import MAIL, delivered
from support_rules import NOTIFY

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused, Message
from gateway.notify.notifiers import make_notifier
from gateway.notify.ses import Ses


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    requests.post(f"{moto}/moto-api/reset", timeout=5).raise_for_status()
    return moto


@pytest.fixture
async def ses(aws: str) -> AsyncIterator[Callable[..., Ses]]:
    made: list[Ses] = []

    def build(**changes: Any) -> Ses:
        known = {"kind": "ses", "from": "Line 1 <line1@choco.example>", "region": "eu-central-1", "endpoint_url": aws}
        notifier = make_notifier(NOTIFY.validate_python(known | changes))
        assert isinstance(notifier, Ses)
        made.append(notifier)
        return notifier

    yield build
    for notifier in made:
        await notifier.close()


def verify(aws: str, address: str) -> None:
    client = boto3.client("sesv2", region_name="eu-central-1", endpoint_url=aws)
    client.create_email_identity(EmailIdentity=address)
    client.close()


def sent(aws: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{aws}/moto-api/data.json", timeout=5).json()
    return list(answer.get("ses", {}).get("RawMessage", []))


async def test_ses_gets_the_mail_as_it_is(ses: Callable[..., Ses], aws: str) -> None:
    verify(aws, "line1@choco.example")
    await ses(configuration_set="plant").send(MAIL)
    (mail,) = sent(aws)
    assert mail["source"] == "line1@choco.example"
    assert "b@example.com" in mail["destinations"]
    assert email.message_from_string(mail["raw_data"], policy=policy.default)["Subject"] == "Grüße"


async def test_ses_refuses_a_sender_that_is_not_verified_and_the_mail_is_kept_with_the_reason(
    ses: Callable[..., Ses], aws: str, tmp_path: Path
) -> None:
    status = await delivered(ses(), tmp_path, refusals=2)
    assert (status.sent, status.dead) == (0, 1)
    assert "MessageRejected" in status.recent[0].reason
    assert "line1@choco.example" in status.recent[0].reason
    assert sent(aws) == []


async def test_a_sender_that_is_verified_in_time_gets_its_mail_out(
    ses: Callable[..., Ses], aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = ses()
    real = notifier.send

    async def verified_after_the_first_try(mail: Message) -> None:
        try:
            await real(mail)
        except MailRefused:
            verify(aws, "line1@choco.example")
            raise

    monkeypatch.setattr(notifier, "send", verified_after_the_first_try)
    status = await delivered(notifier, tmp_path, refusals=2)
    assert (status.sent, status.dead) == (1, 0)
    assert len(sent(aws)) == 1


@pytest.fixture
async def answering() -> AsyncIterator[Callable[[int, str], str]]:
    """An endpoint that answers every request with a status and an error code of AWS."""
    answer = [500, "InternalFailure"]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(head.split("content-length: ")[1].split("\r\n")[0]))
        body = f'{{"message": "words of {answer[1]}"}}'
        writer.write(
            f"HTTP/1.1 {answer[0]} Error\r\nx-amzn-ErrorType: {answer[1]}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
        )
        writer.close()

    def be(status: int, code: str) -> str:
        answer[:] = [status, code]
        return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield be


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "TooManyRequestsException", NotConnected),
        (400, "LimitExceededException", NotConnected),
        (400, "SendingPausedException", NotConnected),
        (403, "ExpiredTokenException", NotConnected),
        (503, "ServiceUnavailable", NotConnected),
        (400, "MessageRejected", MailRefused),
        (400, "MailFromDomainNotVerifiedException", MailRefused),
        (404, "NotFoundException", MailRefused),
    ],
)
async def test_what_passes_is_tried_later_and_what_does_not_is_refused(
    ses: Callable[..., Ses], answering: Callable[[int, str], str], status: int, code: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind, match=f"Amazon SES: {code}: words of {code}"):
        await ses(endpoint_url=answering(status, code)).send(MAIL)


async def test_without_an_endpoint_or_credentials_the_mail_waits(
    ses: Callable[..., Ses], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NotConnected, match="cannot be reached"):
        await ses(endpoint_url="http://127.0.0.1:1").send(MAIL)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(NotConnected, match="AWS_ACCESS_KEY_ID"):
        await ses().send(MAIL)
