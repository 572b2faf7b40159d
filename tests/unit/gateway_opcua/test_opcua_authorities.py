"""A server whose certificate an authority gave is believed when the authority is, and has not revoked it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from support_certificates import URI, Authority, Wish, identify, made
from support_opcua import Plant, free_port

from gateway.opcua.certificate import Certificate, Flaw
from gateway.opcua.errors import Untrusted
from gateway.opcua.session import Session
from gateway.opcua.settings import SourceSettings
from gateway.opcua.trust import TrustFolder

URL = "opc.tcp://localhost:4840"
SERVER = Wish()


class Everybody:
    """Lets in who comes."""

    def get_user(self, *_: object, **__: object) -> User:
        return User(role=UserRole.User)


@asynccontextmanager
async def serving(folder: Path, by: Authority, *, sends: bool = False) -> AsyncIterator[Plant]:
    """A server with a certificate of this authority, whose own it `sends` along."""
    plant = Plant(free_port())
    plant.server = Server(user_manager=Everybody())
    await plant.build()
    plant.server.set_security_policy([ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt])
    await identify(plant.server, *made(folder, by=by))
    async with plant.server:
        for endpoint in plant.server.iserver.endpoints if sends else ():
            endpoint.ServerCertificate += by.der
        yield plant


async def connect(plant: Plant, pki: Path) -> None:
    settings = {"name": "plant", "url": plant.url, "timeout_s": 5}
    session = await Session.connect(SourceSettings.model_validate(settings), pki)
    await session.close()


async def refusal(plant: Plant, pki: Path) -> str:
    with pytest.raises(Untrusted) as refused:
        await connect(plant, pki)
    return str(refused.value)


def put(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def judged(pki: Path, der: bytes, *sent: Authority) -> str:
    """Why a server with this certificate is refused; "" if it is not."""
    try:
        TrustFolder(pki).check(Certificate.read(der), URL, URI, [Certificate.read(one.der) for one in sent])
    except Untrusted as error:
        return str(error)
    return ""


def issued(folder: Path, by: Authority, wish: Wish = SERVER) -> bytes:
    return made(folder, wish, by)[0].read_bytes()


async def test_an_authority_that_the_server_sends_along_can_be_approved(tmp_path: Path) -> None:
    authority, pki = Authority(), tmp_path / "pki"
    async with serving(tmp_path / "server", authority, sends=True) as plant:
        reason = await refusal(plant, pki)
        trust = TrustFolder(pki)
        (top,) = [one for one in trust.entries() if one.certificate.is_authority]
        assert f"or approve {top.certificate.thumbprint[:8]}, its authority CN=Plant CA" in reason
        trust.approve(trust.find(top.certificate.thumbprint), [])
        assert "there is no revocation list of CN=Plant CA in trusted/crl" in await refusal(plant, pki)
        put(pki / "trusted" / "crl", "plant.crl", authority.crl())
        await connect(plant, pki)


async def test_an_authority_that_came_by_file_is_trusted_until_it_revokes(tmp_path: Path) -> None:
    authority, pki = Authority(), tmp_path / "pki"
    put(pki / "trusted" / "certs", "plant.der", authority.der)
    put(pki / "trusted" / "crl", "plant.crl", authority.crl(issued(tmp_path / "other", authority)))
    async with serving(tmp_path / "server", authority) as plant:
        await connect(plant, pki)
        own = (tmp_path / "server" / "server.der").read_bytes()
        put(pki / "trusted" / "crl", "plant.crl", authority.crl(own))
        assert "CN=Plant CA has revoked CN=Test server" in await refusal(plant, pki)


def test_a_revoked_certificate_is_refused_though_it_was_approved_itself(tmp_path: Path) -> None:
    authority = Authority()
    der = issued(tmp_path / "server", authority)
    trust = TrustFolder(tmp_path)
    trust.approve(trust.new(Certificate.read(der)), list(Flaw))
    put(tmp_path / "issuers" / "certs", "plant.der", authority.der)
    assert not judged(tmp_path, der), "no list is asked for where the certificate itself is trusted"
    put(tmp_path / "issuers" / "crl", "plant.crl", authority.crl(der))
    assert "has revoked" in judged(tmp_path, der)
    assert "put up with" not in judged(tmp_path, der)


def test_authorities_between_must_be_known_and_allowed_and_their_lists_too(tmp_path: Path) -> None:
    root = Authority("Root")
    works = Authority("Works", above=root, length=0)
    der = issued(tmp_path / "server", works)
    put(tmp_path / "trusted" / "certs", "root.der", root.der)
    put(tmp_path / "trusted" / "crl", "root.crl", root.crl())
    put(tmp_path / "issuers" / "crl", "works.crl", works.crl())
    assert "that nobody approved" in judged(tmp_path, der)
    assert not judged(tmp_path, der, works)
    put(tmp_path / "issuers" / "certs", "works.der", works.der)
    assert not judged(tmp_path, der)
    beyond = Authority("Beyond", above=works)
    put(tmp_path / "issuers" / "crl", "beyond.crl", beyond.crl())
    assert "that nobody approved" in judged(tmp_path, issued(tmp_path / "deep", beyond), beyond), "Works may sign no CA"
    put(tmp_path / "trusted" / "crl", "root.crl", root.crl(works.der))
    assert "CN=Root has revoked CN=Works" in judged(tmp_path, der)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        ([], "there is no revocation list of CN=Plant CA"),
        (["foreign"], "there is no revocation list of CN=Plant CA"),
        (["broken"], "there is no revocation list of CN=Plant CA"),
        (["old"], "the revocation list of CN=Plant CA in trusted/crl or issuers/crl is out of date"),
        (["old", "new"], ""),
    ],
)
def test_without_a_list_that_holds_nothing_is_believed_unless_a_person_says_so(
    lists: Sequence[str], reason: str, tmp_path: Path
) -> None:
    authority, namesake = Authority(), Authority()
    contents = {
        "foreign": namesake.crl(),
        "broken": b"no list",
        "old": authority.crl(ends=timedelta(hours=-1)),
        "new": authority.crl(),
    }
    der = issued(tmp_path / "server", authority)
    put(tmp_path / "trusted" / "certs", "plant.der", authority.der)
    for name in lists:
        put(tmp_path / "trusted" / "crl", f"{name}.crl", contents[name])
    said = judged(tmp_path, der)
    assert reason in said
    if reason:
        trust = TrustFolder(tmp_path)
        trust.approve(trust.find(Certificate.read(der).thumbprint), [Flaw.REVOCATION])
        assert not judged(tmp_path, der)


def test_whoever_only_looks_like_an_authority_is_none(tmp_path: Path) -> None:
    authority, namesake = Authority(), Authority()
    server, _ = made(tmp_path / "leaf", Wish(name="Plant CA"))
    put(tmp_path / "trusted" / "certs", "plant.der", authority.der)
    put(tmp_path / "trusted" / "crl", "plant.crl", authority.crl())
    assert "that nobody approved" in judged(tmp_path, issued(tmp_path / "a", namesake), namesake)
    put(tmp_path / "trusted" / "certs", "leaf.der", server.read_bytes())
    assert "that nobody approved" in judged(tmp_path, issued(tmp_path / "b", namesake))


def test_what_is_wrong_with_a_certificate_of_an_authority_is_not_passed_over(tmp_path: Path) -> None:
    authority = Authority()
    put(tmp_path / "trusted" / "certs", "plant.der", authority.der)
    put(tmp_path / "trusted" / "crl", "plant.crl", authority.crl())
    der = issued(tmp_path / "server", authority, Wish(hosts=["elsewhere"]))
    assert "it is for elsewhere, not for localhost" in judged(tmp_path, der)
    trust = TrustFolder(tmp_path)
    trust.approve(trust.find(Certificate.read(der).thumbprint), [Flaw.HOST])
    assert not judged(tmp_path, der)


def test_a_new_list_or_authority_is_noticed_as_an_approval_is(tmp_path: Path) -> None:
    trust, stamps = TrustFolder(tmp_path), []
    for folder in ("trusted/certs", "trusted/crl", "issuers/certs", "issuers/crl"):
        put(tmp_path / folder, "new", b"")
        stamps.append(trust.stamp())
    assert len(set(stamps)) == 4
