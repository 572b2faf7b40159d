"""The ways out against real peers: a mail server on a socket, and Amazon SES as moto serves it."""

from __future__ import annotations

import asyncio
import base64
import email
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer
from support_rules import NOTIFY, outbox, until

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused, Message
from gateway.notify.notifiers import make_notifier
from gateway.notify.outbox import Outbox
from gateway.notify.queue import MailQueue
from gateway.notify.ses import Ses
from gateway.notify.smtp import Smtp
from gateway.notify.store import Draft
from gateway.status import MailStatus

MAIL = Message("0123abcd", "restock", 10**18, "Beans & Co", "b@example.com", "Grüße", "Bitte liefern\n.\nEnde\n")
DRAFT = Draft("restock", "plant/Beans", "1", "Beans & Co", "b@example.com", "Grüße", "Bitte liefern\n")
SILENCE = "…"
USUAL = {"RCPT": ["250 ok"], "DATA": ["354 go on"], ".": ["250 taken"], "QUIT": ["221 bye"], "AUTH": ["235 ok"]}


class MailServer:
    """A small mail server. `answers` are by command, the last one for ever; "" hangs up, SILENCE waits."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, starttls: bool = False) -> None:
        self.answers: dict[str, list[str]] = {command: list(texts) for command, texts in USUAL.items()}
        self.mails: list[bytes] = []
        self.heard: list[str] = []
        self.port = 0
        self._tls = tls
        self._starttls = starttls

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[MailServer]:
        immediate = self._tls if not self._starttls else None
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=immediate)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            yield self

    def _answer(self, command: str) -> str:
        texts = self.answers.get(command, ["250 ok"])
        return texts.pop(0) if len(texts) > 1 else texts[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        while line := (await reader.readline()).decode().strip():
            self.heard.append(line)
            command = line.split()[0].upper()
            if command == "EHLO":
                extra = b"250-STARTTLS\r\n" if self._starttls and self._tls else b""
                writer.write(b"250-here\r\n" + extra + b"250 AUTH PLAIN\r\n")
                continue
            if command == "STARTTLS":
                writer.write(b"220 go on\r\n")
                assert self._tls is not None
                await writer.start_tls(self._tls)
                continue
            answer = self._answer(command)
            if not answer:
                return
            if answer == SILENCE:
                await reader.read()
                return
            writer.write(f"{answer}\r\n".encode())
            if answer.startswith("354"):
                mail = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                verdict = self._answer(".")
                self.mails += [mail] if verdict.startswith("250") else []
                writer.write(f"{verdict}\r\n".encode())


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer().listening() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of the test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("pki") / "server.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + made.public_bytes(pem))
    return path


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def smtp(port: int | None, **changes: Any) -> Smtp:
    known = {
        "kind": "smtp",
        "from": "Line 1 <line1@choco.example>",
        "host": "127.0.0.1",
        "port": port,
        "security": "none",
    }
    made = make_notifier(NOTIFY.validate_python(known | {"timeout_s": 5} | changes))
    assert isinstance(made, Smtp)
    return made


async def delivered(notifier: Smtp | Ses, folder: Path, **settings: Any) -> MailStatus:
    """Queue one mail, and the status when it is sent or dead."""
    status = MailStatus()
    soon = outbox(folder, first_retry_s=0.001, refused_retry_s=0.001, **settings)
    queue = await MailQueue.open(folder / "mail.sqlite", notifier, soon, status)
    sender = asyncio.create_task(queue.run())
    try:
        await queue.enqueue([DRAFT])
        await until(lambda: status.sent + status.dead == 1, seconds=15)
    finally:
        sender.cancel()
        await asyncio.wait({sender})
        await queue.close()
    return status


async def test_a_mail_server_gets_the_mail_as_it_is(server: MailServer) -> None:
    await smtp(server.port).send(MAIL)
    (mail,) = server.mails
    got = email.message_from_bytes(mail, policy=policy.default)
    assert got["Subject"] == "Grüße"
    plain = got.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == ["Bitte liefern", ".", "Ende"]
    said = [line for line in server.heard if line.startswith(("mail", "rcpt"))]
    assert said == ["mail FROM:<line1@choco.example>", "rcpt TO:<b@example.com>"]


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
async def test_what_the_server_puts_off_is_tried_again_and_sent_once(
    server: MailServer, command: str, tmp_path: Path
) -> None:
    usual = USUAL.get(command, ["250 ok"])
    server.answers[command] = ["451 greylisted, come back", "421 closing", *usual]
    status = await delivered(smtp(server.port), tmp_path)
    assert (status.sent, status.dead) == (1, 0)
    assert len(server.mails) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
async def test_what_the_server_refuses_becomes_a_dead_letter_with_the_servers_words(
    server: MailServer, command: str, tmp_path: Path
) -> None:
    server.answers[command] = ["550 5.7.1 no such thing here"]
    status = await delivered(smtp(server.port), tmp_path, refusals=2)
    assert (status.sent, status.dead) == (0, 1)
    assert "550 5.7.1 no such thing here" in status.recent[0].reason
    assert server.mails == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA", "."])
async def test_what_is_put_off_is_not_counted_as_a_refusal(server: MailServer, command: str) -> None:
    server.answers[command] = ["450 mailbox busy"]
    with pytest.raises(NotConnected, match="450 mailbox busy"):
        await smtp(server.port).send(MAIL)


async def test_a_refused_recipient_is_named(server: MailServer) -> None:
    server.answers["RCPT"] = ["550 unknown user"]
    with pytest.raises(MailRefused, match=r"b@example\.com was refused: 550 unknown user"):
        await smtp(server.port).send(MAIL)


async def test_a_server_that_leaves_without_a_word_after_taking_the_mail_does_not_get_it_twice(
    server: MailServer, tmp_path: Path
) -> None:
    server.answers["QUIT"] = [""]
    status = await delivered(smtp(server.port), tmp_path)
    assert status.sent == len(server.mails) == 1


async def test_a_server_that_hangs_up_in_the_middle_is_tried_later(server: MailServer) -> None:
    server.answers["RCPT"] = [""]
    with pytest.raises(NotConnected, match=r"127\.0\.0\.1:\d+ cannot be used"):
        await smtp(server.port).send(MAIL)


async def test_a_server_that_says_nothing_does_not_hold_up_the_end_of_the_program(
    server: MailServer, tmp_path: Path
) -> None:
    server.answers["DATA"] = [SILENCE]

    async def program() -> None:
        queue = await MailQueue.open(tmp_path / "mail.sqlite", smtp(server.port), outbox(tmp_path), MailStatus())
        sender = asyncio.create_task(queue.run())
        await queue.enqueue([DRAFT])
        await until(lambda: "data" in server.heard)
        sender.cancel()
        await asyncio.wait({sender})
        await queue.close()

    async with asyncio.timeout(4):  # less than the server is given to answer
        await asyncio.to_thread(asyncio.run, program())


async def test_a_server_that_is_not_there_is_tried_later() -> None:
    async with MailServer().listening() as server:
        port = server.port
    with pytest.raises(NotConnected, match="refused"):
        await smtp(port).send(MAIL)


async def test_user_and_password_travel_encrypted_by_starttls(tls: ssl.SSLContext, certificate: Path) -> None:
    async with MailServer(tls, starttls=True).listening() as server:
        login = {"security": "starttls", "ca": certificate, "user": "line1", "password": "s3cret"}
        await smtp(server.port, **login).send(MAIL)
    assert len(server.mails) == 1
    commands = [line.split()[0].upper() for line in server.heard]
    assert commands.index("STARTTLS") < commands.index("AUTH")
    auth = next(line for line in server.heard if line.startswith("AUTH PLAIN "))
    assert base64.b64decode(auth.split()[-1]) == b"\0line1\0s3cret"


async def test_tls_from_the_first_byte(tls: ssl.SSLContext, certificate: Path) -> None:
    async with MailServer(tls).listening() as server:
        await smtp(server.port, security="tls", ca=certificate).send(MAIL)
    assert len(server.mails) == 1


async def test_a_server_that_nobody_vouches_for_gets_nothing(tls: ssl.SSLContext) -> None:
    async with MailServer(tls, starttls=True).listening() as server:
        with pytest.raises(NotConnected, match="certificate"):
            await smtp(server.port, security="starttls").send(MAIL)
    assert server.mails == []


async def test_a_server_without_encryption_gets_nothing_when_it_is_asked_for(server: MailServer) -> None:
    with pytest.raises(NotConnected, match="STARTTLS"):
        await smtp(server.port, security="starttls").send(MAIL)
    assert server.mails == []


async def test_a_wrong_password_is_told_and_the_mail_is_kept(tls: ssl.SSLContext, certificate: Path) -> None:
    async with MailServer(tls).listening() as server:
        server.answers["AUTH"] = ["535 5.7.8 authentication failed"]
        with pytest.raises(NotConnected, match="refuses user or password") as caught:
            await smtp(server.port, security="tls", ca=certificate, user="line1", password="wr0ng").send(MAIL)
    assert "wr0ng" not in str(caught.value)


def test_the_settings_choose_the_way(tmp_path: Path) -> None:
    assert isinstance(make_notifier(outbox(tmp_path)), Outbox)
    assert smtp(2525)._port == 2525
    assert [smtp(None, security=how)._port for how in ("starttls", "tls", "none")] == [587, 465, 25]


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
