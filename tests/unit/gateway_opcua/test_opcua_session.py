"""Connecting is as secure as the settings say, or it fails with a reason."""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from pydantic import ValidationError
from support_certificates import identify, made
from support_opcua import Plant, free_port

from gateway.contract import NotConnected
from gateway.opcua import pki
from gateway.opcua.errors import NoAnswer, ServiceFault, SessionLost, SubscriptionLost, Untrusted, in_words
from gateway.opcua.pki import application_uri, own_certificate
from gateway.opcua.repair import Ladder, Rung, rungs
from gateway.opcua.session import Session
from gateway.opcua.settings import SourceSettings
from gateway.opcua.wire import publish_response
from gateway.status import SourceStatus

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECURED = [
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
]


class Users:
    """One user."""

    def get_user(self, _: object, username: str | None = None, password: str | None = None, certificate: object = None):
        return User(role=UserRole.User) if (username, password) == ("anna", "secret") else None


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def secured(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Plant, Path]]:
    """A server with secured endpoints only, and its certificate."""
    plant = Plant(free_port())
    plant.server = Server(user_manager=Users())
    await plant.build()
    certificate, key = made(tmp_path_factory.mktemp("server"))
    plant.server.set_security_policy(SECURED)
    await identify(plant.server, certificate, key)
    async with plant.server:
        yield plant, certificate


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def plain() -> AsyncIterator[Plant]:
    """A server without security."""
    plant = await Plant(free_port()).build()
    async with plant.server:
        yield plant


def settings(url: str, **security: object) -> SourceSettings:
    chosen = {"user": "anna", "password": "secret"} | security
    return SourceSettings.model_validate({"name": "plant", "url": url, "security": chosen, "timeout_s": 3})


def open_to_all(url: str, timeout_s: float = 3) -> SourceSettings:
    return SourceSettings.model_validate(
        {"name": "plant", "url": url, "security": {"policy": "None"}, "timeout_s": timeout_s}
    )


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("Basic256Sha256", "SignAndEncrypt"),
        ("Aes128_Sha256_RsaOaep", "SignAndEncrypt"),
        ("Aes256_Sha256_RsaPss", "Sign"),
    ],
)
async def test_every_policy_connects_and_reads(
    secured: tuple[Plant, Path], tmp_path: Path, policy: str, mode: str
) -> None:
    plant, certificate = secured
    chosen = settings(plant.url, policy=policy, mode=mode, server_certificate=str(certificate))
    session = await Session.connect(chosen, tmp_path / "pki")
    assert session.namespaces.uris[0] == "http://opcfoundation.org/UA/"
    key = tmp_path / "pki" / "own.key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    await session.close()


@pytest.mark.parametrize("secure", [False, True])
async def test_messages_come_over_plain_and_over_secure_channels(
    plain: Plant, secured: tuple[Plant, Path], tmp_path: Path, secure: bool
) -> None:
    safe, certificate = secured
    encrypted = settings(safe.url, policy="Basic256Sha256", server_certificate=str(certificate))
    session = await Session.connect(encrypted if secure else open_to_all(plain.url), tmp_path / "pki")
    wanted = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=20, RequestedMaxKeepAliveCount=1, RequestedLifetimeCount=100, PublishingEnabled=True
    )
    subscription = (await session.create_subscription(wanted)).SubscriptionId
    for _ in range(3):
        answer = await session.publish([(subscription, 1)], lambda _: None)
        assert publish_response(answer.read(len(answer))).subscription == subscription
    await session.close()


async def test_the_secure_channel_is_renewed_in_time(secured: tuple[Plant, Path], tmp_path: Path) -> None:
    plant, certificate = secured
    chosen = settings(plant.url, policy="Basic256Sha256", server_certificate=str(certificate))
    session = await Session.connect(chosen, tmp_path)
    token = session._client.uaclient.protocol._connection.security_token
    session._client.secure_channel_timeout = 200
    renewing = asyncio.ensure_future(session.keep_channel())
    while session._client.uaclient.protocol._connection.security_token.TokenId == token.TokenId:
        await asyncio.sleep(0.02)
    (value,) = await session.values([ua.NodeId(ua.ObjectIds.Server_ServerStatus_State)])
    assert value.Value.Value == 0
    renewing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await renewing
    await session.close()


async def test_sources_that_start_together_have_one_certificate(tmp_path: Path) -> None:
    made = await asyncio.gather(*(asyncio.to_thread(own_certificate, tmp_path / "pki") for _ in range(3)))
    certificate, key = made[0]
    public = x509.load_der_x509_certificate(certificate.read_bytes()).public_key()
    assert serialization.load_pem_private_key(key.read_bytes(), None).public_key() == public


async def test_there_is_no_fall_back_to_an_insecure_endpoint(secured: tuple[Plant, Path], tmp_path: Path) -> None:
    plant, _ = secured
    with pytest.raises(NotConnected, match="No matching endpoints"):
        await Session.connect(open_to_all(plant.url), tmp_path)
    with pytest.raises(NotConnected, match=r"no endpoint Basic256Sha256 with mode Sign, it offers .*RsaPss/Sign"):
        await Session.connect(settings(plant.url, policy="Basic256Sha256", mode="Sign"), tmp_path)


