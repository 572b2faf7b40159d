"""A server is believed when a person approved its certificate, and nothing that is wrong with it is passed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from support_certificates import URI, Wish, identify, made
from support_opcua import Plant, free_port, running

from gateway.contract import GatewayError, NotConnected
from gateway.opcua.certificate import Certificate, Flaw
from gateway.opcua.endpoint import certificates, choose
from gateway.opcua.errors import Untrusted
from gateway.opcua.session import Session
from gateway.opcua.settings import SecuritySettings, SourceSettings
from gateway.opcua.trust import TrustFolder
from gateway.status import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEST = ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt
GOOD = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
SIGNED = ua.SecurityPolicyType.Basic256Sha256_Sign
OPEN = ua.SecurityPolicyType.NoSecurity


class Everybody:
    """Lets in who comes."""

    def get_user(self, *_: object, **__: object) -> User:
        return User(role=UserRole.User)


@asynccontextmanager
async def serving(
    folder: Path, wish: Wish, port: int = 0, policies: tuple[ua.SecurityPolicyType, ...] = (OPEN, GOOD, BEST, SIGNED)
) -> AsyncIterator[Plant]:
    """A server with this certificate; it calls itself URI."""
    plant = Plant(port or free_port())
    plant.server = Server(user_manager=Everybody())
    await plant.build()
    plant.server.set_security_policy(list(policies))
    await identify(plant.server, *made(folder, wish))
    async with plant.server:
        yield plant


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plant]:
    async with serving(tmp_path_factory.mktemp("server"), Wish()) as plant:
        yield plant


def settings(url: str, **security: object) -> SourceSettings:
    return SourceSettings.model_validate({"name": "plant", "url": url, "timeout_s": 5, "security": security})


async def refusal(plant: Plant, pki: Path, **security: object) -> str:
    with pytest.raises(Untrusted) as refused:
        await Session.connect(settings(plant.url, **security), pki)
    return str(refused.value)


async def connects(plant: Plant, pki: Path, **security: object) -> tuple[str, str]:
    """Policy and mode of a connection that succeeds."""
    session = await Session.connect(settings(plant.url, **security), pki)
    policy = session._client.security_policy
    await session.close()
    return policy.URI.split("#")[1], policy.Mode.name


async def test_an_unknown_server_is_refused_until_a_person_approves_it(server: Plant, tmp_path: Path) -> None:
    said = await refusal(server, tmp_path)
    trust = TrustFolder(tmp_path)
    (entry,) = trust.entries()
    assert entry.certificate.thumbprint in said
    assert f"conche trust approve {entry.certificate.thumbprint[:8]} --pki {tmp_path}" in said
    assert entry.url == server.url
    assert entry.certificate.subject == "CN=Test server"
    trust.approve(trust.find(entry.certificate.thumbprint[:8].lower()), [])
    assert await connects(server, tmp_path) == ("Aes256_Sha256_RsaPss", "SignAndEncrypt")
    trust.reject(trust.find(entry.certificate.thumbprint))
    assert "nobody approved" in await refusal(server, tmp_path)


async def test_a_running_gateway_connects_as_soon_as_the_certificate_is_approved(server: Plant, tmp_path: Path) -> None:
    hall = await server.hall()
    await hall.add("Speed", 7.0)
    patient = {"security": {"policy": "Basic256Sha256"}, "retry_max_s": 600, "timeout_s": 5}
    async with running(server.url, tmp_path, hall.name, **patient) as run:
        await run.journal.until(lambda: "nobody approved" in run.status.connection.reason, 20)
        await asyncio.sleep(0.6)  # it may be anywhere in its pause, which grows to minutes
        trust = TrustFolder(tmp_path / "pki")
        trust.approve(trust.entries()[0], [])
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, 30)
        await run.journal.until(lambda: [value for _, value, _ in run.journal.values("Speed")] == [7.0], 30)


@pytest.mark.parametrize(
    ("wish", "flaw", "words"),
    [
        (Wish(begins=timedelta(days=-9), ends=timedelta(days=-1)), Flaw.TIME, "it was valid until"),
        (Wish(begins=timedelta(days=1)), Flaw.TIME, "is a clock wrong?"),
        (Wish(hosts=("plc7", "192.0.2.7")), Flaw.HOST, "it is for plc7 and 192.0.2.7, not for 127.0.0.1"),
        (Wish(uri="urn:other:application"), Flaw.URI, f"it is not for the application '{URI}'"),
        (Wish(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)), Flaw.USE, "key usage"),
        (Wish(signs=False), Flaw.USE, "key usage"),
    ],
    ids=["expired", "not yet valid", "another host", "another application", "not a server", "may not sign"],
)
async def test_what_is_wrong_with_a_certificate_must_be_put_up_with_by_name(
    tmp_path: Path, wish: Wish, flaw: Flaw, words: str
) -> None:
    async with serving(tmp_path / "server", wish) as plant:
        await refusal(plant, tmp_path)
        trust = TrustFolder(tmp_path)
        with pytest.raises(GatewayError, match=f"--despite {flaw}"):
            trust.approve(trust.entries()[0], [])
        trust.approve(trust.entries()[0], [flaw])
        assert (await connects(plant, tmp_path))[0] == "Aes256_Sha256_RsaPss"
        (plain,) = TrustFolder(tmp_path).entries()
        (plain.file.with_suffix(".json")).unlink()  # approved, but nothing is put up with
        said = await refusal(plant, tmp_path)
        assert words in said
        assert said.endswith(f"--despite {flaw}")


async def test_a_key_that_is_too_short_is_never_accepted(tmp_path: Path) -> None:
    async with serving(tmp_path / "server", Wish(bits=1024)) as plant:
        await refusal(plant, tmp_path)
        trust = TrustFolder(tmp_path)
        with pytest.raises(GatewayError, match="cannot be used: its key is no RSA key of 2048 bits"):
            trust.approve(trust.entries()[0], list(Flaw))


async def test_a_certificate_that_changes_is_not_trusted_silently(tmp_path: Path) -> None:
    port, (first, key) = free_port(), made(tmp_path / "first")
    state, seen = tmp_path / "state", TrustFolder(tmp_path / "state" / "pki")
    async with serving(tmp_path / "first", Wish(), port) as plant:
        hall = await plant.hall()
        await hall.add("Speed")
        quick = {"security": {"policy": "best"}, "timeout_s": 2}
        async with running(plant.url, state, **quick) as run:
            await run.journal.until(lambda: bool(seen.entries()), 20)
            approved = seen.entries()[0]
            seen.approve(approved, [])
            await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, 20)
            await plant.server.stop()
            async with serving(tmp_path / "second", Wish(name="Somebody else"), port):
                short = approved.certificate.thumbprint[:8]
                await run.journal.until(lambda: f"not the approved {short}" in run.status.connection.reason, 30)
                assert "CN=Somebody else" in run.status.connection.reason
                (second,) = [one for one in seen.entries() if not seen.is_trusted(one)]
                seen.approve(second, [])
                await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, 30)
    assert first.exists()
    assert key.exists()


async def test_a_certificate_that_was_copied_into_the_folder_counts(server: Plant, tmp_path: Path) -> None:
    await refusal(server, tmp_path)
    (entry,) = TrustFolder(tmp_path).entries()
    pem = load_der_x509_certificate(entry.certificate.der).public_bytes(Encoding.PEM)
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "server.pem").write_bytes(pem)
    (tmp_path / "trusted" / "readme.der").write_bytes(b"no certificate at all")
    assert await connects(server, tmp_path)
    trust = TrustFolder(tmp_path)
    trust.approve(trust.find(entry.certificate.thumbprint), [Flaw.TIME])
    assert sorted(file.suffix for file in (tmp_path / "trusted").iterdir()) == [".der", ".der", ".json"]
    assert trust.find(entry.certificate.thumbprint).despite == {Flaw.TIME}


async def test_the_best_secure_endpoint_is_taken_and_none_only_when_asked_for(server: Plant, tmp_path: Path) -> None:
    trust = TrustFolder(tmp_path)
    await refusal(server, tmp_path)
    trust.approve(trust.entries()[0], [])
    assert await connects(server, tmp_path) == ("Aes256_Sha256_RsaPss", "SignAndEncrypt")
    assert await connects(server, tmp_path, mode="Sign") == ("Basic256Sha256", "Sign")
    assert await connects(server, tmp_path, policy="Basic256Sha256") == ("Basic256Sha256", "SignAndEncrypt")
    assert (await connects(server, tmp_path, policy="None"))[0] == "None"


async def test_a_server_without_security_is_not_connected_to_by_default(tmp_path: Path) -> None:
    plant = await Plant(free_port()).build()
    async with plant.server:
        with pytest.raises(
            NotConnected, match="no secure endpoint with mode SignAndEncrypt, it offers None: set policy"
        ):
            await Session.connect(settings(plant.url), tmp_path)


async def test_endpoints_that_differ_between_discovery_and_session_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody in between who hides the strong endpoints is found out when the session is created."""
    async with serving(tmp_path / "server", Wish()) as plant:
        trust = TrustFolder(tmp_path)
        await refusal(plant, tmp_path)
        trust.approve(trust.entries()[0], [])
        weak = [one for one in await plant.server.get_endpoints() if "Aes256" not in one.SecurityPolicyUri]

        async def weakened(_: object) -> list[ua.EndpointDescription]:
            return weak

        monkeypatch.setattr("gateway.opcua.link.LinkedClient.connect_and_get_server_endpoints", weakened)
        with pytest.raises(NotConnected, match="told of other endpoints before"):
            await Session.connect(settings(plant.url), tmp_path)


