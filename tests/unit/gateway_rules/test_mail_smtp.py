"""A mail server gets the mail whole and once, over the security asked for; its refusals are told in its words."""

from __future__ import annotations

import asyncio
import base64
import email
import ssl
from collections.abc import AsyncIterator
from email import policy
from pathlib import Path
from typing import Any

import pytest
from support_mail import DRAFT, MAIL, delivered
from support_mail_server import SILENCE, USUAL, MailServer
from support_rules import NOTIFY, outbox, until
from support_tls import loopback_pem, serving_with

from gateway.contract import NotConnected
from gateway.notify.message import MailRefused
from gateway.notify.notifiers import make_notifier
from gateway.notify.outbox import Outbox
from gateway.notify.queue import MailQueue
from gateway.notify.smtp import Smtp
from gateway.status import MailStatus


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer().listening() as server:
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return loopback_pem(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def tls(certificate: Path) -> ssl.SSLContext:
    return serving_with(certificate)


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