async def test_another_certificate_than_the_pinned_one_is_refused(secured: tuple[Plant, Path], tmp_path: Path) -> None:
    plant, _ = secured
    other, _ = own_certificate(tmp_path / "other")
    with pytest.raises(Untrusted, match=r"another certificate than security\.server_certificate"):
        await Session.connect(settings(plant.url, policy="Basic256Sha256", server_certificate=str(other)), tmp_path)


async def test_a_wrong_password_is_said(secured: tuple[Plant, Path], tmp_path: Path) -> None:
    plant, certificate = secured
    with pytest.raises(ServiceFault, match=r"Correct user and password|Name a user"):
        await Session.connect(settings(plant.url, password="wrong", server_certificate=str(certificate)), tmp_path)


async def test_a_password_is_never_sent_in_clear_text(plain: Plant, tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match=r"clear text: set security\.policy"):
        await Session.connect(settings(plain.url, policy="None"), tmp_path)


async def test_a_server_that_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while await reader.read(1000):
                pass
        writer.close()

    silent = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    chosen = open_to_all(f"opc.tcp://127.0.0.1:{port}", 0.2)
    with pytest.raises(NoAnswer, match="does not answer"):
        await Session.connect(chosen, tmp_path)
    silent.close()
    await silent.wait_closed()


async def test_a_port_where_nobody_listens_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="nothing listens there: is the server running"):
        await Session.connect(open_to_all(f"opc.tcp://127.0.0.1:{free_port()}"), tmp_path)


async def test_the_client_certificate_is_kept_and_made_anew_only_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = own_certificate(tmp_path)
    first = certificate.read_bytes(), key.read_bytes()
    own_certificate(tmp_path)
    assert (certificate.read_bytes(), key.read_bytes()) == first
    names = x509.load_der_x509_certificate(first[0]).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [application_uri()]
    monkeypatch.setattr(pki, "LIFETIME", timedelta(minutes=-1))
    certificate.unlink()
    own_certificate(tmp_path)
    expired = certificate.read_bytes()
    monkeypatch.undo()
    own_certificate(tmp_path)
    assert certificate.read_bytes() not in (expired, first[0])


async def test_the_ladder_begins_with_the_gentlest_rung_that_can_help(tmp_path: Path) -> None:
    assert rungs(None, has_session=False) == (Rung.RENEW,)
    assert rungs(NotConnected("cut"), has_session=True) == (Rung.REACTIVATE, Rung.RENEW)
    assert rungs(NotConnected("cut"), has_session=False) == (Rung.RENEW,)
    assert rungs(SessionLost("gone"), has_session=True) == (Rung.RENEW,)
    assert rungs(SubscriptionLost("gone"), has_session=True) == (Rung.RECREATE,)
    assert rungs(ServiceFault(0x80020000), has_session=True) == (Rung.REACTIVATE, Rung.RENEW)


async def test_no_session_is_left_behind_at_a_server_that_comes_and_goes(plain: Plant, tmp_path: Path) -> None:
    ladder = Ladder(open_to_all(plain.url), tmp_path, SourceStatus("plant", plain.url))
    trouble, held = None, Counter[Rung]()
    for _ in range(5):
        session, rung = await ladder.climb(trouble)
        held[rung] += 1
        await session.create_subscription(ua.CreateSubscriptionParameters(100, 1000, 10))
        ladder.drop_link()
        trouble = NotConnected("cut")
    assert len(plain.server.iserver._external_sessions) == 1
    assert held == {Rung.RENEW: 1, Rung.REACTIVATE: 4}
    await ladder.climb(NotConnected("cut"))
    await ladder.close()
    assert not plain.server.iserver._external_sessions


async def test_a_restarted_server_gets_a_new_session(tmp_path: Path) -> None:
    port = free_port()
    first = await Plant(port).build()
    await first.server.start()
    ladder = Ladder(open_to_all(first.url), tmp_path, SourceStatus("plant", first.url))
    session, _ = await ladder.climb(None)
    await first.server.stop()
    second = await Plant(port).build()
    async with second.server:
        again, rung = await ladder.climb(NotConnected("cut"))
        assert rung is Rung.RENEW
        assert again is not session
        await ladder.close()


async def test_a_status_is_told_in_words() -> None:
    assert in_words(0x80340000).startswith("BadNodeIdUnknown: ")
    assert in_words(0x80340480).startswith("BadNodeIdUnknown: ")
    assert "2164260863" in in_words(0x80FFFFFF) or in_words(0x80FFFFFF).startswith("Bad")


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://x"},
        {"name": "a b"},
        {"queue_size": 1},
        {"unknown": 1},
        {"security": {"policy": "Basic128"}},
        {"security": {"password": "x"}},
        {"security": {"policy": "None", "server_certificate": "x.pem"}},
        {"redundant_urls": ["opc.tcp://127.0.0.1:4840"]},
        {"redundant_urls": ["http://x"]},
        {"keepalive_s": 10, "lifetime_s": 20},
    ],
)
async def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SourceSettings.model_validate({"name": "plant", "url": "opc.tcp://127.0.0.1:4840"} | wrong)


async def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(settings("opc.tcp://127.0.0.1:4840"))


async def test_a_link_that_is_closed_at_once_is_noticed_at_once(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.transport.abort(), "127.0.0.1", 0)
    settings = open_to_all(f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", 30)
    async with server, asyncio.timeout(5):
        with pytest.raises(NotConnected):
            await Session.connect(settings, tmp_path)