async def test_a_peer_with_ever_new_certificates_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.opcua.trust._MOST_REJECTED", 3)
    for number in range(5):
        certificate, _ = made(tmp_path / str(number), Wish(name=f"Nr {number}"))
        with pytest.raises(Untrusted):
            TrustFolder(tmp_path).check(Certificate.read(certificate.read_bytes()), "opc.tcp://x:1", URI)
    kept = {entry.certificate.subject for entry in TrustFolder(tmp_path).entries()}
    assert kept == {"CN=Nr 2", "CN=Nr 3", "CN=Nr 4"}
    assert len(list((tmp_path / "rejected").iterdir())) == 6


async def test_the_servers_own_certificate_is_the_first_of_a_chain(tmp_path: Path) -> None:
    first, second = (made(tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    assert certificates(first + second) == [first, second]
    assert certificates(first) == [first]
    assert certificates(first + b"x")[0] == first


async def test_endpoints_that_are_no_use_are_passed_over() -> None:
    with pytest.raises(NotConnected, match="it offers nothing"):
        choose([], SecuritySettings())
    bare = ua.EndpointDescription(SecurityMode=ua.MessageSecurityMode.SignAndEncrypt, EndpointUrl="opc.tcp://x")
    with pytest.raises(NotConnected, match="no endpoint Basic256Sha256"):
        choose([bare], SecuritySettings(policy="Basic256Sha256"))
