"""A plant that is served: one for all tests that only look, and new ones for those that stop and start it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from asyncua import Client
from asyncua.crypto.cert_gen import setup_self_signed_certificate
from cryptography.x509.oid import ExtendedKeyUsageOID
from support_plant_server import CHOCO, PASSWORD, Serve, Served, caught_up, running
from support_standard_space import copied_standard_space

from opcua_server.security import load_identity
from opcua_server.services.stack import APPLICATION_URI
from opcua_server.settings import ServerSettings
from plant_model.spec import PlantSpec, parse


@pytest.fixture(scope="session", autouse=True)
def _quick_standard_space() -> Iterator[None]:
    with copied_standard_space():
        yield


@pytest.fixture(scope="session")
def spec() -> PlantSpec:
    return parse(yaml.safe_load(CHOCO.read_text()))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    await setup_self_signed_certificate(
        folder / "key.pem",
        folder / "certificate.der",
        Client("opc.tcp://127.0.0.1").application_uri,
        "localhost",
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        {},
    )
    return folder


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate made once: making one takes its time."""
    folder = tmp_path_factory.mktemp("identity") / "pki"
    load_identity(folder, APPLICATION_URI, "127.0.0.1")
    return folder


@pytest.fixture
def settings(tmp_path: Path, identity: Path) -> ServerSettings:
    shutil.copytree(identity, tmp_path / "plant" / "pki")
    return ServerSettings(port=0, state=tmp_path / "plant", past_s=5, operator_password=PASSWORD)


@pytest.fixture
def serve(spec: PlantSpec, settings: ServerSettings, keys: Path) -> Serve:
    """Start a server, with settings changed by name; stop it at the end."""

    def started(**changes: object) -> AbstractAsyncContextManager[Served]:
        return running(spec, settings.model_copy(update=changes), keys)

    return started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served(spec: PlantSpec, keys: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """One server for all tests that leave it as it is."""
    state = tmp_path_factory.mktemp("served")
    settings = ServerSettings(port=0, state=state, past_s=120, operator_password=PASSWORD)
    async with running(spec, settings, keys) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def client(served: Served) -> AsyncIterator[Client]:
    """An anonymous client of the server that all share, which stood still while other tests ran."""
    async with served.anonymous() as found:
        await caught_up(found)
        yield found


@pytest_asyncio.fixture(loop_scope="session")
async def operator(served: Served) -> AsyncIterator[Client]:
    """The operator at the server that all share."""
    async with served.user() as found:
        yield found
