"""The gateway and the plant know each other by their certificates, as a real server and its client do."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_plant_server import PASSWORD, Served

from gateway.opcua.certificate import Certificate
from gateway.opcua.errors import ServiceFault, Untrusted
from gateway.opcua.session import Session
from gateway.opcua.settings import SourceSettings
from gateway.opcua.trust import TrustFolder

pytestmark = pytest.mark.asyncio(loop_scope="session")


def settings(served: Served, password: str = PASSWORD) -> SourceSettings:
    security = {"user": "operator", "password": password}
    return SourceSettings.model_validate({"name": "plant", "url": served.url, "security": security})


async def test_the_plant_is_refused_until_it_is_approved_and_nothing_speaks_against_it(
    served: Served, tmp_path: Path
) -> None:
    with pytest.raises(Untrusted, match="CN=Conche chocolate plant"):
        await Session.connect(settings(served), tmp_path)
    trust = TrustFolder(tmp_path)
    (entry,) = trust.entries()
    trust.approve(entry, [])
    session = await Session.connect(settings(served), tmp_path)
    assert session.service_level == 255
    assert session._client.security_policy.URI.endswith("#Basic256Sha256"), "the best that it offers"
    await session.close()
    with pytest.raises(ServiceFault, match="BadUserAccessDenied"):
        await Session.connect(settings(served, "wrong"), tmp_path)


async def test_the_plants_own_certificate_is_trusted_before_the_first_contact(served: Served, tmp_path: Path) -> None:
    trust = TrustFolder(tmp_path)
    file = served.server.operator_password_path.parent / "pki" / "own" / "certificate.der"
    trust.approve(trust.new(Certificate.read(file.read_bytes())), [])
    session = await Session.connect(settings(served), tmp_path)
    await session.close()
